"""What a level may do, and what it knows of its own order: values only."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members
from market_maker.core.reasons import DecisionReason


@plain_members
class RestingState(StrEnum):
    """What is known about a level's order."""

    RESTING = "resting"
    IN_FLIGHT = "in_flight"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"


class RestingOrder(msgspec.Struct, frozen=True, gc=False):
    """A level's non-terminal order; `qty` is its total, `remaining` what may still fill.

    `placed_ns` is when its present price was set.
    """

    price: int
    qty: int
    remaining: int
    placed_ns: int
    state: RestingState = RestingState.RESTING
    reduce_only: bool = False


@plain_members
class Action(StrEnum):
    """What a level does next.

    HOLD leaves a resting order alone; WAIT means that nothing rests, or that a request is
    still open, and nothing may be sent now.
    """

    HOLD = "hold"
    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"
    WAIT = "wait"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One level's decision and its reason.

    `price` and `qty` are what to place, or for an amendment the new price and the new total
    quantity (fills included); 0 otherwise. `wake_ns` is when time alone may change the decision,
    0 if it cannot. `detail` says more than the reason where there is more to say.
    """

    action: Action
    reason: DecisionReason
    price: int = 0
    qty: int = 0
    reduce_only: bool = False
    wake_ns: int = 0
    detail: str = ""
