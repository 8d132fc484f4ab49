from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.config.options import DEFAULT_MODE, Mode, RunOptions
from market_maker.config.paths import DataPaths
from market_maker.core.errors import UnusableError


def test_modes_share_no_path(tmp_path: Path) -> None:
    sim, live = (DataPaths(tmp_path, mode, ("SOL-USD",)) for mode in (Mode.SIM, Mode.LIVE))
    for name in ("lock_file", "control_socket", "state_file", "exchange_dir", "kill_file"):
        assert getattr(sim, name) != getattr(live, name)
    assert sim.journal_dir("SOL-USD") != live.journal_dir("SOL-USD")


def test_markets_share_no_journal(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path, Mode.SIM)
    assert paths.journal_dir("SOL-USD") != paths.journal_dir("BTC-USD")


@pytest.mark.parametrize("market", ["BTC/USDT:USDT", "../../etc", "a b", "x\\y"])
def test_a_markets_name_never_leaves_the_data_directory(tmp_path: Path, market: str) -> None:
    folder = DataPaths(tmp_path, Mode.SIM).market_dir(market)
    assert folder.parent == tmp_path
    assert folder.resolve().parent == tmp_path.resolve()


def test_directories_are_made_private(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path / "deep" / "er", Mode.SIM, ("SOL-USD",))
    paths.ensure()
    paths.ensure()
    for folder in (paths.account_dir, paths.market_dir("SOL-USD")):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert list(folder.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableError, match=r"file.*--data-dir"):
        DataPaths(tmp_path / "file", Mode.SIM).ensure()


def test_paths_are_absolute_whatever_was_given() -> None:
    assert DataPaths(Path("data"), Mode.SIM).account_dir.is_absolute()


def test_a_run_trades_on_the_embedded_exchange_unless_told_otherwise() -> None:
    assert RunOptions(markets=("SOL-USD",)).mode is DEFAULT_MODE is Mode.SIM
