"""All signals of one market, updated in one order and read as one value.

Owns the common time grid on which the mid is sampled, the order of updates (volatility, trend,
flow, toxicity, fair value) and the cache of readings. Refuses malformed trades and prices
before they reach a kernel. Time only moves forward; between two events readings depend on the
time alone, so asking twice changes nothing.

An outage of the book shorter than a few seconds counts as a mid that stood still; a longer one
as unknown time, whose move is neither trend nor jump.
"""

from __future__ import annotations

import math

from market_maker.config.signals import SignalsConfig
from market_maker.core.events import Fill, FundingUpdate, TradePrint
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.readings import Readings
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView
from market_maker.signals.fair_price import FairPrice
from market_maker.signals.funding import Funding
from market_maker.signals.intensity import Intensity
from market_maker.signals.order_flow import OrderFlow
from market_maker.signals.toxicity_guard import ToxicityGuard
from market_maker.signals.trend_signal import TrendSignal
from market_maker.signals.volatility_regime import VolatilityRegime

SHORT_OUTAGE_S = 10.0
"""An outage of the book up to this long counts as a mid that stood still."""
_SINGLE_STEPS = 3600
_NO_VIEW = MarketView(0, 0, BookVerdict.EMPTY, 0, 0, 0, 0, 0, 0, 0, 0)


class SignalSet:
    """Events in, `Readings` out."""

    __slots__ = (
        "_fast_stale",
        "_grid",
        "_inverse",
        "_live",
        "_log_mid",
        "_mid2",
        "_next_step_ns",
        "_now_ns",
        "_origin_ns",
        "_outage_log_mid",
        "_outage_steps",
        "_readings",
        "_short_outage_steps",
        "_slow_stale",
        "_step",
        "_step_ns",
        "_view",
        "fair_price",
        "flow",
        "funding",
        "intensity",
        "malformed",
        "toxicity",
        "trend",
        "volatility",
    )

    def __init__(self, config: SignalsConfig, instrument: Instrument) -> None:
        """Build every signal from its section."""
        self._grid = Grid(instrument)
        self._inverse = instrument.kind is InstrumentKind.INVERSE
        step_s = config.sample_step_s
        unit = self._grid.price_unit
        self.volatility = VolatilityRegime(config.volatility, step_s)
        self.trend = TrendSignal(config.trend, step_s)
        self.flow = OrderFlow(config.order_flow)
        self.toxicity = ToxicityGuard(config.toxicity, step_s)
        self.fair_price = FairPrice(config.fair_price, unit)
        self.funding = Funding(config.funding, unit)
        self.intensity = Intensity(config.intensity, instrument)
        self.malformed = 0
        self._step_ns = int(step_s * NANOS)
        self._short_outage_steps = int(SHORT_OUTAGE_S / step_s)
        self._step = 0
        self._next_step_ns = 0
        self._now_ns = 0
        self._origin_ns = 0
        self._view = _NO_VIEW
        self._live = False
        self._mid2 = 0
        self._log_mid = 0.0
        self._outage_steps = 0
        self._outage_log_mid = 0.0
        self._readings: Readings | None = None
        self._slow_stale = True
        self._fast_stale = True

    def on_view(self, view: MarketView) -> None:
        """Take a new state of the book in; a view already seen changes nothing."""
        if view is self._view:
            return
        now_s = self._advance(view.recv_ns)
        self._view = view
        self._fast_stale = True
        if view.verdict is not BookVerdict.VALID:
            if self._live:
                self._interrupt(now_s)
            return
        mid2 = view.best_bid + view.best_ask
        if not self._live:
            self._live = True
            self.intensity.resume(now_s)
        if mid2 != self._mid2:
            self._mid2 = mid2
            self._log_mid = 1e4 * math.log(mid2)
        self.intensity.on_book(view.best_bid, view.best_ask, self._now_ns)
        self.flow.on_view(view, now_s)
        self.toxicity.judge(self.flow, self.trend)

    def on_trade(self, trade: TradePrint, view: MarketView) -> None:
        """Count a public trade; `view` is the book as it is known when the trade arrives."""
        if trade.price <= 0 or trade.qty <= 0:
            self.malformed += 1
            return
        self.on_view(view)
        now_s = self._advance(trade.recv_ns)
        base = trade.qty * self._grid.base_per_qty
        notional = base if self._inverse else base * trade.price * self._grid.price_unit
        self.flow.on_trade(trade.side, notional, now_s)
        self.toxicity.on_trade(trade.side, notional, self.flow.volume_per_s)
        if self._live:
            self.intensity.on_trade(trade, now_s)
        self.toxicity.judge(self.flow, self.trend)
        self._fast_stale = True

    def on_fill(self, fill: Fill, view: MarketView) -> None:
        """Count an own fill at its distance from the mid."""
        now_s = self._advance(fill.recv_ns)
        distance_bps = 0.0
        if view.mid2 > 0:
            distance_bps = 1e4 * fill.side * (view.mid2 - 2 * fill.price) / view.mid2
        self.toxicity.fills.on_fill(fill.side, distance_bps, now_s)
        self._fast_stale = True

    def on_markout(self, side: Side, horizon_s: float, markout_bps: float) -> None:
        """Count what an own fill on `side` was worth after a horizon."""
        if not math.isfinite(markout_bps):
            self.malformed += 1
            return
        self.toxicity.fills.on_markout(side, horizon_s, markout_bps, self._seconds())
        self._fast_stale = True

    def on_funding(self, update: FundingUpdate) -> None:
        """Remember an announced funding rate."""
        self._advance(update.recv_ns)
        self.funding.on_funding(update)
        self._slow_stale = True

    def readings(self, now_ns: int) -> Readings:
        """Everything the signals say at an instant; the same object while nothing changed."""
        # Asking does not start the clock, only events do.
        now_s = self._advance(now_ns) if self._origin_ns else 0.0
        if self._readings is not None and not (self._fast_stale or self._slow_stale):
            return self._readings
        old = self._readings
        view = self._view
        volatility = self.volatility
        half_spread_bps = 1e4 * view.spread / view.mid2 if view.valid else 0.0
        if old is None or self._slow_stale:
            slow = (
                volatility.reading(),
                self.trend.reading(),
                self.funding.reading(self._now_ns),
                self.intensity.reading(),
            )
        else:
            slow = (old.volatility, old.trend, old.funding, old.intensity)
        self._readings = Readings(
            slow[0],
            slow[1],
            self.toxicity.reading(volatility.total_variance, half_spread_bps, now_s),
            self.fair_price.reading(view, self.flow.trade_imbalance, slow[0].jump_bps),
            slow[2],
            slow[3],
        )
        self._fast_stale = self._slow_stale = False
        return self._readings

    def statistics(self) -> dict[str, float]:
        """What the readings do not carry, for the status page."""
        return {
            "volatility_zero_return_share": self.volatility.zero_share,
            "trend_recent_flips": self.trend.recent_flips,
            "flow_order_imbalance": self.flow.ofi,
            "flow_volume_per_s": self.flow.volume_per_s,
            "fair_price_times_capped": float(self.fair_price.times_capped),
            "toxic_fill_level": self.toxicity.fills.level(self._seconds()),
            "funding_malformed": float(self.funding.malformed),
            "trades_malformed": float(self.malformed),
        }

    def _seconds(self) -> float:
        return (self._now_ns - self._origin_ns) * 1e-9

    def _advance(self, now_ns: int) -> float:
        """Move time forward, passing every grid point on the way; seconds since the origin."""
        if now_ns > self._now_ns:
            if now_ns >= self._next_step_ns:
                self._cross(now_ns)
            self._now_ns = now_ns
        return (self._now_ns - self._origin_ns) * 1e-9

    def _cross(self, now_ns: int) -> None:
        step = now_ns // self._step_ns
        steps = step - self._step
        self._step = step
        self._next_step_ns = (step + 1) * self._step_ns
        self._slow_stale = self._fast_stale = True
        if self._origin_ns == 0:
            self._origin_ns = step * self._step_ns
            return
        if not self._live:
            # Before the first mid there is nothing to be out of.
            self._outage_steps += steps if self._mid2 else 0
            return
        # Point by point, because toxicity at one point hears the trend at that point.
        single = min(steps, _SINGLE_STEPS)
        if steps > single:
            self._sample(steps - single)
            self.toxicity.on_steps(steps - single)
        for behind in range(single - 1, -1, -1):
            self._sample(1)
            self._pass_flow((step - behind) * self._step_ns)

    def _sample(self, steps: int) -> None:
        outage, self._outage_steps = self._outage_steps, 0
        volatility, trend = self.volatility, self.trend
        if outage and outage <= self._short_outage_steps:
            volatility.on_steps(outage, self._outage_log_mid)
            trend.on_steps(outage, self._outage_log_mid, volatility.total_variance)
            outage = 0
        if outage:
            trend.interrupt()
        move = self._log_mid - self._outage_log_mid
        volatility.on_steps(steps, self._log_mid, outage, move)
        trend.on_steps(steps, self._log_mid, volatility.total_variance)

    def _pass_flow(self, point_ns: int) -> None:
        """Let flow fade to one grid point and feed the index's history."""
        point_s = (point_ns - self._origin_ns) * 1e-9
        self.toxicity.on_steps(1)
        self.flow.advance(point_s)
        self.toxicity.judge(self.flow, self.trend)
        self.intensity.advance(point_s)

    def _interrupt(self, now_s: float) -> None:
        self._live = False
        if self._outage_steps == 0:
            self._outage_log_mid = self._log_mid
        self.intensity.advance(now_s)
        self.flow.interrupt()
