"""The market model's configuration as the kernel's parameter array.

Owns the conversion of money to quanta, bps to ticks and half-lives to rates. Refuses to know
what the numbers do. What always holds: every key of the configuration ends up in the array.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.kernels import market_layout as layout

_AS_CONFIGURED = {
    layout.P_VOL: "volatility_bps",
    layout.P_FAST_SD: "volatility_fast_log_sd",
    layout.P_SLOW_SD: "volatility_slow_log_sd",
    layout.P_EPISODE_JUMP: "episode_log_jump",
    layout.P_NEWS_RATE: "news_per_s",
    layout.P_JUMP: "jump_bps",
    layout.P_PRIVATE_SHARE: "private_share",
    layout.P_NOISE_BASE: "noise_per_s",
    layout.P_NOISE_FAST_DECAY: "noise_fast_decay_per_s",
    layout.P_NOISE_FAST: "noise_fast_branching",
    layout.P_NOISE_SLOW_DECAY: "noise_slow_decay_per_s",
    layout.P_NOISE_SLOW: "noise_slow_branching",
    layout.P_NOISE_CROSS: "noise_cross_share",
    layout.P_NOISE_SIZE: "noise_size_usd",
    layout.P_NOISE_LOG_SD: "noise_size_log_sd",
    layout.P_NOISE_CLIP: "noise_clip_share",
    layout.P_NOISE_SWEEP: "noise_sweep_share",
    layout.P_CAP: "taker_cap_usd",
    layout.P_INFORMED_RATE: "informed_per_s",
    layout.P_INFORMED_SIZE: "informed_size_usd",
    layout.P_INFORMED_LOG_SD: "informed_size_log_sd",
    layout.P_INFORMED_SWEEP: "informed_sweep_share",
    layout.P_LEVELS: "maker_levels",
    layout.P_DEPTH: "maker_depth_usd",
    layout.P_BEHIND: "maker_behind_share",
    layout.P_LUMP: "maker_lump_usd",
    layout.P_NEAR_CANCEL: "maker_near_cancel_per_s",
    layout.P_FAR_CANCEL: "maker_far_cancel_per_s",
    layout.P_STALE_CANCEL: "maker_stale_cancel_per_s",
    layout.P_IMPACT: "maker_trade_impact_bps",
    layout.P_SWEEP_IMPACT: "maker_sweep_impact_bps",
}
_BPS_TO_TICKS = {
    layout.P_NOISE_REACH: "noise_reach_bps",
    layout.P_INFORMED_EDGE: "informed_edge_bps",
    layout.P_STALE: "maker_stale_bps",
    layout.P_HALF_SPREAD: "maker_half_spread_bps",
}
_HALF_LIFE_TO_RATE = {
    layout.P_FAST_RATE: "volatility_fast_half_life_s",
    layout.P_SLOW_RATE: "volatility_slow_half_life_s",
    layout.P_PRIVATE_RATE: "private_half_life_s",
}
_PER_HOUR_TO_PER_S = {
    layout.P_EPISODE_RATE: "episodes_per_hour",
    layout.P_JUMP_RATE: "jumps_per_hour",
}


def parameters(config: MarketModelConfig) -> NDArray[np.float64]:
    """The kernel's parameters for a configuration."""
    start_ticks = float(config.start_price / config.price_quantum)
    p = np.zeros(layout.N_PARAMS, np.float64)
    p[layout.P_START_TICKS] = start_ticks
    p[layout.P_QTY_PER_USD] = 1.0 / float(config.start_price * config.qty_quantum)
    p[layout.P_PUBLIC_RATE] = 1.0 / config.public_lag_s
    for index, name in _AS_CONFIGURED.items():
        p[index] = getattr(config, name)
    for index, name in _BPS_TO_TICKS.items():
        p[index] = getattr(config, name) * 1e-4 * start_ticks
    for index, name in _HALF_LIFE_TO_RATE.items():
        p[index] = math.log(2.0) / getattr(config, name)
    for index, name in _PER_HOUR_TO_PER_S.items():
        p[index] = getattr(config, name) / 3600.0
    return p
