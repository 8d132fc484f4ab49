"""The signals of one market as arrays, for drivers that run many events in one compiled call.

Owns the way from settings to the compiled pass; the arrays are those of the signals that the bot
runs. Refuses to know rows and quotes.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from market_maker.config.signals import MarketConfig, SignalsConfig
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.units import Grid
from market_maker.kernels import sweep_book as book
from market_maker.kernels import sweep_readings as rd
from market_maker.kernels import sweep_signals as sg
from market_maker.kernels.book import Ints, new_book
from market_maker.kernels.sweep_market import Signals
from market_maker.signals.intensity import Intensity
from market_maker.signals.order_flow import OrderFlow
from market_maker.signals.signal_set import SHORT_OUTAGE_S
from market_maker.signals.toxicity_guard import ToxicityGuard
from market_maker.signals.trend_signal import TrendSignal
from market_maker.signals.volatility_regime import VolatilityRegime

Floats: TypeAlias = npt.NDArray[np.float64]


class CompiledMarket(msgspec.Struct, frozen=True):
    """Everything that a pass over one market's rows changes, and the settings of its readings."""

    follower: npt.NDArray[np.int64]
    book: Ints
    signals: Signals
    readings: Floats


def compiled_market(
    market: MarketConfig, signals: SignalsConfig, instrument: Instrument
) -> CompiledMarket:
    """The market and its signals before the first event."""
    watch = signals.fair_price.book == "depth"
    return CompiledMarket(
        book.new_follower(
            int(market.stale_after_s * NANOS),
            int(market.contradicted_after_s * NANOS),
            market.book_depth_bps,
            watch=watch,
        ),
        new_book(market.max_levels),
        _signals(signals, instrument),
        _readings(signals),
    )


def _signals(config: SignalsConfig, instrument: Instrument) -> Signals:
    step_s = config.sample_step_s
    grid = Grid(instrument)
    counters = np.zeros(sg.COUNTERS, dtype=np.int64)
    counters[sg.STEP_NS] = int(step_s * NANOS)
    counters[sg.SHORT_OUTAGE_STEPS] = int(SHORT_OUTAGE_S / step_s)
    counters[sg.TICK] = instrument.tick
    counters[sg.TREND_ENABLED] = config.trend.enabled
    counters[sg.INVERSE] = instrument.kind is InstrumentKind.INVERSE
    counters[sg.SLOW_STALE] = 1
    numbers = np.zeros(sg.NUMBERS)
    numbers[sg.STEP_S] = step_s
    numbers[sg.PRICE_UNIT] = grid.price_unit
    numbers[sg.BASE_PER_QTY] = grid.base_per_qty
    numbers[sg.BUCKET_S] = config.toxicity.bucket_s
    numbers[sg.MIN_DEPTH_BPS] = config.intensity.min_depth_bps
    numbers[sg.MAX_REACH_BPS] = config.intensity.max_reach_bps
    return (
        counters,
        numbers,
        VolatilityRegime(config.volatility, step_s).state,
        TrendSignal(config.trend, step_s).state,
        OrderFlow(config.order_flow).state,
        ToxicityGuard(config.toxicity, step_s).state,
        Intensity(config.intensity, instrument).state,
    )


def _readings(config: SignalsConfig) -> Floats:
    volatility, funding, intensity = config.volatility, config.funding, config.intensity
    g = np.zeros(rd.SETTINGS)
    g[rd.VOL_ENABLED] = volatility.enabled
    g[rd.TREND_SKEW] = config.trend.skew_multiplier
    g[rd.COUNTER_SIZE] = config.trend.counter_size_scale
    g[rd.FUNDING_ENABLED] = funding.enabled
    g[rd.FUNDING_HORIZON_S] = funding.horizon_s
    g[rd.FUNDING_MAX_RATE] = funding.max_rate_per_hour
    g[rd.FUNDING_REFERENCE] = funding.reference_rate_per_hour
    g[rd.FUNDING_SKEW] = funding.skew_effect
    g[rd.FUNDING_POSITION] = funding.position_effect
    g[rd.COLD_K] = intensity.cold_k_per_bps
    g[rd.COLD_A] = intensity.cold_a_per_s
    g[rd.MIN_ORDERS] = intensity.min_orders
    g[rd.MIN_DEEP_ORDERS] = intensity.min_deep_orders
    g[rd.K_MIN], g[rd.K_MAX] = intensity.k_min_per_bps, intensity.k_max_per_bps
    g[rd.A_MIN], g[rd.A_MAX] = intensity.a_min_per_s, intensity.a_max_per_s
    g[rd.WARM_UP_STEPS] = config.toxicity.warm_up_s / config.sample_step_s
    g[rd.USE_DEPTH] = config.fair_price.book == "depth"
    g[rd.JUMP_BLEND : rd.SCALES] = volatility.jump_blend
    g[rd.SCALES :] = (
        *volatility.offset_scales,
        *volatility.skew_scales,
        *volatility.size_scales,
        *volatility.interval_scales,
        *volatility.tolerance_scales,
        *volatility.limit_scales,
    )
    return g
