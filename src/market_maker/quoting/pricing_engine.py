"""Readings in, the whole ladder out, in one call and with its breakdown.

Owns the order in which the terms of a price apply and what silences a side: engine, trend,
toxicity, fee floor, post-only, rounding; regime, zone, room, minimum size, edge. Refuses to
know resting orders, time (but for passing cooldowns on) and venues.

Always holds: parts sum exactly to price minus mid; prices lie on the grid, do not cross the
others' best, and rise strictly from the deepest bid to the deepest ask; volatility enters
once, through the engine's sigma or, for engines without one, through the regime's scales;
and nothing but an invalid book or engine silences the side that reduces a large position.
"""

from __future__ import annotations

import math
from struct import Struct

import msgspec
import numpy as np

from market_maker.config.quoting import LadderConfig
from market_maker.core.commands import LevelId
from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.readings import FundingReading, InventoryReading, Readings, Regime
from market_maker.core.reasons import DecisionReason, Zone
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.kernels import ladder as kernel
from market_maker.market.market_view import MarketView
from market_maker.quoting.engine import QuoteState, QuotingEngine
from market_maker.quoting.ladder import NO_PARTS, Ladder, LevelTarget
from market_maker.quoting.post_only_safety import PostOnlySafety

_BPS = 1e-4
_MINUTE_ROOT = math.sqrt(60.0)
_LEAST_SIGMA_BPS = 0.01
_LEAST_INTENSITY = 1e-6
_ROWS = ("inventory", "drift", "carry", "regime", "spacing", "fee")
_QTY, _CODE, _EDGE, _PARTS = kernel.QTY, kernel.CODE, kernel.EDGE, kernel.PARTS
_OUT_WIDTH, _NO_PRICE = kernel.OUT_WIDTH, kernel.NO_PRICE
_CODES = {
    kernel.TOO_SMALL: DecisionReason.BELOW_MINIMUM,
    kernel.NO_ROOM: DecisionReason.AT_LIMIT,
}


class _SideTerms(msgspec.Struct, frozen=True, gc=False):
    """What one side's position, zone and filters mean for its quotes."""

    header: tuple[float, ...]
    block: DecisionReason | None
    not_before_ns: int
    silence: DecisionReason
    priority: bool
    reduce_only: bool


class PricingEngine:
    """Prices every level of one market."""

    __slots__ = (
        "_base_per_qty",
        "_config",
        "_engine",
        "_fee_bps",
        "_fee_rate",
        "_grid",
        "_in",
        "_in_array",
        "_inverse",
        "_levels",
        "_min_notional",
        "_out",
        "_out_array",
        "_pack",
        "_price_rules",
        "_size_rules",
        "_starts",
        "_unit",
        "_unpack",
        "_width",
        "instrument",
    )

    def __init__(self, config: LadderConfig, instrument: Instrument, engine: QuotingEngine) -> None:
        """Prepare the buffers shared with the kernel for a fixed number of levels."""
        self._config = config
        self.instrument = instrument
        self._engine = engine
        self._grid = Grid(instrument)
        self._unit = self._grid.price_unit
        fee_rate = instrument.maker_fee_rate
        self._fee_rate = float(fee_rate) if fee_rate is not None else math.nan
        self._fee_bps = self._fee_rate / _BPS
        self._inverse = instrument.kind is InstrumentKind.INVERSE
        self._min_notional = float(instrument.min_notional)
        value = self._base_per_qty = self._grid.base_per_qty
        # What the kernel is told that never changes, in its order.
        digits = float(instrument.price_significant_digits or 0)
        self._price_rules = (1.0 / self._unit, float(instrument.tick), digits, config.toxicity_cap)
        self._size_rules = (
            float(instrument.lot),
            float(instrument.min_qty),
            float(instrument.max_qty or 2**53),
            value if self._inverse else value * self._unit,
            1.0 if self._inverse else 0.0,
        )
        levels = config.levels
        self._width = levels
        self._levels = tuple(LevelId(side, i) for side in Side for i in range(levels))
        starts = tuple((level, n * _OUT_WIDTH) for n, level in enumerate(self._levels))
        self._starts = (starts[:levels], starts[levels:])
        cells = kernel.ROWS_START + 2 * kernel.ROW_COUNT * levels
        self._pack = Struct(f"={cells}d")
        self._in = bytearray(self._pack.size)
        self._in_array = np.frombuffer(self._in, dtype=np.float64)
        self._unpack = Struct(f"={2 * levels * kernel.OUT_WIDTH}q")
        self._out = bytearray(self._unpack.size)
        out = np.frombuffer(self._out, dtype=np.int64)
        self._out_array = out.reshape(2 * levels, kernel.OUT_WIDTH)

    @property
    def engine(self) -> QuotingEngine:
        """The engine that quotes this market."""
        return self._engine

    @property
    def levels(self) -> tuple[LevelId, ...]:
        """Every level of the ladder: bids, then asks, each nearest first."""
        return self._levels

    def price(
        self,
        view: MarketView,
        readings: Readings,
        inventory: InventoryReading,
        adverse_bps: float,
        post_only: PostOnlySafety,
        now_ns: int,
    ) -> Ladder:
        """Price all levels; a level without a quote names its reason."""
        if not view.valid:
            return self._blocked(0.0, view.mid2, DecisionReason.BOOK_INVALID)
        mid2 = view.best_bid + view.best_ask
        offset = readings.fair.offset_price
        fair = 0.5 * mid2 * self._unit + offset
        if not 0.0 < fair < math.inf:
            return self._blocked(0.0, mid2, DecisionReason.ENGINE_INVALID)
        if math.isnan(self._fee_rate):
            return self._blocked(fair, mid2, DecisionReason.FEES_UNKNOWN)
        quote = self._engine.quote(self.state(fair, view, readings, inventory))
        buy = self._side_terms(
            Side.BUY, fair, view, readings, inventory, adverse_bps, post_only, now_ns
        )
        sell = self._side_terms(
            Side.SELL, fair, view, readings, inventory, adverse_bps, post_only, now_ns
        )
        value = self._base_per_qty
        cells = (
            0.5 * mid2,
            offset / self._unit,
            *self._price_rules,
            readings.trend.skew_multiplier - 1.0,
            1.0 if inventory.position > 0 else 0.0,
            self._config.order_size_quote / (value if self._inverse else value * fair),
            *self._size_rules,
            *buy.header,
            float(min(len(quote.bid_offsets), self._width)),
            *sell.header,
            float(min(len(quote.ask_offsets), self._width)),
            *self._rows(quote.bid_offsets, quote.bid_sizes, quote.bid_parts),
            *self._rows(quote.ask_offsets, quote.ask_sizes, quote.ask_parts),
        )
        if not math.isfinite(sum(cells)) or len(cells) != len(self._in_array):
            return self._blocked(fair, mid2, DecisionReason.ENGINE_INVALID)
        self._pack.pack_into(self._in, 0, *cells)
        if not kernel.ladder(self._in_array, mid2, self._out_array):
            return self._blocked(fair, mid2, DecisionReason.ENGINE_INVALID)
        return Ladder(fair, mid2, self._targets(buy, sell, inventory.position))

    def state(
        self, fair: float, view: MarketView, readings: Readings, inventory: InventoryReading
    ) -> QuoteState:
        """What the engine is shown."""
        volatility = readings.volatility
        intensity = readings.intensity
        price_per_bps = _BPS * fair
        k = intensity.k_per_price
        k_low = intensity.k_low_per_price
        k_high = intensity.k_high_per_price
        if not intensity.trusted or k_high - k_low > self._config.k_interval * k:
            k = k_low
        base = self._base_per_qty / fair if self._inverse else self._base_per_qty
        usual_bps = volatility.baseline_minute_bps / _MINUTE_ROOT
        return QuoteState(
            fair,
            max(volatility.clean_bps, _LEAST_SIGMA_BPS) * price_per_bps,
            max(volatility.total_bps, _LEAST_SIGMA_BPS) * price_per_bps,
            max(intensity.buy_a_per_s, _LEAST_INTENSITY),
            max(intensity.sell_a_per_s, _LEAST_INTENSITY),
            k,
            k_low,
            k_high,
            inventory.position * base,
            min(max(inventory.ratio, -1.0), 1.0),
            max(inventory.limit, 1) * base,
            self._config.order_size_quote / fair,
            readings.trend.drift_bps_per_s * price_per_bps,
            readings.funding.carry_price_per_s,
            self._fee_rate * fair,
            self._width,
            self.instrument.tick * self._unit,
            volatility.offset_scale,
            volatility.skew_scale * _funding_skew(readings.funding, inventory.position),
            0.5 * view.spread * self._unit / price_per_bps,
            max(usual_bps, _LEAST_SIGMA_BPS) * price_per_bps if usual_bps > 0.0 else 0.0,
            min(max(inventory.others_ratio, -1.0), 1.0),
        )

    def _side_terms(
        self,
        side: Side,
        fair: float,
        view: MarketView,
        readings: Readings,
        inventory: InventoryReading,
        adverse_bps: float,
        post_only: PostOnlySafety,
        now_ns: int,
    ) -> _SideTerms:
        config = self._config
        trend = readings.trend
        toxicity = readings.toxicity
        if side is Side.BUY:
            widen, trend_scale = toxicity.buy_widen_bps, trend.buy_size_scale
            zone_scale, headroom = inventory.buy_size_scale, inventory.buy_headroom
        else:
            widen, trend_scale = toxicity.sell_widen_bps, trend.sell_size_scale
            zone_scale, headroom = inventory.sell_size_scale, inventory.sell_headroom
        quanta_per_bps = _BPS * fair / self._unit
        reduces = side * inventory.position < 0
        priority = reduces and inventory.zone is not Zone.GREEN
        reduce_only = priority and inventory.zone is not Zone.YELLOW and self.instrument.has_margin
        # An exit pays for itself; what the market does after it is no longer our cost.
        floor_bps = self._fee_bps + config.margin_bps + (0.0 if priority else adverse_bps)
        room = headroom
        if reduces:
            held = abs(inventory.position)
            room = held if reduce_only else max(headroom, held)
        if priority:
            alpha = 1.0
            least = self._min_notional
            block = None
        else:
            alpha = readings.volatility.size_scale * toxicity.size_scale * trend_scale
            least = max(self._min_notional, config.min_size_quote)
            block = self._block(reduces, readings, inventory, floor_bps)
        header = (
            float(post_only.limit(side, view)),
            widen * quanta_per_bps,
            floor_bps * quanta_per_bps,
            zone_scale,
            alpha,
            float(max(room, 0)),
            least,
        )
        cooldown_ns = post_only.cooldown_until_ns(side)
        return _SideTerms(
            header,
            block,
            cooldown_ns if cooldown_ns > now_ns else 0,
            # An engine that knows the bound does not quote beyond it.
            DecisionReason.AT_LIMIT if room < self.instrument.lot else DecisionReason.NOT_QUOTED,
            priority,
            reduce_only,
        )

    def _block(
        self, reduces: bool, readings: Readings, inventory: InventoryReading, floor_bps: float
    ) -> DecisionReason | None:
        if readings.volatility.regime is Regime.EXTREME:
            return DecisionReason.EXTREME_VOLATILITY
        if not reduces and inventory.zone is Zone.OVER:
            return DecisionReason.AT_LIMIT
        if not reduces and inventory.zone is Zone.RED:
            return DecisionReason.REDUCE_ONLY_ZONE
        if floor_bps > self._config.max_floor_bps:
            return DecisionReason.NO_EDGE
        return None

    def _rows(
        self,
        offsets: tuple[float, ...],
        sizes: tuple[float, ...],
        parts: dict[str, tuple[float, ...]],
    ) -> tuple[float, ...]:
        """One side's offsets, sizes and parts as the kernel's rows; absent parts are zero."""
        zeros = (0.0,) * len(offsets)
        rows = offsets + sizes
        for name in _ROWS:
            rows += parts.get(name, zeros)
        n, width = len(offsets), self._width
        if n == width or not n:
            return rows or (0.0,) * (kernel.ROW_COUNT * width)
        padded: list[float] = []
        for start in range(0, len(rows), n):
            padded.extend((rows[start : start + n] + (0.0,) * width)[:width])
        return tuple(padded)

    def _targets(self, buy: _SideTerms, sell: _SideTerms, position: int) -> tuple[LevelTarget, ...]:
        cells = self._unpack.unpack(self._out)
        targets = []
        for terms, starts in zip((buy, sell), self._starts, strict=True):
            for level, start in starts:
                blocked = terms.block
                code = cells[start + _CODE]
                if blocked is None and code:
                    blocked = terms.silence if code == _NO_PRICE else _CODES[code]
                targets.append(
                    LevelTarget(
                        level,
                        cells[start],
                        cells[start + _QTY] if blocked is None else 0,
                        blocked,
                        cells[start + _PARTS : start + _OUT_WIDTH],
                        cells[start + _EDGE],
                        terms.priority,
                        terms.reduce_only,
                        terms.not_before_ns,
                        position,
                    )
                )
        return tuple(targets)

    def expected_adverse_bps(self, measured_bps: float, fills: int) -> float:
        """Adverse selection to expect of the next fill: own markouts once there are enough.

        `measured_bps` is the mean loss to the mid after own fills (positive = against us); a gain
        is not counted on.
        """
        if fills < self._config.adverse_min_fills:
            return self._config.adverse_prior_bps
        return max(measured_bps, 0.0)

    def _blocked(self, fair: float, mid2: int, reason: DecisionReason) -> Ladder:
        targets = tuple(LevelTarget(level, 0, 0, reason, NO_PARTS) for level in self._levels)
        return Ladder(fair, mid2, targets)


def _funding_skew(funding: FundingReading, position: int) -> float:
    """Stronger skew for a position that pays funding, weaker for one that receives it (F02)."""
    paid = funding.rate_per_hour * position
    if paid > 0.0:
        return funding.skew_scale
    return 1.0 / funding.skew_scale if paid < 0.0 else 1.0
