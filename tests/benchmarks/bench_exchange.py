"""The embedded market: its kernels alone, and with every row turned into an event."""

import time

from tests.benchmarks._table import Row
from tests.benchmarks.bench_baselines import dispatch_us

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.events import BookDelta, TradePrint
from market_maker.core.side import Side
from market_maker.venues.simulated.market import MarketCore, RowKind

_HOUR_NS = 3_600_000_000_000
_STEP_NS = 1_000_000_000


def _kernel_rows_per_s() -> float:
    market = MarketCore(MarketModelConfig(), 1)
    market.advance(_HOUR_NS // 10)
    started = time.perf_counter()
    rows = market.advance(3 * _HOUR_NS)
    return len(rows) / (time.perf_counter() - started)


def _events_per_s() -> float:
    """Second by second, as an exchange runs it: rows to frozen events, each with its sequence."""
    market = MarketCore(MarketModelConfig(), 1)
    seq = events = 0
    started = time.perf_counter()
    for now_ns in range(_STEP_NS, _HOUR_NS, _STEP_NS):
        for kind, t_ns, side, price, qty, number, _, _ in market.advance(now_ns).tolist():
            if kind == RowKind.LEVEL:
                seq += 1
                BookDelta(t_ns, t_ns, seq - 1, seq, ((side, price, qty),))
            elif kind == RowKind.TRADE:
                TradePrint(t_ns, t_ns, str(number), Side(side), price, qty)
            events += 1
    return events / (time.perf_counter() - started)


def rows() -> list[Row]:
    """Measure the market's speed."""
    dispatch = f"{1e6 / dispatch_us():,.0f} event dispatches/s"
    return [
        Row(
            "embedded market, kernels alone",
            max(_kernel_rows_per_s() for _ in range(3)),
            "events/s",
            500_000.0,
            dispatch,
            at_most=False,
        ),
        Row(
            "embedded market with Python events",
            max(_events_per_s() for _ in range(3)),
            "events/s",
            60_000.0,
            dispatch,
            at_most=False,
        ),
    ]
