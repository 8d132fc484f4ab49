"""The desired ladder, as values.

Owns what a level wants and why it costs what it costs. Always holds for a level with a
price: its parts are integers in micro-quanta that sum exactly to price minus mid.
"""

from __future__ import annotations

import msgspec

from market_maker.core.commands import LevelId
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side

PART_NAMES = (
    "fair",
    "inventory",
    "model",
    "regime",
    "toxicity",
    "funding",
    "trend",
    "spacing",
    "fee_floor",
    "post_only",
    "rounding",
)
"""The parts of a level, in the order of `LevelTarget.parts`."""

_BUY = Side.BUY

MICRO = 1_000_000
"""Micro-quanta in one price quantum."""

NO_PARTS = (0,) * len(PART_NAMES)


class LevelTarget(msgspec.Struct, frozen=True, gc=False):
    """What one level should look like.

    `blocked` names why nothing should rest there; `qty` is then 0, and `price` is 0 where none
    could be computed. `edge_price` is the most aggressive price that still earns its fees and
    expected adverse selection. `priority` marks a level that reduces a large position: filters
    that guess the market's next move never block it. `reduce_only` asks for an order that
    cannot open. No order is placed or moved before `not_before_ns`, after post-only rejections.
    `position` is the one that the level was priced for.
    """

    level: LevelId
    price: int
    qty: int
    blocked: DecisionReason | None
    parts: tuple[int, ...]
    edge_price: int = 0
    priority: bool = False
    reduce_only: bool = False
    not_before_ns: int = 0
    position: int = 0


class Ladder(msgspec.Struct, frozen=True):
    """All levels at one instant: bids, then asks, each nearest first.

    `fair` is in quote currency, `mid2` in half quanta of price.
    """

    fair: float
    mid2: int
    targets: tuple[LevelTarget, ...]

    def target(self, level: LevelId) -> LevelTarget:
        """The target of one level; IndexError for one that the ladder does not have."""
        half = len(self.targets) // 2
        if not 0 <= level.index < half:
            raise IndexError(f"{level} of a ladder of {half}")
        return self.targets[level.index if level.side is _BUY else half + level.index]
