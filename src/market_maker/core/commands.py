"""What the bot asks of a venue, as frozen values.

`Approved` is the only order a venue port accepts, and only `risk` constructs it; a
syntax-tree test says so.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members
from market_maker.core.events import RequestKind
from market_maker.core.side import Side


@plain_members
class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    IOC = "ioc"


class LevelId(msgspec.Struct, frozen=True, gc=False, order=True):
    """One slot of the ladder: a side and a distance rank, 0 nearest the mid."""

    side: Side
    index: int

    def __str__(self) -> str:
        """Name such as `buy/0`, for logs and labels."""
        return f"{self.side.label}/{self.index}"


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """An order somebody would like to send; worth nothing until approved.

    `level` is None for exits, which own no slot. For an amendment `client_id` names the
    resting order, otherwise it is empty and approval assigns one.
    """

    side: Side
    price: int
    qty: int
    level: LevelId | None
    kind: RequestKind = RequestKind.SUBMIT
    client_id: str = ""
    post_only: bool = True
    reduce_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC


class Approved(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An order that passed every limit and whose exposure is already reserved.

    `token` is unique in a session and used once. `kind` is SUBMIT or AMEND; an amendment
    carries the resting order's `client_id` with the new price and total quantity.
    """

    token: int
    approved_ns: int
    kind: RequestKind
    client_id: str
    side: Side
    price: int
    qty: int
    post_only: bool
    reduce_only: bool
    time_in_force: TimeInForce
    level: LevelId | None


class CancelRequest(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Cancel one order; always passes the gate."""

    client_id: str
    venue_id: str = ""
