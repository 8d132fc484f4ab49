"""Targets and resting orders of one level on each side."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from market_maker.core.commands import LevelId
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side
from market_maker.quoting.decision import Action, Decision, RestingOrder
from market_maker.quoting.ladder import NO_PARTS, LevelTarget

R = DecisionReason


START = 1_000 * NANOS


BID = LevelTarget(LevelId(Side.BUY, 0), 14_990, 160, None, NO_PARTS, edge_price=14_995)


ASK = LevelTarget(LevelId(Side.SELL, 0), 15_010, 160, None, NO_PARTS, edge_price=15_005)


Decide = Callable[..., Decision]


def at(seconds: float) -> int:
    return START + int(seconds * NANOS)


def order(target: LevelTarget, shift: int = 0, **changes: object) -> RestingOrder:
    """An order `shift` quanta more aggressive than its target, placed long ago but not too long."""
    price = target.price + shift * target.level.side
    resting = RestingOrder(price, target.qty, target.qty, at(-2))
    return replace(resting, **changes)


def outcome(decision: Decision) -> tuple[Action, DecisionReason]:
    return decision.action, decision.reason
