"""The market model's configuration as the kernel's parameter array.

Owns the conversion of money to quanta, bps to ticks and half-lives to rates. Refuses to know
what the numbers do. What always holds: every key of the configuration ends up in the array.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.kernels import market_agents as agents

_AS_CONFIGURED = {
    agents.P_VOL: "volatility_bps",
    agents.P_FAST_SD: "volatility_fast_log_sd",
    agents.P_SLOW_SD: "volatility_slow_log_sd",
    agents.P_EPISODE_JUMP: "episode_log_jump",
    agents.P_NEWS_RATE: "news_per_s",
    agents.P_JUMP: "jump_bps",
    agents.P_PRIVATE_SHARE: "private_share",
    agents.P_NOISE_BASE: "noise_per_s",
    agents.P_NOISE_FAST_DECAY: "noise_fast_decay_per_s",
    agents.P_NOISE_FAST: "noise_fast_branching",
    agents.P_NOISE_SLOW_DECAY: "noise_slow_decay_per_s",
    agents.P_NOISE_SLOW: "noise_slow_branching",
    agents.P_NOISE_CROSS: "noise_cross_share",
    agents.P_NOISE_SIZE: "noise_size_usd",
    agents.P_NOISE_LOG_SD: "noise_size_log_sd",
    agents.P_NOISE_CLIP: "noise_clip_share",
    agents.P_NOISE_SWEEP: "noise_sweep_share",
    agents.P_CAP: "taker_cap_usd",
    agents.P_INFORMED_RATE: "informed_per_s",
    agents.P_INFORMED_SIZE: "informed_size_usd",
    agents.P_INFORMED_LOG_SD: "informed_size_log_sd",
    agents.P_INFORMED_SWEEP: "informed_sweep_share",
    agents.P_LEVELS: "maker_levels",
    agents.P_DEPTH: "maker_depth_usd",
    agents.P_BEHIND: "maker_behind_share",
    agents.P_LUMP: "maker_lump_usd",
    agents.P_NEAR_CANCEL: "maker_near_cancel_per_s",
    agents.P_FAR_CANCEL: "maker_far_cancel_per_s",
    agents.P_STALE_CANCEL: "maker_stale_cancel_per_s",
    agents.P_IMPACT: "maker_trade_impact_bps",
    agents.P_SWEEP_IMPACT: "maker_sweep_impact_bps",
}
_BPS_TO_TICKS = {
    agents.P_NOISE_REACH: "noise_reach_bps",
    agents.P_INFORMED_EDGE: "informed_edge_bps",
    agents.P_STALE: "maker_stale_bps",
    agents.P_HALF_SPREAD: "maker_half_spread_bps",
}
_HALF_LIFE_TO_RATE = {
    agents.P_FAST_RATE: "volatility_fast_half_life_s",
    agents.P_SLOW_RATE: "volatility_slow_half_life_s",
    agents.P_PRIVATE_RATE: "private_half_life_s",
}
_PER_HOUR_TO_PER_S = {
    agents.P_EPISODE_RATE: "episodes_per_hour",
    agents.P_JUMP_RATE: "jumps_per_hour",
}


def parameters(config: MarketModelConfig) -> NDArray[np.float64]:
    """The kernel's parameters for a configuration."""
    start_ticks = float(config.start_price / config.price_quantum)
    p = np.zeros(agents.N_PARAMS, np.float64)
    p[agents.P_START_TICKS] = start_ticks
    p[agents.P_QTY_PER_USD] = 1.0 / float(config.start_price * config.qty_quantum)
    p[agents.P_PUBLIC_RATE] = 1.0 / config.public_lag_s
    for index, name in _AS_CONFIGURED.items():
        p[index] = getattr(config, name)
    for index, name in _BPS_TO_TICKS.items():
        p[index] = getattr(config, name) * 1e-4 * start_ticks
    for index, name in _HALF_LIFE_TO_RATE.items():
        p[index] = math.log(2.0) / getattr(config, name)
    for index, name in _PER_HOUR_TO_PER_S.items():
        p[index] = getattr(config, name) / 3600.0
    return p
