"""Figures of sessions whose answer is known, and verdicts that only enough data can carry."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from driving import SOL, bot_of
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sessions import BEGAN_NS, MID2, made
from recorded_sessions import watched
from statsmodels.duration.survfunc import SurvfuncRight

from market_maker.backtest.bootstrap import Blocks, Figure
from market_maker.backtest.cells import cells_of, effective_fills, mark_fills
from market_maker.backtest.comparison import compare
from market_maker.backtest.drawdown import drawdown_of
from market_maker.backtest.fill_chance import Apart, fill_chance
from market_maker.backtest.results import Verdict
from market_maker.backtest.session import BandFills
from market_maker.backtest.session_statistics import statistics_of
from market_maker.core.instrument import MONEY_SCALE, NANOS
from market_maker.core.queue_estimates import Estimate

HOURS_3 = 3 * 3600


def _noise(n: int = HOURS_3, mean: float = 0.0, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.05, n)


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [(0.01, Verdict.POSITIVE), (-0.01, Verdict.NEGATIVE), (0.0, Verdict.UNDECIDED)],
)
def test_a_long_session_is_judged_by_its_interval(mean: float, verdict: Verdict) -> None:
    found = statistics_of(made(_noise(mean=mean), fills_every_s=20.0))
    assert found.judgement.verdict is verdict
    assert found.judgement.reasons == ()
    figure = found.pnl_per_hour
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 3600.0 * mean < figure.high


@pytest.mark.parametrize(
    ("seconds", "fills_every_s", "lacks"),
    [(600, 1.0, "hours"), (HOURS_3, 200.0, "effective fills"), (300, 1.0, "blocks")],
)
def test_a_few_minutes_or_fills_carry_no_verdict(
    seconds: int, fills_every_s: float, lacks: str
) -> None:
    """However clear the profit looks."""
    found = statistics_of(made(_noise(seconds, 0.5), fills_every_s=fills_every_s))
    assert found.judgement.verdict is Verdict.INSUFFICIENT_DATA
    assert any(lacks in reason for reason in found.judgement.reasons)


def test_a_session_without_fills_or_time_has_figures_without_values() -> None:
    for gains in (np.zeros(5), np.zeros(400)):
        found = statistics_of(made(gains))
        assert found.judgement.verdict is Verdict.INSUFFICIENT_DATA
        assert found.parts_bps["pnl"].value is None
        assert found.sharpe_per_hour.value is None
        assert found.pnl_per_hour == Figure(0.0, None, None, "USD/h")
        assert found.fills_per_hour.low is None
        assert b"NaN" not in msgspec.json.encode(found)


def test_fills_that_share_their_moves_count_once() -> None:
    times = (np.array([0.0, 1.0, 9.9, 10.0, 15.0, 30.0]) * NANOS).astype(np.int64)
    assert effective_fills(times) == 3


def test_sums_over_cells_are_the_sessions_own() -> None:
    run, session, _ = watched()
    found = statistics_of(session)
    ledger = bot_of(run).strategy.parts.ledger
    assert found.pnl == Decimal(ledger.trading_pnl) / MONEY_SCALE
    assert sum(found.parts.values(), Decimal(0)) == Decimal(ledger.equity_change) / MONEY_SCALE
    theirs = run.exchange.fills(SOL)
    assert found.activity.fills == len(theirs) == sum(hour.fills for hour in found.hours)
    assert sum(hour.pnl for hour in found.hours) == pytest.approx(float(found.pnl))
    assert sum(hour.seconds for hour in found.hours) == pytest.approx(session.about.duration_s)
    assert found.activity.notional == pytest.approx(ledger.totals.notional / MONEY_SCALE)
    shares = [figure.value for figure in found.quoting.values()]
    assert math.fsum(share for share in shares if share is not None) == pytest.approx(100.0)


def test_markouts_are_the_ledgers() -> None:
    """The ledger marks every fill out by itself, mid by mid."""
    run, session, _ = watched()
    ours = {
        (each.side, each.horizon_s): each for each in statistics_of(session).markouts
    }  # fmt: skip
    compared = 0
    for theirs in bot_of(run).strategy.parts.ledger.markouts():
        mine = ours.get((theirs.side.label, theirs.horizon_ns / NANOS))
        if mine is None or theirs.mean_bps is None:
            continue
        compared += 1
        assert mine.fills == theirs.n
        assert mine.markout.value == pytest.approx(theirs.mean_bps, rel=0.02, abs=0.02)
        assert mine.adverse.value == pytest.approx(theirs.adverse_bps, rel=0.05, abs=0.05)
    assert compared == 2


def test_deposits_are_no_profit() -> None:
    session = made(np.full(4000, 0.25))
    found = statistics_of(session)
    assert found.pnl == Decimal(1000)
    assert found.parts["external"] == Decimal(7)


def test_markouts_of_known_moves() -> None:
    """Bought a tick below the mid, which then falls by 3 ticks after 5 s and rises by 10 after 30."""
    mids2 = [(0.0, MID2), (105.0, MID2 - 6), (130.0, MID2 + 20)]
    session = made(np.zeros(3600), quotes=[(1, 90.0, 100.0, -1, 100.0)], mids2=mids2)
    marked = mark_fills(session)
    bps = 1e4 / MID2
    assert marked.captured.tolist() == pytest.approx([2 * bps])
    assert marked.adverse[:, 0].tolist() == pytest.approx([0.0, -6 * bps, 20 * bps])
    assert marked.markout[:, 0].tolist() == pytest.approx([2 * bps, -4 * bps, 22 * bps])
    late = made(np.zeros(120), quotes=[(1, 90.0, 100.0, -1, 100.0)], mids2=mids2)
    assert np.isnan(mark_fills(late).markout[2, 0])


def test_time_quoting_counts_sides_not_orders() -> None:
    quotes = [
        (1, 10.0, 50.0, -1, None),
        (1, 20.0, 30.0, -1, None),
        (-1, 40.0, 70.0, -1, None),
    ]
    session = made(np.zeros(100), quotes=quotes)
    cells = cells_of(session, mark_fills(session))
    assert cells.sums["both_s"].sum() == pytest.approx(10.0)
    assert cells.sums["one_s"].sum() == pytest.approx(50.0)
    assert cells.sums["none_s"].sum() == pytest.approx(40.0)
    assert cells.sums["both_s"][40:50].tolist() == pytest.approx([1.0] * 10)


def test_a_share_of_time_is_between_nothing_and_all_of_it() -> None:
    """However far an interval from few blocks is widened."""
    quotes = [(side, 0.0, 352.0, -1, None) for side in (1, -1)]
    found = statistics_of(made(_noise(360), quotes=quotes)).quoting
    assert found["none"].low == 0.0
    assert found["both"].high == 100.0


def test_what_only_grows_is_at_least_nothing_an_hour() -> None:
    found = statistics_of(
        made(_noise(360), quotes=[(1, 90.0, 100.0, -1, each) for each in (94.0, 95.0)])
    )
    assert found.fills_per_hour.low == 0.0
    assert found.turnover_per_hour.low in {0.0, None}


def test_the_chance_of_a_fill_is_that_of_an_independent_estimator() -> None:
    random = np.random.default_rng(4)
    quotes = []
    for i in range(300):
        began, lasts = float(i * 10), float(random.exponential(8.0))
        filled = began + lasts if random.random() < 0.4 else None
        quotes.append((1, began, began + lasts, 50, filled))
    quotes.sort(key=lambda quote: quote[4] is None)
    (found,) = fill_chance(made(np.zeros(4000), quotes=quotes)).classes
    lasted = [quote[2] - quote[1] for quote in quotes]
    status = [int(quote[4] is not None) for quote in quotes]
    oracle = SurvfuncRight(np.array(lasted), np.array(status))
    for chance in found.chances:
        if chance.chance is None:
            assert max(lasted) < chance.horizon_s
            continue
        within = oracle.surv_times <= chance.horizon_s
        assert chance.chance == pytest.approx(1.0 - oracle.surv_prob[within][-1], abs=1e-6)
        spread = oracle.surv_prob_se[within][-1]
        assert chance.low is not None
        assert chance.high is not None
        assert 0.0 <= chance.low < chance.chance < chance.high <= 1.0
        # These stays are independent, so clusters of them err as the oracle says.
        assert chance.high - chance.low == pytest.approx(2 * 2.05 * spread, rel=0.3)


def test_a_longer_queue_means_a_smaller_chance_and_the_halves_agree() -> None:
    random = np.random.default_rng(6)
    quotes = []
    for i in range(800):
        ahead = int(random.choice([0, 100, 400]))
        wait = float(random.exponential(3.0 + ahead / 20.0))
        filled = 4.0 * i + wait if wait < 20.0 else None
        quotes.append((1, 4.0 * i, 4.0 * i + min(wait, 20.0), ahead, filled))
    quotes.sort(key=lambda quote: quote[4] is None)
    found = fill_chance(made(np.zeros(4000), quotes=quotes))
    assert found.by is Apart.QUEUE
    chances = [each.chances[2].chance for each in found.classes]
    assert [each.ahead_high for each in found.classes] == [0, 100, 400]
    assert None not in chances
    assert chances == sorted(chances, key=lambda chance: -(chance or 0.0))
    for chance, ahead in zip(chances, (0, 100, 400), strict=True):
        assert chance == pytest.approx(1.0 - math.exp(-10.0 / (3.0 + ahead / 20.0)), abs=0.08)
    assert [forecast.met for forecast in found.forecasts] == [True] * 3
    low, high = found.forecasts[0].came.low, found.forecasts[0].came.high
    assert low is not None
    assert high is not None
    assert 0.0 < low < high < 1.0


def test_the_drawdown_is_the_deepest_fall_and_dated() -> None:
    gains = np.array([1.0, 2.0, -4.0, 1.0, -2.0, 6.0, -1.0])
    edges = np.arange(8) * NANOS
    found = drawdown_of(edges, gains, Blocks(7, 1))
    assert found.deepest == pytest.approx(5.0)
    assert (found.peak_ns, found.trough_ns, found.recovered_ns) == (
        2 * NANOS,
        5 * NANOS,
        6 * NANOS,
    )
    assert found.under_water_share == pytest.approx(4 / 7)
    assert found.low is not None
    assert found.high is not None
    assert 0.0 <= found.low <= found.high


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_the_drawdown_is_that_of_every_pair(gains: list[int]) -> None:
    equity = np.concatenate(([0], np.cumsum(gains)))
    worst = max(
        float(equity[i] - equity[j]) for i in range(len(equity)) for j in range(i, len(equity))
    )
    found = drawdown_of(
        np.arange(len(equity)) * NANOS, np.array(gains, dtype=float), Blocks(len(gains), 1)
    )
    assert found.deepest == worst
    assert found.peak_ns <= found.trough_ns


def test_the_band_is_what_other_fills_of_the_same_orders_come_to() -> None:
    session = made(np.zeros(60), fills_every_s=10.0)
    fills = session.fills
    half = slice(0, len(fills.side) // 2)
    band = BandFills(
        fills.time_ns[half], fills.side[half], fills.price[half], fills.qty[half], fills.order[half], fills.fee[half]
    )  # fmt: skip
    banded = msgspec.structs.replace(session, bands={Estimate.PESSIMISTIC: band})
    (found,) = statistics_of(banded).bands
    missed = len(fills.side) - found.fills
    assert missed == 3
    assert found.pnl == -missed * Decimal("0.01") * Decimal("0.01")


def test_sessions_of_the_same_time_are_compared_pair_by_pair() -> None:
    """A small advantage in a wild market: alone neither tells, as a pair they do."""
    wild = _noise(seed=2) * 40.0
    left = made(wild, fills_every_s=20.0)
    right = made(wild + 0.01 + _noise(seed=3), fills_every_s=20.0)
    found = compare(left, right)
    profit = found.differences[0]
    assert found.paired
    assert found.verdict is Verdict.POSITIVE
    assert profit.left.decided == profit.right.decided == 0
    assert profit.difference.value == pytest.approx(36.0, rel=0.3)
    assert compare(right, left).verdict is Verdict.NEGATIVE
    itself = compare(left, left).differences
    assert all(each.difference.value in (0.0, None) for each in itself)


def test_sessions_of_other_times_are_compared_with_both_uncertainties() -> None:
    left = made(_noise(seed=2, mean=0.01), fills_every_s=20.0)
    moved = BEGAN_NS + 10 * HOURS_3 * NANOS
    about = msgspec.structs.replace(
        left.about, began_ns=moved, ended_ns=moved + HOURS_3 * NANOS
    )  # fmt: skip
    shift = moved - BEGAN_NS
    equity = msgspec.structs.replace(left.equity, time_ns=left.equity.time_ns + shift)
    fills = msgspec.structs.replace(left.fills, time_ns=left.fills.time_ns + shift)
    right = msgspec.structs.replace(left, about=about, equity=equity, fills=fills)
    found = compare(left, right)
    assert not found.paired
    assert found.verdict is Verdict.UNDECIDED
    difference, alone = found.differences[0].difference, found.differences[0].left
    assert difference.value == pytest.approx(0.0, abs=1e-6)
    assert difference.high is not None
    assert difference.low is not None
    assert alone.high is not None
    assert alone.low is not None
    ratio = (difference.high - difference.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(2.0), rel=0.15)


def test_fills_of_two_minutes_tell_no_interval_of_what_fills_are_worth() -> None:
    """However long the session was otherwise."""
    quotes = [(1, at, at + 1.0, 5, at + 0.5) for at in (10.0, 20.0, 30.0, 80.0, 90.0)]
    found = statistics_of(made(_noise(), quotes=quotes))
    assert found.pnl_per_hour.low is not None
    for each in found.markouts:
        assert each.markout.low is each.markout.high is None
        assert (each.markout.value is None) == (each.side == "sell")
    assert found.parts_bps["pnl"].low is None


def test_orders_that_stand_alone_at_their_prices_are_told_apart_by_distance() -> None:
    """A mid far away means a distant order, and none of those is filled."""
    near = [(1, 10.0 * i, 10.0 * i + 9.0, 0, 10.0 * i + 2.0 * (i % 4)) for i in range(120)]
    far = [(1, 1200.0 + 10.0 * i, 1209.0 + 10.0 * i, 0, None) for i in range(120)]
    session = made(
        np.zeros(2500), quotes=[*near, *far], mids2=[(0.0, MID2 + 2), (1200.0, MID2 + 60)]
    )
    found = fill_chance(session)
    assert found.by is Apart.DISTANCE
    assert [(each.stays, each.filled) for each in found.classes] == [(120, 120), (120, 0)]
