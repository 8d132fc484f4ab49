"""Zones of inventory and what each side may still do.

Green trades normally, yellow builds more slowly, red only reduces, over needs help. The ratio is the
position against the tightest limit of its own side. Leaving a zone downwards needs a margin, so that
a price that trembles does not cancel and replace. Refuses to know orders and prices.
"""

from __future__ import annotations

from market_maker.config.risk import RiskConfig
from market_maker.core.readings import InventoryReading
from market_maker.core.reasons import Zone
from market_maker.risk.limits import Limits

MAX_RATIO = 10.0
"""Ratio reported for a position whose limit is zero."""

_RANK = {Zone.GREEN: 0, Zone.YELLOW: 1, Zone.RED: 2, Zone.OVER: 3}


def inventory_ratio(position: int, limit: int) -> float:
    """Position over a limit, signed and finite."""
    if limit <= 0:
        return 0.0 if position == 0 else (MAX_RATIO if position > 0 else -MAX_RATIO)
    return max(-MAX_RATIO, min(MAX_RATIO, position / limit))


class InventoryZones:
    """Judges zones with memory of the last one."""

    __slots__ = ("_build_scale", "_hysteresis", "_red", "_yellow", "zone")

    def __init__(self, config: RiskConfig) -> None:
        """Start green."""
        self.zone = Zone.GREEN
        self.configure(config)

    def configure(self, config: RiskConfig) -> None:
        """Change thresholds; the zone is judged anew at the next reading."""
        self._yellow = config.yellow_ratio
        self._red = config.red_ratio
        self._hysteresis = config.zone_hysteresis
        self._build_scale = config.yellow_build_scale

    def judge(self, position: int, limits: Limits) -> Zone:
        """Zone of a position; upwards at once, downwards with a margin."""
        if position == 0:
            self.zone = Zone.GREEN
            return self.zone
        if abs(position) > limits.hard(position):
            self.zone = Zone.OVER
            return self.zone
        ratio = abs(inventory_ratio(position, limits.side(position)))
        reached = self._zone(ratio)
        if _RANK[reached] < _RANK[self.zone]:
            reached = self._zone(ratio + self._hysteresis)
        self.zone = reached
        return reached

    def reading(self, position: int, limits: Limits, others_ratio: float = 0.0) -> InventoryReading:
        """Everything that pricing needs to know about inventory."""
        zone = self.judge(position, limits)
        limit = limits.side(position)
        buy_room = max(0, limits.long - position)
        sell_room = max(0, limits.short + position)
        buy_scale = sell_scale = 1.0
        if zone is not Zone.GREEN:
            build_scale = self._build_scale if zone is Zone.YELLOW else 0.0
            if position > 0:
                buy_scale = build_scale
                buy_room = buy_room if build_scale else 0
            else:
                sell_scale = build_scale
                sell_room = sell_room if build_scale else 0
        return InventoryReading(
            position,
            inventory_ratio(position, limit),
            zone,
            limit,
            buy_room,
            sell_room,
            buy_scale,
            sell_scale,
            others_ratio,
        )

    def _zone(self, ratio: float) -> Zone:
        if ratio >= self._red:
            return Zone.RED
        return Zone.YELLOW if ratio >= self._yellow else Zone.GREEN
