"""The embedded market's funding rate.

Owns a premium that returns to its mean and what a payment is; refuses to know positions'
owners. What always holds: the path depends on seed and market time only (each step draws from
a stream of its own), so neither trading nor a restart changes it.
"""

from __future__ import annotations

import math

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream

_STEP_S = 60
_E9 = 10**9


class Funding:
    """Predicted rate of one market; times are exchange time."""

    __slots__ = ("_config", "_name", "_seed", "level", "step")

    def __init__(
        self, config: SimulatedConfig, seed: int, symbol: str, level: float = 0.0, step: int = 0
    ) -> None:
        """Start at the mean, or where `level` standard deviations and `step` left off."""
        self._config = config
        self._seed = seed
        self._name = f"funding/{symbol}"
        self.level = level
        self.step = step

    def set_rules(self, config: SimulatedConfig) -> None:
        """Take over changed terms."""
        self._config = config

    def advance(self, now_ns: int) -> None:
        """Move the premium to `now_ns`."""
        while (self.step + 1) * _STEP_S * NANOS <= now_ns:
            keep = 0.5 ** (_STEP_S / self._config.funding_half_life_s)
            noise = RandomStream(self._seed, f"{self._name}/{self.step}").normal()
            self.level = keep * self.level + math.sqrt(1.0 - keep * keep) * noise
            self.step += 1

    @property
    def rate_e9(self) -> int:
        """Rate per interval in 1e-9; positive means that longs pay."""
        config = self._config
        bps = config.funding_mean_bps + config.funding_sd_bps * self.level
        return round(max(-config.funding_cap_bps, min(config.funding_cap_bps, bps)) * 1e5)

    def next_ns(self, now_ns: int) -> int:
        """When the next payment is due, strictly after `now_ns`."""
        interval_ns = self._config.funding_interval_s * NANOS
        return (now_ns // interval_ns + 1) * interval_ns

    def is_due(self, now_ns: int) -> bool:
        """Whether a payment falls on exactly this moment."""
        return now_ns > 0 and now_ns % (self._config.funding_interval_s * NANOS) == 0

    def payment(self, value: int) -> int:
        """Money to the holder of `value` at the mark, rounded down."""
        return -value * self.rate_e9 // _E9
