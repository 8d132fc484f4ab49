"""What the signals say, as frozen values in named units.

One reading per signal, made from its state array; `Readings` is the set that pricing
consumes. Prices are in quote currency, volatilities in bps or price per root second.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members
from market_maker.core.reasons import Zone


@plain_members
class Regime(StrEnum):
    """Volatility classes."""

    CALM = "calm"
    NORMAL = "normal"
    ELEVATED = "elevated"
    EXTREME = "extreme"


@plain_members
class Direction(StrEnum):
    """Trend direction."""

    BULLISH = "bullish"
    NEUTRAL = "neutral"
    BEARISH = "bearish"


class VolatilityReading(msgspec.Struct, frozen=True, gc=False):
    """Volatility over several horizons and its class.

    `clean_bps` and `total_bps` are per root second, from bipower and realised variance (in
    turbulent classes the clean one keeps part of the jumps);
    `minute_bps` gives each horizon's 60-second-equivalent volatility in the configured
    order. `jump_bps` is the signed jump part over the shortest horizon, per root second.
    Scales multiply offsets, skew, size, reprice interval, tolerance and position limits of
    engines and gates that do not know sigma themselves.
    """

    regime: Regime
    clean_bps: float
    total_bps: float
    jump_bps: float
    minute_bps: tuple[float, ...]
    baseline_minute_bps: float
    offset_scale: float
    skew_scale: float
    size_scale: float
    interval_scale: float
    tolerance_scale: float
    limit_scale: float = 1.0


class TrendReading(msgspec.Struct, frozen=True, gc=False):
    """Trend direction, strength in [0, 1] and drift in bps per second."""

    direction: Direction
    strength: float
    drift_bps_per_s: float
    skew_multiplier: float
    buy_size_scale: float
    sell_size_scale: float
    pull_buy: bool
    pull_sell: bool


class ToxicityReading(msgspec.Struct, frozen=True, gc=False):
    """Extra half-spread and pauses per side against informed flow.

    `score` is a percentile in [0, 1] of its own history; `vpin` and `flow_imbalance`
    (signed, [-1, 1]) are its inputs. `size_scale` multiplies sizes, `interval_scale` the time between
    moves of an order; a pause names the side on which quoting would be run over.
    """

    score: float
    vpin: float
    flow_imbalance: float
    buy_widen_bps: float
    sell_widen_bps: float
    size_scale: float
    interval_scale: float
    pause_buy: bool
    pause_sell: bool


class FairPriceReading(msgspec.Struct, frozen=True, gc=False):
    """Fair value as mid plus an imbalance term; `offset_price` is fair minus mid."""

    price: float
    offset_price: float
    book_imbalance: float
    flow_imbalance: float


class FundingReading(msgspec.Struct, frozen=True, gc=False):
    """Expected funding: `rate_per_hour` (positive: longs pay), seconds to the next payment.

    `carry_price_per_s` is the drift that funding adds to a long's value. Scales apply to the
    skew (at least 1) and to the maximum position (at most 1) on the side that funding
    punishes; the favoured side may use the inverse skew scale.
    """

    rate_per_hour: float
    seconds_to_payment: float
    carry_price_per_s: float
    skew_scale: float
    max_position_scale: float


class IntensityReading(msgspec.Struct, frozen=True, gc=False):
    """Fill intensity A exp(-k delta) with bounds; A in 1/s, k in 1/price.

    `buy_a_per_s` is what our bids meet: sellers' market orders. `trusted` says whether
    estimates have replaced the configured warm start.
    """

    buy_a_per_s: float
    sell_a_per_s: float
    k_per_price: float
    k_low_per_price: float
    k_high_per_price: float
    market_orders: int
    trusted: bool


class Readings(msgspec.Struct, frozen=True, gc=False):
    """Everything pricing needs to know about the market's behaviour at one instant."""

    volatility: VolatilityReading
    trend: TrendReading
    toxicity: ToxicityReading
    fair: FairPriceReading
    funding: FundingReading
    intensity: IntensityReading


class InventoryReading(msgspec.Struct, frozen=True, gc=False):
    """Position and how much each side's orders may come to.

    `position` is signed quanta, `ratio` is position over the tightest binding limit of its
    side, in [-1, 1] unless over the limit. `buy_headroom` and `sell_headroom` are the quanta that
    all orders of a side may hold together, those that rest already included. The size scales
    are the zone's; `limit` is the tightest limit in quanta of the side that holds the position.
    `others_ratio` is the signed value that the account's other markets hold over the value of this one's limit.
    """

    position: int
    ratio: float
    zone: Zone
    limit: int
    buy_headroom: int
    sell_headroom: int
    buy_size_scale: float
    sell_size_scale: float
    others_ratio: float = 0.0
