"""What to do about differences between our books and the venue's, as values.

Pure: compares what we hold with what the venue answered and returns findings in the order in
which they must be handled: executions first, then each open question by id, positions last and
only when no question is left. "Not found" proves absence only when it was asked beyond the
in-flight horizon, and repeatedly. Orders without our tag are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from market_maker.core.events import Fill, OrderUpdate, PositionReport
from market_maker.ledger.client_ids import parse_client_id
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord


class ApplyFill(msgspec.Struct, frozen=True, tag=True):
    """An execution that we have not counted."""

    fill: Fill


class PullFills(msgspec.Struct, frozen=True, tag=True):
    """The venue reports more filled than we have seen: read the history again."""

    client_ids: tuple[str, ...]


class Resolve(msgspec.Struct, frozen=True, tag=True):
    """The venue's word on an order of ours, to be applied."""

    update: OrderUpdate


class Adopt(msgspec.Struct, frozen=True, tag=True):
    """An order with our tag that we do not track: apply, so that it is reserved, then cancel."""

    update: OrderUpdate


class CancelOrphan(msgspec.Struct, frozen=True, tag=True):
    """An order of ours that should not rest: cancel it at the venue."""

    client_id: str
    venue_id: str


class Query(msgspec.Struct, frozen=True, tag=True):
    """Ask the venue for one order."""

    client_id: str


class Missed(msgspec.Struct, frozen=True, tag=True):
    """The venue does not know an order; not yet a proof."""

    client_id: str


class Absent(msgspec.Struct, frozen=True, tag=True):
    """The venue never saw an order: proved."""

    client_id: str


class Foreign(msgspec.Struct, frozen=True, tag=True):
    """Somebody else's order in our account; reported, not touched."""

    update: OrderUpdate


class FillsMissing(msgspec.Struct, frozen=True, tag=True):
    """The venue reported fills of a closed order that neither its history nor its position has."""

    client_id: str


class PositionMismatch(msgspec.Struct, frozen=True, tag=True):
    """Positions differ and nothing open explains it."""

    local: int
    venue: int

    @property
    def difference(self) -> int:
        """Venue minus local, signed quanta."""
        return self.venue - self.local


Finding = (
    ApplyFill
    | PullFills
    | Resolve
    | Adopt
    | CancelOrphan
    | Query
    | Missed
    | Absent
    | Foreign
    | FillsMissing
    | PositionMismatch
)


class LocalBooks(msgspec.Struct, frozen=True):
    """What we hold: live orders, closed orders short of fills, position, ids counted."""

    tag: str
    live: tuple[OrderRecord, ...]
    unsettled: tuple[OrderRecord, ...]
    tracked: Mapping[str, OrderRecord]
    seen_fills: AbstractSet[str]
    fill_floor_ns: int
    last_fill_ns: int
    position: int


class VenueBooks(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue answered; None where it was not asked or gave no usable answer.

    `asked_ns` is when the open orders were asked for, by our clock; answers to single queries
    are None where the venue said that it never saw the order.
    """

    asked_ns: int
    open_orders: tuple[OrderUpdate, ...] | None = None
    answers: Mapping[str, OrderUpdate | None] = {}
    fills: tuple[Fill, ...] = ()
    position: PositionReport | None = None


class Patience(msgspec.Struct, frozen=True):
    """How long a message may travel, a request may wait, and how many misses prove absence."""

    horizon_ns: int
    deadline_ns: int
    misses: int


def reconcile(local: LocalBooks, venue: VenueBooks, patience: Patience) -> tuple[Finding, ...]:
    """Findings in the order in which they must be handled."""
    findings: list[Finding] = [
        ApplyFill(fill)
        for fill in venue.fills
        if fill.trade_id not in local.seen_fills
        and (fill.venue_ns or fill.recv_ns) >= local.fill_floor_ns
    ]
    short = [record for record in local.unsettled if venue.asked_ns > record.updated_ns]
    if short:
        findings.append(PullFills(tuple(record.client_id for record in short)))
    resting = {update.client_id: update for update in venue.open_orders or ()}
    for record in local.live:
        finding = _order_finding(record, resting, venue, patience)
        if finding is not None:
            findings.append(finding)
        if record.level is None and record.client_id in resting:
            # Adopted earlier, or an exit that should never rest: nobody else takes it away.
            findings.append(CancelOrphan(record.client_id, resting[record.client_id].venue_id))
    for update in venue.open_orders or ():
        findings.extend(_stranger_findings(update, local, venue.asked_ns))
    # Fills that stay missing explain nothing for ever.
    expected = any(not _given_up(record, venue, patience) for record in short)
    if not expected and not any(isinstance(finding, _QUESTIONS) for finding in findings):
        findings.extend(_position_findings(local, venue, patience, resting))
    return tuple(findings)


_QUESTIONS = (ApplyFill, Query, Missed)
"""Findings that leave the position open."""


def _order_finding(
    record: OrderRecord,
    resting: Mapping[str, OrderUpdate],
    venue: VenueBooks,
    patience: Patience,
) -> Finding | None:
    client_id = record.client_id
    if client_id in resting:
        return Resolve(resting[client_id])
    if client_id in venue.answers:
        answer = venue.answers[client_id]
        if answer is not None:
            return Resolve(answer)
        if venue.asked_ns - record.sent_ns <= patience.horizon_ns:
            return None
        proved = record.misses + 1 >= patience.misses
        return Absent(client_id) if proved else Missed(client_id)
    if record.status is OrderStatus.UNKNOWN:
        return Query(client_id)
    # What was accepted once and is not listed has ended, whatever was asked of it since; only
    # a list asked for after the order's last news can say so.
    accepted = record.status is not OrderStatus.PENDING
    listed = venue.open_orders is not None
    if accepted and listed and record.updated_ns < venue.asked_ns:
        return Query(client_id)
    overdue = venue.asked_ns - record.asked_ns > patience.deadline_ns
    return Query(client_id) if overdue and record.status is not OrderStatus.OPEN else None


def _given_up(record: OrderRecord, venue: VenueBooks, patience: Patience) -> bool:
    """Whether the history, this reading included, left a closed order short often enough."""
    late = venue.asked_ns - record.updated_ns > patience.horizon_ns
    return late and record.pulls + 1 >= patience.misses


def _stranger_findings(
    update: OrderUpdate, local: LocalBooks, asked_ns: int
) -> tuple[Finding, ...]:
    parsed = parse_client_id(update.client_id)
    if parsed is None or parsed.tag != local.tag:
        return (Foreign(update),)
    record = local.tracked.get(update.client_id)
    cancel = CancelOrphan(update.client_id, update.venue_id)
    if record is None:
        return (Adopt(update), cancel)
    if record.live:
        return ()
    # Closed for us, resting for the venue. A list that was asked for before the order's last news may
    # be older than its end: the next one will tell.
    return (Resolve(update), cancel) if record.updated_ns < asked_ns else (Resolve(update),)


def _position_findings(
    local: LocalBooks,
    venue: VenueBooks,
    patience: Patience,
    resting: Mapping[str, OrderUpdate],
) -> tuple[Finding, ...]:
    report = venue.position
    if report is None:
        return ()
    unsure = any(record.status is OrderStatus.UNKNOWN for record in local.live)
    stale = report.venue_ns and report.venue_ns < local.last_fill_ns
    if unsure or stale:
        return ()
    if report.qty != local.position:
        return (PositionMismatch(local.position, report.qty),)
    return tuple(
        FillsMissing(record.client_id)
        for record in local.unsettled
        if _given_up(record, venue, patience) and record.client_id not in resting
    )
