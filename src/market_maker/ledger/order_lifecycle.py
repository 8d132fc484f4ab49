"""The life of an order as a table: (status, event) -> status.

Theory: an order exists, for us, from the moment it is registered, before it is sent. A request
has three outcomes; without positive evidence an order is UNKNOWN, which is a status like any
other and not an error. Terminal statuses are absorbing: late evidence may add ids and fills to
a closed order but never revives it.

Events come in two kinds. Local ones are our own acts, and a pair that the table does not list
is our own mistake: it raises. Evidence comes from a venue, late, twice or out of order, and a
pair that is not listed carries no news: the status stays. Refuses to know prices and sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from market_maker.core.enums import plain_members
from market_maker.core.errors import LifecycleError


@plain_members
class OrderStatus(StrEnum):
    """Where an order is in its life, as far as we can prove."""

    PENDING = "pending"
    OPEN = "open"
    AMENDING = "amending"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ABSENT = "absent"


@plain_members
class OrderEvent(StrEnum):
    """What can happen to an order."""

    # Local: what we do.
    AMEND_SENT = "amend_sent"
    CANCEL_SENT = "cancel_sent"
    LOST = "lost"
    PROVED_ABSENT = "proved_absent"
    # Evidence: answers to our requests.
    SUBMIT_ACCEPTED = "submit_accepted"
    SUBMIT_REJECTED = "submit_rejected"
    SUBMIT_UNKNOWN = "submit_unknown"
    AMEND_ACCEPTED = "amend_accepted"
    AMEND_REJECTED = "amend_rejected"
    AMEND_UNKNOWN = "amend_unknown"
    CANCEL_ACCEPTED = "cancel_accepted"
    CANCEL_REJECTED = "cancel_rejected"
    CANCEL_UNKNOWN = "cancel_unknown"
    IN_DOUBT = "in_doubt"
    # Evidence: what streams and queries show.
    SEEN_OPEN = "seen_open"
    SEEN_AMENDED = "seen_amended"
    SEEN_FILLED = "seen_filled"
    SEEN_CANCELLED = "seen_cancelled"
    SEEN_REJECTED = "seen_rejected"
    SEEN_EXPIRED = "seen_expired"


LOCAL_EVENTS = frozenset(
    {
        OrderEvent.AMEND_SENT,
        OrderEvent.CANCEL_SENT,
        OrderEvent.LOST,
        OrderEvent.PROVED_ABSENT,
    }
)
"""Events of our own making; a pair that is not listed is a mistake."""

TERMINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.ABSENT,
    }
)
"""Absorbing statuses."""

_ENDS = {
    OrderEvent.SEEN_FILLED: OrderStatus.FILLED,
    OrderEvent.SEEN_CANCELLED: OrderStatus.CANCELLED,
    OrderEvent.SEEN_REJECTED: OrderStatus.REJECTED,
    OrderEvent.SEEN_EXPIRED: OrderStatus.EXPIRED,
}

TABLE: Mapping[OrderStatus, Mapping[OrderEvent, OrderStatus]] = {
    OrderStatus.PENDING: {
        **_ENDS,
        OrderEvent.CANCEL_SENT: OrderStatus.CANCELLING,
        OrderEvent.LOST: OrderStatus.UNKNOWN,
        OrderEvent.IN_DOUBT: OrderStatus.UNKNOWN,
        OrderEvent.SUBMIT_ACCEPTED: OrderStatus.OPEN,
        OrderEvent.SUBMIT_REJECTED: OrderStatus.REJECTED,
        OrderEvent.SUBMIT_UNKNOWN: OrderStatus.UNKNOWN,
        OrderEvent.SEEN_OPEN: OrderStatus.OPEN,
    },
    OrderStatus.OPEN: {
        **_ENDS,
        OrderEvent.AMEND_SENT: OrderStatus.AMENDING,
        OrderEvent.CANCEL_SENT: OrderStatus.CANCELLING,
        OrderEvent.LOST: OrderStatus.UNKNOWN,
        OrderEvent.IN_DOUBT: OrderStatus.UNKNOWN,
        OrderEvent.CANCEL_ACCEPTED: OrderStatus.CANCELLING,
    },
    OrderStatus.AMENDING: {
        **_ENDS,
        OrderEvent.CANCEL_SENT: OrderStatus.CANCELLING,
        OrderEvent.LOST: OrderStatus.UNKNOWN,
        OrderEvent.IN_DOUBT: OrderStatus.UNKNOWN,
        OrderEvent.AMEND_ACCEPTED: OrderStatus.OPEN,
        OrderEvent.AMEND_REJECTED: OrderStatus.OPEN,
        OrderEvent.AMEND_UNKNOWN: OrderStatus.UNKNOWN,
        OrderEvent.SEEN_AMENDED: OrderStatus.OPEN,
        OrderEvent.CANCEL_ACCEPTED: OrderStatus.CANCELLING,
    },
    OrderStatus.CANCELLING: {
        **_ENDS,
        OrderEvent.CANCEL_SENT: OrderStatus.CANCELLING,
        OrderEvent.LOST: OrderStatus.UNKNOWN,
        OrderEvent.IN_DOUBT: OrderStatus.UNKNOWN,
        OrderEvent.SUBMIT_REJECTED: OrderStatus.REJECTED,
        OrderEvent.SUBMIT_UNKNOWN: OrderStatus.UNKNOWN,
        OrderEvent.AMEND_UNKNOWN: OrderStatus.UNKNOWN,
        OrderEvent.CANCEL_REJECTED: OrderStatus.OPEN,
        OrderEvent.CANCEL_UNKNOWN: OrderStatus.UNKNOWN,
    },
    OrderStatus.UNKNOWN: {
        **_ENDS,
        OrderEvent.CANCEL_SENT: OrderStatus.UNKNOWN,
        OrderEvent.LOST: OrderStatus.UNKNOWN,
        OrderEvent.PROVED_ABSENT: OrderStatus.ABSENT,
        OrderEvent.SUBMIT_ACCEPTED: OrderStatus.OPEN,
        OrderEvent.SUBMIT_REJECTED: OrderStatus.REJECTED,
        OrderEvent.CANCEL_ACCEPTED: OrderStatus.CANCELLING,
        OrderEvent.SEEN_OPEN: OrderStatus.OPEN,
        OrderEvent.SEEN_AMENDED: OrderStatus.OPEN,
    },
    OrderStatus.FILLED: {},
    OrderStatus.CANCELLED: {},
    OrderStatus.REJECTED: {},
    OrderStatus.EXPIRED: {},
    OrderStatus.ABSENT: {},
}


def next_status(status: OrderStatus, event: OrderEvent) -> OrderStatus:
    """Status after an event; raises LifecycleError for an act that the table does not list."""
    target = TABLE[status].get(event)
    if target is not None:
        return target
    if event in LOCAL_EVENTS:
        msg = f"{event.value} on an order that is {status.value}"
        raise LifecycleError(msg)
    return status
