"""How often market orders sweep beyond the best price, and how far.

Owns A and k of the intensity A exp(-k delta): the configured warm start until enough market
orders were seen, then the estimates with their interval; pricing quotes from the lower bound
of k while the interval is wide. All prints of one market order count once. A sweep is measured
from the book before the order, even where the venue publishes the changed book first.
"""

from __future__ import annotations

import math

import numpy as np

from market_maker.config.signals import IntensityConfig
from market_maker.core.events import TradePrint
from market_maker.core.instrument import Instrument
from market_maker.core.readings import IntensityReading
from market_maker.core.side import Side
from market_maker.kernels import intensity as kernel
from market_maker.kernels.intensity import Floats

_BOOK_LEAD_NS = 1_000_000


class Intensity:
    """Shell over the intensity kernel; distances are bps inside, price units in the reading."""

    __slots__ = (
        "_book",
        "_book_ns",
        "_config",
        "_half_unit",
        "_order",
        "_order_book",
        "_previous_book",
        "_state",
        "_tick",
        "orders",
    )

    def __init__(self, config: IntensityConfig, instrument: Instrument) -> None:
        """Start warm, from the configuration."""
        self._config = config
        self._half_unit = 0.5 * float(instrument.price_quantum)
        self._tick = instrument.tick
        state = self._state = np.zeros(kernel.SIZE)
        state[kernel.TAU_S] = 0.5 * config.window_s
        state[kernel.INTERVAL_Z] = config.interval_z
        self._order: tuple[int, Side] | None = None
        self._order_book: tuple[int, int] | None = None
        self._book: tuple[int, int] | None = None
        self._book_ns = 0
        self._previous_book: tuple[int, int] | None = None
        self.orders = 0

    @property
    def state(self) -> Floats:
        """The kernel's array, for drivers that run many events in one compiled call."""
        return self._state

    def on_book(self, bid: int, ask: int, now_ns: int) -> None:
        """Remember the best prices, and those before them."""
        if now_ns > self._book_ns:
            self._previous_book = self._book
        self._book = (bid, ask)
        self._book_ns = now_ns

    def on_trade(self, trade: TradePrint, now_s: float) -> None:
        """Count a print; without any book yet it teaches nothing."""
        order = (trade.venue_ns or trade.recv_ns, trade.side)
        fresh = order != self._order
        if fresh:
            lead = trade.recv_ns - self._book_ns <= _BOOK_LEAD_NS
            self._order_book = (lead and self._previous_book) or self._book
            self._order = order
            self.orders += self._order_book is not None
        if self._order_book is None:
            return
        bid, ask = self._order_book
        tick_bps = self._tick_bps(bid + ask)
        config = self._config
        threshold = math.ceil(config.min_depth_bps / tick_bps)
        best = ask if trade.side is Side.BUY else bid
        swept = trade.side * (trade.price - best) / self._tick
        beyond = min(swept, config.max_reach_bps / tick_bps) - threshold
        distance_bps = 1e4 * (ask - bid) / (ask + bid) + threshold * tick_bps
        kernel.intensity_print(
            self._state, now_s, int(trade.side), beyond, distance_bps, int(fresh)
        )

    def advance(self, now_s: float) -> None:
        """Let time at risk pass."""
        kernel.intensity_age(self._state, now_s)

    def resume(self, now_s: float) -> None:
        """An outage ends: nothing was at risk while it lasted."""
        self._state[kernel.LAST_S] = max(now_s, float(self._state[kernel.LAST_S]))

    def reading(self) -> IntensityReading:
        """A and k in price units, at the present mid."""
        config = self._config
        mid2 = sum(self._book) if self._book else 0
        deep = self._state[kernel.COUNTED]
        trusted = bool(self.orders >= config.min_orders and deep >= config.min_deep_orders)
        k = low = high = config.cold_k_per_bps
        buyers = sellers = config.cold_a_per_s
        if trusted:
            estimate = kernel.intensity_estimate(self._state, self._tick_bps(mid2))
            k, low, high = (self._clip_k(value) for value in estimate[:3])
            buyers, sellers = (self._clip_a(value) for value in estimate[3:])
        bps_per_price = 1e4 / (mid2 * self._half_unit) if mid2 else 1e4
        return IntensityReading(
            buy_a_per_s=sellers,
            sell_a_per_s=buyers,
            k_per_price=k * bps_per_price,
            k_low_per_price=low * bps_per_price,
            k_high_per_price=high * bps_per_price,
            market_orders=self.orders,
            trusted=trusted,
        )

    def _tick_bps(self, mid2: int) -> float:
        return 2e4 * self._tick / mid2

    def _clip_k(self, k: float) -> float:
        return min(max(k, self._config.k_min_per_bps), self._config.k_max_per_bps)

    def _clip_a(self, a: float) -> float:
        return min(max(a, self._config.a_min_per_s), self._config.a_max_per_s)
