"""A session on disk is the session, and one that is damaged says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from recorded_sessions import watched

from market_maker.app.sessions import read_session
from market_maker.backtest.session import BandFills, Session
from market_maker.backtest.session_files import load_session, save_session
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import MONEY_SCALE
from market_maker.core.queue_estimates import Estimate


def _equal(left: Session, right: Session) -> bool:
    for name in left.__struct_fields__:
        ours, theirs = getattr(left, name), getattr(right, name)
        if not hasattr(ours, "time_ns") and not hasattr(ours, "side"):
            if name != "bands" and ours != theirs:
                return False
            continue
        for column in ours.__struct_fields__:
            if not np.array_equal(getattr(ours, column), getattr(theirs, column)):
                return False
    return True


def _banded(session: Session) -> Session:
    fills = session.fills
    huge = tuple(-fee - 7 * 10**12 * MONEY_SCALE for fee in fills.fee)
    band = BandFills(fills.time_ns, fills.side, fills.price, fills.qty, fills.order, huge)
    parts = {name: getattr(session, name) for name in session.__struct_fields__}
    return Session(**{**parts, "bands": {Estimate.PESSIMISTIC: band}})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    session = _banded(watched().session)
    save_session(session, tmp_path / "session")
    read = load_session(tmp_path / "session")
    assert _equal(read, session)
    (band,) = read.bands.values()
    assert band.fee == session.bands[Estimate.PESSIMISTIC].fee
    assert min(band.fee) < -(2**64)
    assert read_session(tmp_path).about == session.about


def test_a_session_written_again_replaces_the_old_one(tmp_path: Path) -> None:
    session = watched().session
    save_session(_banded(session), tmp_path / "session")
    save_session(session, tmp_path / "session")
    assert load_session(tmp_path / "session").bands == {}
    assert [path.name for path in tmp_path.iterdir()] == ["session"]


def test_damage_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    save_session(watched().session, folder)
    fills = folder / "fills.parquet"
    whole = fills.read_bytes()
    fills.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableError, match=r"fills\.parquet cannot be read"):
        load_session(folder)
    fills.write_bytes(whole)
    pq.write_table(pq.read_table(fills).drop_columns(["price"]), fills)
    with pytest.raises(UnusableError, match=r"fills\.parquet.*price"):
        load_session(folder)
    fills.unlink()
    with pytest.raises(UnusableError, match=r"fills\.parquet is missing"):
        load_session(folder)
    head = folder / "session.json"
    head.write_bytes(head.read_bytes().replace(b'"format": 1', b'"format": 99', 1))
    with pytest.raises(UnusableError, match="format 99"):
        load_session(folder)
    head.write_text("{")
    with pytest.raises(UnusableError, match="damaged"):
        load_session(folder)


def test_a_place_without_a_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="does not exist"):
        read_session(tmp_path / "nowhere")
    with pytest.raises(UnusableError, match="holds no journal"):
        read_session(tmp_path)
    with pytest.raises(UnusableError, match=r"no session\.json"):
        load_session(tmp_path)
