"""All signals of one market in compiled code: what `signals.SignalSet` does event by event.

Owns the order of updates and the grid on which the mid is sampled; the signals themselves are the
kernels that the bot runs, over the same state arrays. What always holds: after the same views and
trades, read at the same instants, every reading is the bot's to the last bit. Own fills are not
seen here: what they teach depends on the parameters tried and belongs to the driver.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from market_maker.kernels import intensity as inten
from market_maker.kernels import order_flow as flow
from market_maker.kernels import sweep_book as mk
from market_maker.kernels import toxicity as tox
from market_maker.kernels import trend as tr
from market_maker.kernels import volatility as vol

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SIGNALS = (
    "int64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1]"
)
"""Counters, numbers, then the states of volatility, trend, flow, toxicity and intensity."""

# Counters
(
    STEP_NS,
    SHORT_OUTAGE_STEPS,
    TICK,
    TREND_ENABLED,
    INVERSE,
    STEP,
    NEXT_STEP_NS,
    NOW_NS,
    ORIGIN_NS,
    VIEW,
    LIVE,
    MID2,
    OUTAGE_STEPS,
    BOOK_BID,
    BOOK_ASK,
    BOOK_NS,
    OLD_BID,
    OLD_ASK,
    ORDER_NS,
    ORDER_SIDE,
    ORDER_BID,
    ORDER_ASK,
    ORDERS,
    SLOW_STALE,
    FUNDING_INTERVAL_S,
    FUNDING_NEXT_NS,
    FUNDING_MARK2,
) = range(27)
COUNTERS = 32

# Settings and numbers
(
    STEP_S,
    PRICE_UNIT,
    BASE_PER_QTY,
    BUCKET_S,
    MIN_DEPTH_BPS,
    MAX_REACH_BPS,
    FUNDING_RATE,
    LOG_MID,
    OUTAGE_LOG_MID,
    IMBALANCE,
    OFI,
) = range(11)
NUMBERS = 16

_SINGLE_STEPS = 3600
_BOOK_LEAD_NS = 1_000_000


@njit(
    "void(int64[::1], float64[::1], float64[::1], float64[::1])",
    cache=True,
    nogil=True,
    inline="always",
)
def _judge(
    counters: Ints,
    numbers: Floats,
    trend: Floats,
    toxicity: Floats,
) -> None:
    drift = trend[tr.SHORT] if counters[TREND_ENABLED] == 1 else 0.0
    long = trend[tr.LONG] if counters[TREND_ENABLED] == 1 else 0.0
    tox.toxicity_judge(toxicity, numbers[IMBALANCE], numbers[OFI], drift, long)


@njit("void(int64[::1], float64[::1], float64[::1], float64[::1], int64)", cache=True, nogil=True)
def _sample(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    steps: int,
) -> None:
    """Pass grid points at which the mid stood, after an outage if there was one."""
    step_s = numbers[STEP_S]
    outage, counters[OUTAGE_STEPS] = counters[OUTAGE_STEPS], 0
    before = numbers[OUTAGE_LOG_MID]
    if outage > 0 and outage <= counters[SHORT_OUTAGE_STEPS]:
        vol.volatility_step(volatility, outage, before, 0, 0.0)
        tr.trend_step(trend, outage, before, volatility[vol.TOTAL_VARIANCE] * step_s)
        outage = 0
    if outage > 0:
        tr.trend_interrupt(trend)
    log_mid = numbers[LOG_MID]
    vol.volatility_step(volatility, steps, log_mid, outage, log_mid - before)
    tr.trend_step(trend, steps, log_mid, volatility[vol.TOTAL_VARIANCE] * step_s)


@njit(f"void({SIGNALS}, int64)", cache=True, nogil=True)
def _cross(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    flows: Floats,
    toxicity: Floats,
    intensity: Floats,
    now_ns: int,
) -> None:
    """Pass every grid point up to a time."""
    step_ns = counters[STEP_NS]
    step = now_ns // step_ns
    steps = step - counters[STEP]
    counters[STEP] = step
    counters[NEXT_STEP_NS] = (step + 1) * step_ns
    counters[SLOW_STALE] = 1
    if counters[ORIGIN_NS] == 0:
        counters[ORIGIN_NS] = step * step_ns
        return
    if counters[LIVE] == 0:
        # Before the first mid there is nothing to be out of.
        if counters[MID2] != 0:
            counters[OUTAGE_STEPS] += steps
        return
    single = min(steps, _SINGLE_STEPS)
    if steps > single:
        _sample(counters, numbers, volatility, trend, steps - single)
        tox.toxicity_step(toxicity, steps - single)
    for behind in range(single - 1, -1, -1):
        _sample(counters, numbers, volatility, trend, 1)
        point_s = ((step - behind) * step_ns - counters[ORIGIN_NS]) * 1e-9
        tox.toxicity_step(toxicity, 1)
        numbers[IMBALANCE], numbers[OFI] = flow.flow_at(flows, point_s)
        _judge(counters, numbers, trend, toxicity)
        inten.intensity_age(intensity, point_s)


@njit("float64(int64[::1], int64)", cache=True, nogil=True)
def _now_s(counters: Ints, now_ns: int) -> float:
    """Move time forward, once grid points on the way are passed; seconds since the origin."""
    counters[NOW_NS] = max(counters[NOW_NS], now_ns)
    passed_ns: int = counters[NOW_NS] - counters[ORIGIN_NS]
    return passed_ns * 1e-9


@njit(f"void({SIGNALS}, int64)", cache=True, nogil=True)
def advance(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    flows: Floats,
    toxicity: Floats,
    intensity: Floats,
    now_ns: int,
) -> None:
    """Move time forward without an event."""
    if now_ns >= counters[NEXT_STEP_NS]:
        _cross(counters, numbers, volatility, trend, flows, toxicity, intensity, now_ns)
    _now_s(counters, now_ns)


@njit(f"void({SIGNALS}, int64[::1])", cache=True, nogil=True)
def on_view(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    flows: Floats,
    toxicity: Floats,
    intensity: Floats,
    m: Ints,
) -> None:
    """Take the present view in, which was not seen before."""
    now_ns = m[mk.VIEW_NS]
    if now_ns >= counters[NEXT_STEP_NS]:
        _cross(counters, numbers, volatility, trend, flows, toxicity, intensity, now_ns)
    now_s = _now_s(counters, now_ns)
    counters[VIEW] = m[mk.VERSION]
    if m[mk.VERDICT] != mk.VALID:
        if counters[LIVE] == 1:
            counters[LIVE] = 0
            if counters[OUTAGE_STEPS] == 0:
                numbers[OUTAGE_LOG_MID] = numbers[LOG_MID]
            inten.intensity_age(intensity, now_s)
            flow.flow_interrupt(flows)
        return
    bid, ask = m[mk.BID], m[mk.ASK]
    if counters[LIVE] == 0:
        counters[LIVE] = 1
        intensity[inten.LAST_S] = max(now_s, intensity[inten.LAST_S])
    if bid + ask != counters[MID2]:
        counters[MID2] = bid + ask
        numbers[LOG_MID] = 1e4 * math.log(float(bid + ask))
    if counters[NOW_NS] > counters[BOOK_NS]:
        counters[OLD_BID], counters[OLD_ASK] = counters[BOOK_BID], counters[BOOK_ASK]
    counters[BOOK_BID], counters[BOOK_ASK] = bid, ask
    counters[BOOK_NS] = counters[NOW_NS]
    numbers[IMBALANCE], numbers[OFI] = flow.flow_on_book(
        flows, now_s, float(bid), float(ask), float(m[mk.BID_QTY]), float(m[mk.ASK_QTY])
    )
    _judge(counters, numbers, trend, toxicity)


@njit(
    "void(int64[::1], float64[::1], float64[::1], int64, int64, int64, int64, float64)",
    cache=True,
    nogil=True,
    inline="always",
)
def _sweep(
    counters: Ints,
    numbers: Floats,
    intensity: Floats,
    recv_ns: int,
    venue_ns: int,
    side: int,
    price: int,
    now_s: float,
) -> None:
    """Count a print with the market order that it belongs to."""
    at_ns = venue_ns if venue_ns != 0 else recv_ns
    fresh = at_ns != counters[ORDER_NS] or side != counters[ORDER_SIDE]
    if fresh:
        lead = recv_ns - counters[BOOK_NS] <= _BOOK_LEAD_NS
        if lead and counters[OLD_BID] != 0:
            counters[ORDER_BID], counters[ORDER_ASK] = counters[OLD_BID], counters[OLD_ASK]
        else:
            counters[ORDER_BID], counters[ORDER_ASK] = counters[BOOK_BID], counters[BOOK_ASK]
        counters[ORDER_NS], counters[ORDER_SIDE] = at_ns, side
        counters[ORDERS] += counters[ORDER_BID] != 0
    bid, ask = counters[ORDER_BID], counters[ORDER_ASK]
    if bid == 0:
        return
    tick = counters[TICK]
    tick_bps = 2e4 * tick / (bid + ask)
    threshold = math.ceil(numbers[MIN_DEPTH_BPS] / tick_bps)
    best = ask if side > 0 else bid
    swept = side * (price - best) / tick
    beyond = min(swept, numbers[MAX_REACH_BPS] / tick_bps) - threshold
    distance_bps = 1e4 * (ask - bid) / (ask + bid) + threshold * tick_bps
    inten.intensity_print(intensity, now_s, side, beyond, distance_bps, 1 if fresh else 0)


@njit(
    f"void({SIGNALS}, int64[::1], int64, int64, int64, int64, int64)",
    cache=True,
    nogil=True,
    inline="always",
)
def on_trade(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    flows: Floats,
    toxicity: Floats,
    intensity: Floats,
    m: Ints,
    recv_ns: int,
    venue_ns: int,
    side: int,
    price: int,
    qty: int,
) -> None:
    """Count a public trade; `m` is the book as it is known when the trade arrives."""
    if price <= 0 or qty <= 0:
        return
    if counters[VIEW] != m[mk.VERSION]:
        on_view(counters, numbers, volatility, trend, flows, toxicity, intensity, m)
    if recv_ns >= counters[NEXT_STEP_NS]:
        _cross(counters, numbers, volatility, trend, flows, toxicity, intensity, recv_ns)
    now_s = _now_s(counters, recv_ns)
    base = qty * numbers[BASE_PER_QTY]
    notional = base if counters[INVERSE] == 1 else base * price * numbers[PRICE_UNIT]
    numbers[IMBALANCE], numbers[OFI] = flow.flow_on_trade(flows, now_s, side, notional)
    volume_per_s = flows[flow.RATE_VOLUME] / flows[flow.RATE_TIME]
    tox.vpin_add(toxicity, side, notional, numbers[BUCKET_S] * volume_per_s)
    if counters[LIVE] == 1:
        _sweep(
            counters,
            numbers,
            intensity,
            recv_ns,
            venue_ns,
            side,
            price,
            now_s,
        )
    _judge(counters, numbers, trend, toxicity)


@njit(f"void({SIGNALS}, int64, float64, int64, int64, int64)", cache=True, nogil=True)
def on_funding(
    counters: Ints,
    numbers: Floats,
    volatility: Floats,
    trend: Floats,
    flows: Floats,
    toxicity: Floats,
    intensity: Floats,
    recv_ns: int,
    rate: float,
    interval_s: int,
    next_ns: int,
    mark_price2: int,
) -> None:
    """Remember an announced rate; an impossible one is refused."""
    advance(counters, numbers, volatility, trend, flows, toxicity, intensity, recv_ns)
    counters[SLOW_STALE] = 1
    if interval_s <= 0 or mark_price2 <= 0 or not math.isfinite(rate):
        return
    numbers[FUNDING_RATE] = rate
    counters[FUNDING_INTERVAL_S] = interval_s
    counters[FUNDING_NEXT_NS] = next_ns
    counters[FUNDING_MARK2] = mark_price2
