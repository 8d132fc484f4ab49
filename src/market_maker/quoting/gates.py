"""Filters that silence one level's side for a while, each with hysteresis and a dwell.

Owns when a market too tight, a lopsided book, toxic flow or a trend stops a level, and when
it may quote again. A limit at which a market hovers closes a gate once, not on every tick (SC60).
Refuses to know orders and prices of ours.
"""

from __future__ import annotations

from market_maker.config.quoting import PipelineConfig
from market_maker.core.instrument import NANOS
from market_maker.core.readings import Readings
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView

_BPS = 1e4
# Named once: they are compared on every decision.
_TOO_TIGHT = DecisionReason.SPREAD_TOO_TIGHT
_IMBALANCE = DecisionReason.IMBALANCE


class Gates:
    """One level's filters; `check` is called on every decision."""

    __slots__ = ("_buys", "_config", "_dwell_ns", "_held_ns", "reason")

    def __init__(self, config: PipelineConfig, side: Side) -> None:
        """Start open."""
        self._config = config
        self._buys = side is Side.BUY
        self._dwell_ns = int(config.gate_dwell_s * NANOS)
        self._held_ns = 0
        self.reason: DecisionReason | None = None

    @property
    def until_ns(self) -> int:
        """Earliest time at which a closed gate may open."""
        return self._held_ns

    def check(self, view: MarketView, readings: Readings, now_ns: int) -> DecisionReason | None:
        """Why this level must not quote, or None; `view` is two-sided."""
        reason = self._judge(view, readings)
        if reason is not None:
            # The dwell runs from the last moment at which the reason held.
            self._held_ns = now_ns + self._dwell_ns
            self.reason = reason
        elif self.reason is not None and now_ns >= self._held_ns:
            self.reason = None
        return self.reason

    def _judge(self, view: MarketView, readings: Readings) -> DecisionReason | None:
        config = self._config
        toxicity = readings.toxicity
        trend = readings.trend
        if toxicity.pause_buy if self._buys else toxicity.pause_sell:
            return DecisionReason.TOXIC
        if trend.pull_buy if self._buys else trend.pull_sell:
            return DecisionReason.COUNTER_TREND
        least = config.min_spread_bps
        if least:
            if self.reason is _TOO_TIGHT:
                least *= 1.0 + config.gate_hysteresis
            bid, ask = view.best_bid, view.best_ask
            if (ask - bid) * 2.0 * _BPS < least * (bid + ask):
                return _TOO_TIGHT
        most = config.imbalance_limit
        if self.reason is _IMBALANCE:
            most *= 1.0 - config.gate_hysteresis
        imbalance = readings.fair.book_imbalance
        against = -imbalance if self._buys else imbalance
        return _IMBALANCE if against > most else None
