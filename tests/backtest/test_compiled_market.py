"""The compiled pass over rows: the same readings, to the last bit, as the bot's own market and signals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from plain_market import plain_readings
from synthetic_rows import INSTRUMENT, synthetic_ticks

from market_maker.backtest.sweep_market import follow_market
from market_maker.config.signals import (
    FairPriceConfig,
    IntensityConfig,
    MarketConfig,
    SignalsConfig,
    ToxicityConfig,
    TrendConfig,
    VolatilityConfig,
)
from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
)
from market_maker.core.instrument import NANOS
from market_maker.core.readings import Readings
from market_maker.core.side import Side
from market_maker.kernels import sweep_market as sm
from market_maker.kernels import sweep_readings as rd
from market_maker.market.order_book import OrderBook
from market_maker.ticks.columns import PublicEvent, Ticks, events_of
from market_maker.ticks.packing import ticks_of

INTERVAL_NS = NANOS // 10
BRISK = SignalsConfig(
    sample_step_s=0.5,
    volatility=VolatilityConfig(thresholds_bps=(0.2, 0.8, 2.0), dwell_s=2.0),
    trend=TrendConfig(fast_s=4.0, slow_s=16.0, drift_s=4.0, z_floor=0.5, z_full=1.5),
    toxicity=ToxicityConfig(warm_up_s=10.0, bucket_s=1.0, pause_percentile=0.98),
    intensity=IntensityConfig(min_orders=20, min_deep_orders=2, min_depth_bps=0.05),
)
DEEP = SignalsConfig(
    fair_price=FairPriceConfig(book="depth"),
    trend=TrendConfig(method="regression", enabled=False),
    volatility=VolatilityConfig(enabled=False),
)


def _slow_facts(readings: Readings) -> tuple[float, ...]:
    v, t, f, i = readings.volatility, readings.trend, readings.funding, readings.intensity
    return (
        float(v.regime.value == "extreme"),
        v.clean_bps,
        v.total_bps,
        v.jump_bps,
        v.baseline_minute_bps,
        v.offset_scale,
        v.skew_scale,
        v.size_scale,
        v.interval_scale,
        v.tolerance_scale,
        v.limit_scale,
        t.drift_bps_per_s,
        t.skew_multiplier,
        t.buy_size_scale,
        t.sell_size_scale,
        float(t.pull_buy),
        float(t.pull_sell),
        f.rate_per_hour,
        f.carry_price_per_s,
        f.skew_scale,
        f.max_position_scale,
        i.buy_a_per_s,
        i.sell_a_per_s,
        i.k_per_price,
        i.k_low_per_price,
        i.k_high_per_price,
        float(i.market_orders),
        float(i.trusted),
    )


def _disturbed(ticks: Ticks) -> Ticks:
    """The same market with gaps, late messages, silences, outages, a stale book and funding."""
    truth = OrderBook(500, 0, 5.0)
    out: list[PublicEvent] = []
    for i, event in enumerate(events_of(ticks)):
        now_ns = event.recv_ns
        if isinstance(event, BookDelta):
            truth.apply_delta(event)
        elif isinstance(event, BookSnapshot):
            truth.apply_snapshot(event)
        if 4000 <= i < 4600 and isinstance(event, BookDelta):
            continue  # trades go on over a book that stands still
        if i % 1500 == 700:
            continue  # lost: a gap, until somebody sends a snapshot
        out.append(event)
        if i % 1500 == 800 or i == 4600:
            bids, asks = truth.levels(Side.BUY), truth.levels(Side.SELL)
            waits = out.pop() if i % 2 else None  # a delta that is newer than the snapshot
            out.append(BookSnapshot(now_ns, now_ns, truth.seq - (i % 3), bids, asks))
            out.extend([waits] if waits else [])
        out.extend(_asides(i, event, truth))
    return ticks_of(out)


def _asides(i: int, event: PublicEvent, truth: OrderBook) -> Iterator[PublicEvent]:
    """What else is told about then."""
    now_ns = event.recv_ns
    if i % 900 == 450:
        yield FundingUpdate(now_ns, 1e-4 * math.sin(i), 3600, now_ns + 40 * NANOS, 300_000)
        bid, ask = truth.levels(Side.BUY, 1)[0], truth.levels(Side.SELL, 1)[0]
        yield BestQuote(now_ns, now_ns, truth.seq + i % 7, *bid, *ask)
    if i % 700 == 100:
        yield Heartbeat(now_ns, Feed.BOOK)
    if i % 1100 == 300 and isinstance(event, BookDelta):
        yield event  # told twice
    if i % 3100 == 3000:
        yield FeedStatus(now_ns, Feed.BOOK, up=False)
        yield FeedStatus(now_ns, Feed.BOOK, up=True)


@pytest.mark.parametrize("interval_ns", [INTERVAL_NS, 0])
@pytest.mark.parametrize(
    "signals", [SignalsConfig(), BRISK, DEEP], ids=["default", "brisk", "deep"]
)
@pytest.mark.parametrize("change", [lambda ticks: ticks, _disturbed], ids=["calm", "disturbed"])
def test_every_reading_is_the_bots_own_to_the_last_bit(
    signals: SignalsConfig, interval_ns: int, change: Callable[[Ticks], Ticks]
) -> None:
    ticks = change(synthetic_ticks(8_000, seed=7))
    market = MarketConfig(stale_after_s=0.8, contradicted_after_s=0.01)
    path = follow_market(ticks, INSTRUMENT, market, signals, interval_ns)
    assert len(path.marks) > 120
    plain = plain_readings(market, signals, ticks, path)
    for mark, fast, (view, readings) in zip(path.marks, path.fast, plain, strict=True):
        told = (int(mark[sm.VALID]), int(mark[sm.BID]), int(mark[sm.ASK]), int(mark[sm.VERSION]))
        assert told == (int(view.valid), view.best_bid, view.best_ask, view.version)
        if not view.valid:
            continue
        slow = path.slow[mark[sm.SLOW]]
        assert np.delete(slow, rd.VARIANCE).tolist() == list(_slow_facts(readings))
        assert math.sqrt(slow[rd.VARIANCE]) == slow[rd.TOTAL_BPS]
        toxicity = readings.toxicity
        assert fast[rd.BOOK_IMBALANCE] == readings.fair.book_imbalance
        assert fast[rd.FLOW_IMBALANCE] == readings.fair.flow_imbalance
        assert (fast[rd.SCORE], fast[rd.PRESSURE]) == (toxicity.score, toxicity.flow_imbalance)
        paused = (fast[rd.PAUSED] > 0.0, fast[rd.PAUSED] < 0.0)
        assert paused == (toxicity.pause_buy, toxicity.pause_sell)


def test_the_disturbed_market_goes_through_everything_that_a_feed_can_do() -> None:
    ticks = _disturbed(synthetic_ticks(8_000, seed=7))
    market = MarketConfig(stale_after_s=0.8, contradicted_after_s=0.01)
    path = follow_market(ticks, INSTRUMENT, market, SignalsConfig(), INTERVAL_NS)
    valid = path.marks[:, sm.VALID]
    assert 0.2 < np.mean(valid) < 0.9
    assert np.count_nonzero(np.diff(valid)) >= 4
    assert np.any(path.slow[:, rd.CARRY] != 0.0)
