"""Sessions that cannot be compared are refused; those that part are told where; latencies are measured."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from made_sessions import BEGAN_NS
from msgspec.structs import replace
from paired_sessions import MID, Made, compared, session_of
from recorded_sessions import watched

from market_maker.backtest.parity.comparable import common_period
from market_maker.backtest.parity.order_match import match_orders
from market_maker.backtest.parity.page import parity_page
from market_maker.backtest.parity.parity import Verdict
from market_maker.backtest.parity.refit import refit
from market_maker.backtest.parity.spread import spread_of
from market_maker.backtest.parity.words import text_of
from market_maker.backtest.session import KINDS, RESULTS, Requests, Session
from market_maker.config.simulated import LatencyConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import RequestKind, Result
from market_maker.core.instrument import NANOS
from market_maker.kernels.fill_setup import delay_table

FILLS = (Made(5.0, 1, MID - 2, 100, 1), Made(12.0, -1, MID + 3, 60, 2))


def _renamed(session: Session, **changes: object) -> Session:
    return replace(session, about=replace(session.about, **changes))


def test_another_market_is_refused() -> None:
    left = session_of(FILLS)
    with pytest.raises(UnusableError, match="different markets"):
        compared(left, _renamed(left, market="BTC-USD"))


def test_other_units_are_refused_and_named() -> None:
    left = session_of(FILLS)
    finer = replace(left.about.instrument, price_quantum=Decimal("0.001"))
    with pytest.raises(UnusableError, match=r"different units \(0\.01 and 0\.001\)"):
        compared(left, _renamed(left, instrument=finer))


def test_sessions_without_common_time_are_refused() -> None:
    left = session_of(FILLS)
    later = BEGAN_NS + 60 * NANOS
    with pytest.raises(UnusableError, match="no time in common"):
        compared(left, _renamed(left, began_ns=later, ended_ns=later + NANOS))


def test_settings_and_rules_that_differ_are_named_by_key() -> None:
    left = session_of(FILLS)
    rules = replace(left.about.instrument, maker_fee_rate=Decimal("0.0005"))
    right = _renamed(left, settings={"quoting": {"levels": 3}}, instrument=rules)
    found = {each.key: each.right for each in compared(left, right).parity.settings}
    assert found == {"quoting.levels": "3", "instrument.maker_fee_rate": "0.0005"}


def test_the_first_different_decision_is_named_with_time_and_level() -> None:
    left = session_of(FILLS)
    commands = left.commands
    price = commands.price.copy()
    price[1] += 1
    right = replace(left, commands=replace(commands, price=price))
    parity = compared(left, right, exact=True).parity
    found = parity.divergence
    assert found is not None
    assert (found.stream, found.same, found.level) == ("decisions", 1, "sell/0")
    assert found.time_ns == BEGAN_NS + 11 * NANOS
    assert (found.left, found.right) == (
        "submit order 1: 0.6 at 150.03",
        "submit order 1: 0.6 at 150.04",
    )
    assert parity.verdict is Verdict.BEYOND


def test_a_session_that_did_nothing_more_parts_where_the_other_goes_on() -> None:
    found = compared(session_of(FILLS[:1]), session_of(FILLS)).parity.divergence
    assert found is not None
    assert (found.stream, found.left, found.level) == ("decisions", "", "sell/0")


def test_a_session_and_the_replay_of_its_journal_are_identical() -> None:
    session = watched().session
    again = _renamed(session, epoch=session.about.epoch + 1)
    names = tuple(f"mm-{again.about.epoch:x}-{row:x}" for row in range(len(session.orders.side)))
    again = replace(again, orders=replace(again.orders, client_id=names))
    parity = compared(session, again, exact=True).parity
    assert parity.verdict is Verdict.IDENTICAL
    assert parity.matched.unmatched == 0.0


@pytest.mark.parametrize(
    ("changes", "beyond"),
    [
        ({}, 1),
        ({"unmatched": 0.5, "gap_bps": 1e6}, 0),
        ({"unmatched": 0.5, "gap_bps": 1e6, "exact": True}, 1),
    ],
)
def test_tolerances_decide_what_is_beyond(changes: dict[str, float], beyond: int) -> None:
    parity = compared(
        session_of(FILLS), session_of(FILLS[:1]), **{"gap_bps": 1e6, **changes}
    ).parity
    assert len(parity.exceeded) == beyond
    assert parity.verdict is (Verdict.BEYOND if beyond else Verdict.WITHIN)


def test_orders_find_their_partners_by_price_and_time_where_ids_say_nothing() -> None:
    session = watched().session
    nameless = tuple(f"x{row}" for row in range(len(session.orders.side)))
    other = replace(session, orders=replace(session.orders, client_id=nameless))
    partner = match_orders(session, other, common_period(session, other), NANOS)
    same = partner == np.arange(len(partner))
    assert same.mean() > 0.95


def _answers(kind: RequestKind, latencies_ms: np.ndarray) -> Requests:
    count = len(latencies_ms)
    return Requests(
        time_ns=BEGAN_NS + np.arange(count) * NANOS,
        kind=np.full(count, KINDS.index(kind)),
        result=np.full(count, RESULTS.index(Result.ACCEPTED)),
        latency_ns=np.round(latencies_ms * 1e6).astype(np.int64),
        order=np.full(count, -1),
    )


def test_latencies_give_back_the_settings_that_made_them() -> None:
    made = LatencyConfig(floor_ms=20, tail_median_ms=8, tail_log_sd=0.6)
    table = np.array(delay_table(made)) / 1e6 + 10.0  # 10 ms back
    found = refit(replace(session_of(), requests=_answers(RequestKind.AMEND, table)))
    (delay,) = found.delays
    assert found.response_ms == pytest.approx(table.min() / 2)
    floor_ms = delay.floor_ms.value + (found.response_ms or 0.0)
    assert floor_ms == pytest.approx(30.0, abs=0.2)
    assert floor_ms + delay.tail_median_ms.value == pytest.approx(38.0, abs=0.1)
    assert delay.tail_log_sd.value == pytest.approx(0.6, abs=0.02)
    for fitted in (delay.floor_ms, delay.tail_median_ms, delay.tail_log_sd):
        assert fitted.low < fitted.value < fitted.high
    assert delay.measured.low is not None
    assert delay.measured.low < 38.0 < (delay.measured.high or 0.0)
    assert "[paper.amend_latency]" in found.toml()
    assert {note.split(":")[0] for note in found.notes} == {
        "place",
        "cancel",
        "stream",
        "queue exponent",
    }


def test_a_constant_latency_has_no_tail() -> None:
    found = refit(replace(session_of(), requests=_answers(RequestKind.CANCEL, np.full(50, 12.0))))
    (delay,) = found.delays
    told = (delay.floor_ms, delay.tail_median_ms, delay.tail_log_sd)
    assert [(each.low, each.value, each.high) for each in told] == [
        (6.0,) * 3,
        (0.0,) * 3,
        (0.0,) * 3,
    ]


def test_the_interval_of_a_median_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(2000):
        spread = spread_of(rng.exponential(size=41), "ms")
        assert spread is not None
        covered += (spread.low or 0.0) <= math.log(2.0) <= (spread.high or 0.0)
    assert 0.93 < covered / 2000 < 0.99
    few = spread_of(np.arange(5.0), "ms")
    assert few is not None
    assert few.low is None


def test_the_page_is_whole_and_loads_nothing() -> None:
    result = compared(
        session_of(FILLS), session_of((FILLS[0]._replace(price=MID - 1),), seconds=50)
    )
    page = parity_page(result)
    assert page.count("<section>") == page.count("</section>") == 6
    assert "http" not in page
    assert len(page) < 400_000
    told = text_of(result.parity)
    for part in result.parity.parts.values():
        assert f"{part.exact:+.6f}" in told
        assert f"{part.exact:+.6f}" in page
