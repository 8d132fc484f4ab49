"""The fill engine alone: rows of a made-up day through it, idle and with orders at both touches."""

import time
from decimal import Decimal

import numpy as np
from tests.benchmarks._table import Row
from tests.benchmarks.bench_baselines import dispatch_us

from market_maker.config.simulated import LatencyConfig
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.kernels import fill_layout as at
from market_maker.kernels.compiling import kernel
from market_maker.kernels.fill_book import touch
from market_maker.kernels.fill_engine import run
from market_maker.kernels.fill_messages import pop_report, push_request
from market_maker.kernels.fill_setup import FillTerms, new_fill_state

_ROWS = 1_000_000
_STEP_NS = 100_000_000
_GAP_NS = 2_000_000
_PRICE = 100_000

Columns = tuple[np.ndarray, ...]


def _market() -> Columns:
    """Levels that come and go around a price that walks, and a trade in every eighteen rows."""
    draw = np.random.default_rng(1)
    recv = 10**18 + np.cumsum(draw.exponential(_GAP_NS, _ROWS)).astype(np.int64)
    middle = _PRICE + np.cumsum(draw.choice([-1, 0, 1], _ROWS, p=[0.005, 0.99, 0.005]))
    side = draw.choice(np.array([1, -1], dtype=np.int8), _ROWS)
    is_trade = draw.random(_ROWS) < 1 / 18
    depth = np.minimum(draw.geometric(0.15, _ROWS), 40)
    depth[is_trade] = 1
    kind = np.where(is_trade, at.TRADE, at.LEVEL).astype(np.int8)
    qty = draw.geometric(0.01, _ROWS).astype(np.int64)
    # A level on the wrong side of the price has gone.
    stale = ~is_trade & (draw.random(_ROWS) < 0.2)
    price = np.where(side > 0, middle - depth, middle + depth - 1)
    price[stale] = (middle + side * draw.integers(0, 3, _ROWS))[stale]
    qty[stale] = 0
    aggressor = np.where(is_trade, -side, side).astype(np.int8)
    zeros = np.zeros(_ROWS, dtype=np.int64)
    flags = np.full(_ROWS, at.LAST_OF_MESSAGE, dtype=np.uint8)
    return (recv, recv.copy(), kind, aggressor, price.astype(np.int64), qty, zeros, zeros, flags)


def _state() -> tuple[at.Ints, at.Floats, at.Bits]:
    market = Instrument(
        symbol="X",
        base="X",
        quote="USD",
        settle="USD",
        kind=InstrumentKind.LINEAR,
        price_quantum=Decimal("0.01"),
        qty_quantum=Decimal("0.01"),
        maker_fee_rate=Decimal("0.0002"),
        taker_fee_rate=Decimal("0.0005"),
    )
    usual = LatencyConfig(floor_ms=20, tail_median_ms=5, tail_log_sd=0.5)
    terms = FillTerms(
        capital=Decimal(10**9),
        queue_exponent=1.5,
        place=usual,
        amend=usual,
        cancel=usual,
        response=usual,
        stream=usual,
        feed=usual,
        order_rate_per_s=100.0,
        order_burst=100,
        cancel_rate_per_s=100.0,
        cancel_burst=100,
        leverage=Decimal(3),
        liquidation_fee_rate=Decimal("0.005"),
        price_band=Decimal("0.1"),
        max_open_orders=100,
    )
    return new_fill_state(market, terms, 1, _PRICE)


def _idle_rows_per_s(columns: Columns) -> float:
    s, f, r = _state()
    started = time.perf_counter()
    assert run(s, f, r, *columns, 0, _ROWS, at.FOREVER) == _ROWS
    return _ROWS / (time.perf_counter() - started)


def _quote(
    s: at.Ints,
    f: at.Floats,
    r: at.Bits,
    recv: at.Ints,
    venue: at.Ints,
    kind: np.ndarray,
    side: np.ndarray,
    price: at.Ints,
    qty: at.Ints,
    seq: at.Ints,
    ref: at.Ints,
    flags: np.ndarray,
    out: at.Ints,
    live: at.Ints,
) -> int:
    """Two orders that follow the touch, looked at every 100 ms; how many fills they had."""
    number = row = fills = 0
    next_ns = recv[0] + _STEP_NS
    while row < len(recv):
        row = run(
            s, f, r, recv, venue, kind, side, price, qty, seq, ref, flags, row, len(recv), next_ns
        )
        while pop_report(s, s[at.NOW], out):
            mine = 0 if out[at.SIDE] > 0 else 1
            fills += out[at.KIND] == at.FILL
            ended = out[at.KIND] == at.CANCELLED or out[at.KIND] == at.REJECTED
            if out[at.KIND] == at.FILL and out[at.CUM] == out[at.TOTAL]:
                ended = True
            if ended and out[at.CHANNEL] == at.STREAM and live[mine] == out[at.ORDER]:
                live[mine] = 0
        if s[at.NOW] < next_ns:
            continue
        bid, _, ask, _ = touch(s)
        for i in range(2):
            number += 1
            what = at.AMEND if live[i] > 0 else at.PLACE
            if live[i] == 0:
                live[i] = number
            target = bid if i == 0 else ask
            push_request(s, r, what, number, next_ns, live[i], 1 - 2 * i, target, 50, at.POST_ONLY)
        next_ns += _STEP_NS
    return fills


_COLUMN = f"{at.INTS}, {at.INTS}, int8[::1], int8[::1], " + ", ".join([at.INTS] * 4)
_drive = kernel(
    f"int64({at.INTS}, {at.FLOATS}, {at.STREAMS}, {_COLUMN}, uint8[::1], {at.INTS}, {at.INTS})"
)(_quote)


def _quoting_rows_per_s(columns: Columns) -> float:
    s, f, r = _state()
    out, live = np.zeros(at.REPORT_WIDTH, dtype=np.int64), np.zeros(2, dtype=np.int64)
    started = time.perf_counter()
    assert _drive(s, f, r, *columns, out, live) > 100
    return _ROWS / (time.perf_counter() - started)


def rows() -> list[Row]:
    """Measure the engine's speed."""
    columns = _market()
    dispatch = f"{1e6 / dispatch_us():,.0f} event dispatches/s"
    return [
        Row(
            "fill engine, public rows only",
            max(_idle_rows_per_s(columns) for _ in range(5)),
            "rows/s",
            10_000_000.0,
            dispatch,
            at_most=False,
        ),
        Row(
            "fill engine with orders at both touches every 100 ms",
            max(_quoting_rows_per_s(columns) for _ in range(3)),
            "rows/s",
            5_000_000.0,
            dispatch,
            at_most=False,
        ),
    ]
