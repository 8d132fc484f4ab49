"""What a refused request proves, as a table: the allowlist of reasons that count as evidence.

Theory: a refusal proves something only if its reason says that the venue looked at the request and
left everything as it was. A pair that the table does not list proves nothing: the order becomes a
question, keeps its reservation and is asked about. So a reason that nobody mapped (`other`), a
refusal without one, or "unknown order" as the answer to a cancel never frees a slot. Refuses
to know how venues word their refusals.
"""

from __future__ import annotations

from collections.abc import Mapping

from market_maker.core.events import RejectReason, RequestKind
from market_maker.ledger.order_lifecycle import OrderEvent

_UNTOUCHED = frozenset(
    {
        RejectReason.RATE_LIMIT,
        RejectReason.MARKET_CLOSED,
        RejectReason.BAD_CREDENTIALS,
        RejectReason.NOT_SENT,
    }
)
"""The request went no further than the door, whatever it asked for."""

_TERMS = frozenset(
    {
        RejectReason.POST_ONLY,
        RejectReason.SELF_TRADE,
        RejectReason.REDUCE_ONLY,
        RejectReason.INSUFFICIENT_MARGIN,
        RejectReason.BELOW_MINIMUM,
        RejectReason.OFF_GRID,
        RejectReason.PRICE_BAND,
        RejectReason.TOO_MANY_ORDERS,
        RejectReason.INVALID,
    }
)
"""The terms were read and not accepted."""

_PROOFS: Mapping[RequestKind, tuple[frozenset[RejectReason], OrderEvent]] = {
    RequestKind.SUBMIT: (
        _UNTOUCHED | _TERMS | {RejectReason.IMMEDIATE_OR_CANCEL},
        OrderEvent.SUBMIT_REJECTED,
    ),
    RequestKind.AMEND: (_UNTOUCHED | _TERMS, OrderEvent.AMEND_REJECTED),
    RequestKind.CANCEL: (_UNTOUCHED, OrderEvent.CANCEL_REJECTED),
}

PROOFS: Mapping[RequestKind, Mapping[RejectReason, OrderEvent]] = {
    kind: dict.fromkeys(sorted(reasons), event) for kind, (reasons, event) in _PROOFS.items()
}
"""Request and reason to what is proved; what is not listed proves nothing."""


def proved_by(kind: RequestKind, reason: RejectReason) -> OrderEvent:
    """What a refusal means for its order: a rejection, or doubt."""
    return PROOFS[kind].get(reason, OrderEvent.IN_DOUBT)
