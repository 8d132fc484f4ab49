"""Fresh state for the fill engine, out of an instrument, the user's terms and a seed.

Owns the translation of decimals into the engine's integers and floats, and the delay tables. Refuses to
run anything. What always holds: every number that a verdict rests on comes from the
instrument or the terms; a rate that the venue does not say is an error, never a zero.
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache
from statistics import NormalDist

import msgspec
import numpy as np

from market_maker.config.simulated import LatencyConfig
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument, InstrumentKind, Payoff
from market_maker.core.randomness import stream_seed
from market_maker.kernels import fill_layout as at
from market_maker.kernels.fill_account import set_limits
from market_maker.kernels.fill_layout import Bits, Floats, Ints
from market_maker.kernels.fill_messages import reckon

_LEAST_RING = 1 << 12
_LARGEST_RING = 1 << 18
_LINE = 8
_ALIGNMENT = 64


class FillTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a paper venue grants, charges and delays, beyond what its instrument says.

    `reorder_ms`: how late a trade may be told after the level change that it caused. `price_band`
    of 0 is none. `capital` (settlement currency) and `position` (quanta) are the account at the start.
    """

    capital: Decimal
    queue_exponent: float
    place: LatencyConfig
    amend: LatencyConfig
    cancel: LatencyConfig
    response: LatencyConfig
    stream: LatencyConfig
    feed: LatencyConfig
    order_rate_per_s: float
    order_burst: int
    cancel_rate_per_s: float
    cancel_burst: int
    leverage: Decimal
    liquidation_fee_rate: Decimal
    price_band: Decimal
    max_open_orders: int
    reorder_ms: float = 250.0
    position: int = 0


@cache
def _quantiles(floor_ns: int, tail_median_ns: int, tail_log_sd: float) -> tuple[int, ...]:
    normal = NormalDist()
    count = at.DELAY_COUNT
    return tuple(
        floor_ns + round(tail_median_ns * math.exp(tail_log_sd * normal.inv_cdf((i + 0.5) / count)))
        for i in range(count)
    )


def delay_table(latency: LatencyConfig) -> tuple[int, ...]:
    """Delays in nanoseconds, each equally likely."""
    return _quantiles(
        round(latency.floor_ms * 1e6), round(latency.tail_median_ms * 1e6), latency.tail_log_sd
    )


def ring_size(price: int) -> int:
    """Levels a side to hold for a market that trades about `price` quanta: a tenth to each side."""
    size = _LEAST_RING
    while size < price // 5 and size < _LARGEST_RING:
        size *= 2
    return size


def new_fill_state(
    instrument: Instrument, terms: FillTerms, seed: int, price: int
) -> tuple[Ints, Floats, Bits]:
    """State before the first row; `price` (quanta) is about where the market trades."""
    size = ring_size(price)
    levels = at.OCCUPIED + ((size >> at.BLOCK_SHIFT) << 1)
    buffer = np.zeros(levels + 2 * size * _LINE + _LINE, dtype=np.int64)
    # Every level on one cache line of its own.
    shift = -(buffer.ctypes.data + levels * 8) % _ALIGNMENT // 8
    s = buffer[shift : len(buffer) - _LINE + shift]
    f = np.zeros(at.N_FLOATS, dtype=np.float64)
    s[at.MASK] = size - 1
    s[at.BEST_ASK] = s[at.OWN_ASK] = s[at.FUNDING_DUE] = at.FOREVER
    s[at.CAUSE] = s[at.ROW] = -1
    s[at.NOW] = -at.FOREVER
    s[at.STREAM_DUE] = -at.FOREVER
    s[at.REORDER_NS] = round(terms.reorder_ms * 1e6)
    for i in range(at.ORDER_CAPACITY - 1, -1, -1):
        o = at.ORDERS + i * at.O_WIDTH
        s[o + at.O_FRONT] = s[at.FREE_ORDERS]
        s[at.FREE_ORDERS] = o
    _set_rules(s, instrument, terms)
    _set_money(f, instrument, terms)
    for i, name in enumerate(at.DELAY_NAMES):
        first = at.DELAYS + i * at.DELAY_COUNT
        s[first : first + at.DELAY_COUNT] = delay_table(getattr(terms, name))
    r = np.array(
        [stream_seed(seed, f"fills/{instrument.symbol}/{name}") for name in at.DELAY_NAMES],
        dtype=np.uint64,
    )
    set_limits(s, f)
    reckon(s)
    return s, f, r


def _set_rules(s: Ints, instrument: Instrument, terms: FillTerms) -> None:
    s[at.TICK], s[at.LOT], s[at.MIN_QTY] = instrument.tick, instrument.lot, instrument.min_qty
    s[at.DIGITS] = instrument.price_significant_digits or 0
    s[at.MAX_QTY] = instrument.max_qty or 0
    s[at.BAND_PPM] = round(terms.price_band * 1_000_000)
    s[at.MAX_ORDERS] = min(terms.max_open_orders, at.ORDER_CAPACITY)
    s[at.POSITION] = terms.position
    s[at.PAYOFF] = list(InstrumentKind).index(instrument.kind)
    for bucket, rate, burst in (
        (at.ORDER_FULL, terms.order_rate_per_s, terms.order_burst),
        (at.CANCEL_FULL, terms.cancel_rate_per_s, terms.cancel_burst),
    ):
        interval = max(1, round(NANOS / rate))
        s[bucket], s[bucket + 1], s[bucket + 2] = -at.FOREVER, interval, (burst - 1) * interval


def _set_money(f: Floats, instrument: Instrument, terms: FillTerms) -> None:
    if instrument.maker_fee_rate is None or instrument.taker_fee_rate is None:
        msg = f"{instrument.symbol}: fees are unknown; fills cannot be charged"
        raise ValueError(msg)
    one = Payoff(instrument).notional(1, 1)
    unit = float(instrument.qty_quantum * instrument.contract_size)
    quantum = float(instrument.price_quantum)
    f[at.UNIT_VALUE] = unit * quantum / 2.0
    f[at.INVERSE_VALUE] = 2.0 * unit / quantum
    f[at.MIN_NOTIONAL] = float(instrument.min_notional * MONEY_SCALE / one)
    f[at.CASH] = float(terms.capital)
    f[at.MAKER_RATE], f[at.TAKER_RATE] = (
        float(instrument.maker_fee_rate),
        float(instrument.taker_fee_rate),
    )
    f[at.LIQUIDATION_RATE] = float(terms.liquidation_fee_rate)
    f[at.LEVERAGE] = float(terms.leverage)
    f[at.MAINTENANCE] = float(instrument.maintenance_margin_rate)
    f[at.EXPONENT] = terms.queue_exponent
