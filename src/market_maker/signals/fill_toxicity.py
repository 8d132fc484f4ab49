"""Whether our own fills are being picked off, and the response that follows.

Owns one level in [0, 1]: 1 when a side's fills lose too much on average, or when fills are
one-sided and that side loses at all; it falls by one step with every clean fill and slowly with
time, so that quotes which became too wide to be filled do not stay so for ever.
"""

from __future__ import annotations

from market_maker.config.signals import ToxicityConfig
from market_maker.core.side import SIDES, Side


class _Losses:
    """Decayed mean of one side's immediate losses."""

    __slots__ = ("count", "mean_bps", "total", "weight")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.weight = 0.0
        self.mean_bps = 0.0

    def add(self, loss_bps: float, keep: float) -> None:
        self.count += 1
        self.weight = self.weight * keep + 1.0
        self.total = self.total * keep + loss_bps
        self.mean_bps = self.total / self.weight


class FillToxicity:
    """Decayed counts of own fills and of their immediate markouts."""

    __slots__ = (
        "_bought",
        "_config",
        "_fills",
        "_keep",
        "_level",
        "_level_s",
        "_losses",
        "_seen",
        "half_spread_bps",
    )

    def __init__(self, config: ToxicityConfig) -> None:
        """Start with no fill and no response."""
        self._config = config
        self._keep = 1.0 - 1.0 / config.fill_memory
        self._level = 0.0
        self._level_s = 0.0
        self._fills = 0.0
        self._bought = 0.0
        self._seen = 0
        self._losses = {side: _Losses() for side in SIDES}
        self.half_spread_bps = 0.0

    def on_fill(self, side: Side, distance_bps: float, now_s: float) -> None:
        """Count an own fill at a distance from the mid."""
        self._fills = self._fills * self._keep + 1.0
        self._bought = self._bought * self._keep + (side is Side.BUY)
        self._seen += 1
        share = 1.0 / min(self._seen, self._config.fill_memory)
        self.half_spread_bps += share * (max(distance_bps, 0.0) - self.half_spread_bps)
        self._judge(now_s)

    def on_markout(self, side: Side, horizon_s: float, markout_bps: float, now_s: float) -> None:
        """Count what a fill was worth a moment later; other horizons are ignored."""
        config = self._config
        if abs(horizon_s - config.markout_horizon_s) > 1e-9:
            return
        self._losses[side].add(-markout_bps, self._keep)
        if markout_bps >= -config.loss_bps:
            self._level = max(0.0, self.level(now_s) - 1.0 / config.clean_fills)
            self._level_s = now_s
        self._judge(now_s)

    def level(self, now_s: float) -> float:
        """How much of the response applies."""
        elapsed = max(0.0, now_s - self._level_s)
        level: float = self._level * 0.5 ** (elapsed / self._config.recovery_s)
        return level if level > 1e-3 else 0.0

    def _judge(self, now_s: float) -> None:
        config = self._config
        for side, losses in self._losses.items():
            if losses.count < config.min_fills:
                continue
            bought = self._bought / self._fills if self._fills else 0.5
            share = bought if side is Side.BUY else 1.0 - bought
            one_sided = self._seen >= config.min_fills and share > config.one_sided_share
            if losses.mean_bps > config.loss_bps or (one_sided and losses.mean_bps > 0.0):
                self._level = 1.0
                self._level_s = now_s
                # The same fills must not convict twice.
                self._losses[side] = _Losses()
                self._fills = self._bought = 0.0
                self._seen = 0
                return
