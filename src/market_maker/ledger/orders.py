"""Our orders and what they may still do to the position.

Owns every order record, the slots of the ladder and the sum of reservations per side, kept
incrementally. An order that may be live reserves its quantity minus the fills seen; an
amendment reserves the larger quantity until its outcome is known, and the quantity it gave up for
as long as a copy of an earlier request may still be under way; a closed order reserves what the
venue says it filled and we have not seen, unless that was written off. Remaining quantity is never read from a
snapshot. A slot belongs to one order until that order is closed and accounted for.
Refuses to know money and markets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from market_maker.core.commands import Approved, LevelId
from market_maker.core.errors import LifecycleError
from market_maker.core.events import Fill, OrderUpdate, RejectReason
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import TERMINAL, OrderEvent, OrderStatus, next_status

MAX_VENUE_IDS = 8
"""Venue ids remembered per order; amendments may change the id each time."""

MAX_PAST_TERMS = 16
"""Earlier terms remembered per order, to tell a late report from a surprise."""


class OrderRecord(msgspec.Struct, gc=False):
    """One order. Only the ledger writes it; everybody else reads.

    `alt_price` and `alt_qty` are what an unresolved amendment asked for, `past` the terms
    (price, quantity) that the order had before, `held_qty` the largest quantity that a late copy
    of an earlier request may bring back until `held_until_ns`. `seen` sums the fills applied, `cumulative` is the most that
    anybody reported as filled; `written_off` of it was never executed, as equal positions proved,
    and `pulls` counts readings of the history that did not show it. `sent_ns` dates the last request that can still create or
    enlarge exposure; `asked_ns` the last request of any kind.
    """

    client_id: str
    side: Side
    level: LevelId | None
    price: int
    qty: int
    status: OrderStatus
    created_ns: int
    updated_ns: int
    sent_ns: int
    asked_ns: int
    token: int = 0
    post_only: bool = True
    reduce_only: bool = False
    from_fill: bool = False
    acked: bool = False
    venue_ids: tuple[str, ...] = ()
    alt_price: int = 0
    alt_qty: int = 0
    past: tuple[tuple[int, int], ...] = ()
    held_qty: int = 0
    held_until_ns: int = 0
    seen: int = 0
    cumulative: int = 0
    overfilled: int = 0
    misses: int = 0
    pulls: int = 0
    written_off: int = 0
    reserved: int = 0
    reason: RejectReason = RejectReason.NONE

    @property
    def live(self) -> bool:
        """Whether the order may be at the venue."""
        return self.status not in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether the order is closed and every fill behind it has arrived."""
        return self.status in TERMINAL and self.reserved == 0

    @property
    def remaining(self) -> int:
        """Best guess of what rests in the book; never used for exposure."""
        return max(0, self.qty - max(self.seen, self.cumulative))

    @property
    def venue_id(self) -> str:
        """The venue's latest id, empty until it gave one."""
        return self.venue_ids[-1] if self.venue_ids else ""

    def exposure(self) -> int:
        """Quantity that may still fill without our having seen it."""
        if self.status in TERMINAL:
            return max(0, self.cumulative - self.written_off - self.seen)
        return max(0, max(self.qty, self.alt_qty, self.held_qty, self.cumulative) - self.seen)

    def worst_price(self) -> int:
        """Most aggressive price at which the order may rest."""
        if not self.alt_qty:
            return self.price
        if self.side is Side.BUY:
            return max(self.price, self.alt_price)
        return min(self.price, self.alt_price)


class Orders:
    """Every order that matters, by client id, venue id, slot and creation order."""

    __slots__ = (
        "_by_id",
        "_by_venue_id",
        "_held",
        "_horizon_ns",
        "_live",
        "_settled",
        "_slots",
        "_touch",
        "_touch_known",
        "_unsettled",
        "buy_reserved",
        "live",
        "sell_reserved",
        "version",
    )

    def __init__(self, horizon_ns: int) -> None:
        """Start empty. `version` counts changes of anything that may rest in the book."""
        self._horizon_ns = horizon_ns
        self._held: dict[str, OrderRecord] = {}
        self._by_id: dict[str, OrderRecord] = {}
        self._by_venue_id: dict[str, OrderRecord] = {}
        self._live: dict[str, OrderRecord] = {}
        self.live: Mapping[str, OrderRecord] = MappingProxyType(self._live)
        self._unsettled: dict[str, OrderRecord] = {}
        self._slots: dict[LevelId, OrderRecord] = {}
        self._settled: deque[tuple[int, str]] = deque()
        self.buy_reserved = 0
        self.sell_reserved = 0
        self.version = 0
        self._touch = (0, 0)
        self._touch_known = True

    def __len__(self) -> int:
        """Number of records held, closed ones included."""
        return len(self._by_id)

    def get(self, client_id: str) -> OrderRecord | None:
        """Record of an order, while it is remembered."""
        return self._by_id.get(client_id)

    def find(self, client_id: str, venue_id: str) -> OrderRecord | None:
        """Record that a report is about; the venue's id decides only where ours is missing."""
        return self._by_id.get(client_id) if client_id else self._by_venue_id.get(venue_id)

    def at(self, level: LevelId) -> OrderRecord | None:
        """Order that occupies a slot; a closed one stays until its fills are accounted for."""
        return self._slots.get(level)

    def unsettled(self) -> tuple[OrderRecord, ...]:
        """Closed orders whose reported fills have not all arrived."""
        return tuple(self._unsettled.values())

    def records(self) -> tuple[OrderRecord, ...]:
        """All records, oldest first, for snapshots."""
        return tuple(self._by_id.values())

    def questions(self, overdue_ns: int) -> tuple[OrderRecord, ...]:
        """Orders that are unknown, or were asked of before `overdue_ns` without an answer."""
        return tuple(
            record
            for record in self._live.values()
            if record.status is OrderStatus.UNKNOWN
            or (record.status is not OrderStatus.OPEN and record.asked_ns < overdue_ns)
        )

    def levels(self) -> dict[tuple[Side, int], int]:
        """What rests in the book, per side and price."""
        levels: dict[tuple[Side, int], int] = {}
        for record in self._live.values():
            remaining = record.qty - max(record.seen, record.cumulative)
            if record.acked and remaining > 0:
                key = (record.side, record.price)
                levels[key] = levels.get(key, 0) + remaining
        return levels

    def touch(self) -> tuple[int, int]:
        """Highest own bid and lowest own ask that may exist at the venue, 0 for none."""
        if not self._touch_known:
            self._touch = (0, 0)
            for record in self._live.values():
                self._extend_touch(record)
            self._touch_known = True
        return self._touch

    def _extend_touch(self, record: OrderRecord) -> None:
        bid, ask = self._touch
        price = record.worst_price() if record.alt_qty else record.price
        if record.side is Side.BUY:
            if price > bid:
                self._touch = (price, ask)
        elif ask == 0 or price < ask:
            self._touch = (bid, price)

    def reserve(self, order: Approved) -> OrderRecord:
        """Register a new order before it is sent, or an amendment of a resting one."""
        if order.client_id in self._by_id:
            msg = f"client id {order.client_id} used twice"
            raise LifecycleError(msg)
        record = OrderRecord(
            order.client_id,
            order.side,
            order.level,
            order.price,
            order.qty,
            OrderStatus.PENDING,
            order.approved_ns,
            order.approved_ns,
            order.approved_ns,
            order.approved_ns,
            order.token,
            order.post_only,
            order.reduce_only,
        )
        self.add(record)
        return record

    def amend(self, order: Approved) -> OrderRecord:
        """Hold both the old and the new terms until the outcome is known."""
        record = self._by_id.get(order.client_id)
        if record is None:
            msg = f"amendment of {order.client_id}, which is not known"
            raise LifecycleError(msg)
        self.move(record, OrderEvent.AMEND_SENT, order.approved_ns)
        record.alt_price = order.price
        record.alt_qty = order.qty
        record.token = order.token
        record.sent_ns = record.asked_ns = order.approved_ns
        self.refresh(record)
        return record

    def recall(self, order: Approved) -> bool:
        """Take back an order or amendment that an earlier session may have sent; True if it is news.

        It owns no slot: whatever rests of it is to be taken away.
        """
        record = self._by_id.get(order.client_id)
        if record is None:
            record = OrderRecord(
                order.client_id,
                order.side,
                None,
                order.price,
                order.qty,
                OrderStatus.PENDING,
                order.approved_ns,
                order.approved_ns,
                order.approved_ns,
                order.approved_ns,
                order.token,
                order.post_only,
                order.reduce_only,
            )
            self.add(record)
            return True
        if order.approved_ns <= record.sent_ns or not record.live:
            return False
        record.alt_price = order.price
        record.alt_qty = max(order.qty, record.alt_qty)
        record.sent_ns = record.asked_ns = order.approved_ns
        self.move(record, OrderEvent.LOST, order.approved_ns)
        self.refresh(record)
        return True

    def add(self, record: OrderRecord) -> None:
        """Take over a record: a new order, one from evidence or one from a snapshot."""
        if record.level is not None and not record.settled:
            holder = self._slots.get(record.level)
            if holder is not None:
                msg = f"{record.level} already holds {holder.client_id}"
                raise LifecycleError(msg)
            self._slots[record.level] = record
        self._by_id[record.client_id] = record
        for venue_id in record.venue_ids:
            self._by_venue_id[venue_id] = record
        if record.live:
            self._live[record.client_id] = record
        if record.held_qty:
            self._held[record.client_id] = record
        record.reserved = 0
        touch_known = self._touch_known
        self.refresh(record)
        if record.live and touch_known:
            # One more order can only extend what is known.
            self._extend_touch(record)
            self._touch_known = True
        if record.settled:
            self._settled.append((record.updated_ns, record.client_id))

    def from_evidence(self, event: OrderUpdate | Fill, qty: int) -> OrderRecord:
        """Take over an order of ours that only the venue remembers."""
        record = OrderRecord(
            event.client_id,
            event.side,
            None,
            event.price,
            qty,
            OrderStatus.UNKNOWN,
            event.recv_ns,
            event.recv_ns,
            event.recv_ns,
            event.recv_ns,
            acked=True,
            from_fill=isinstance(event, Fill),
        )
        self.add(record)
        return record

    def move(self, record: OrderRecord, event: OrderEvent, now_ns: int) -> bool:
        """Apply a lifecycle event; True if the status changed."""
        target = next_status(record.status, event)
        if target is record.status:
            return False
        record.status = target
        record.updated_ns = now_ns
        if target in TERMINAL:
            record.alt_price = record.alt_qty = 0
            del self._live[record.client_id]
        self.refresh(record)
        if record.settled:
            self._settle(record)
        return True

    def refresh(self, record: OrderRecord) -> None:
        """Bring the side's reservation up to date after any change of a record."""
        self.version += 1
        self._touch_known = False
        reserved = record.exposure()
        change = reserved - record.reserved
        if change:
            record.reserved = reserved
            if record.side is Side.BUY:
                self.buy_reserved += change
            else:
                self.sell_reserved += change
        if record.status in TERMINAL:
            if reserved:
                self._unsettled[record.client_id] = record
            elif record.client_id in self._unsettled:
                del self._unsettled[record.client_id]
                self._settle(record)

    def adopt(self, record: OrderRecord, price: int, qty: int) -> None:
        """Make the terms of an amendment the order's own."""
        record.past = (*record.past, (record.price, record.qty))[-MAX_PAST_TERMS:]
        if qty < record.qty:
            record.held_qty = max(record.held_qty, record.qty)
            record.held_until_ns = record.sent_ns + self._horizon_ns
            self._held[record.client_id] = record
        record.price, record.qty = price, qty
        record.alt_price = record.alt_qty = 0
        self.refresh(record)

    def learn_venue_id(self, record: OrderRecord, venue_id: str) -> bool:
        """Remember a venue id of an order; True if it was new."""
        if not venue_id or venue_id in record.venue_ids:
            return False
        ids = (*record.venue_ids, venue_id)
        for dropped in ids[:-MAX_VENUE_IDS]:
            self._by_venue_id.pop(dropped, None)
        record.venue_ids = ids[-MAX_VENUE_IDS:]
        self._by_venue_id[venue_id] = record
        return True

    def forgive(self) -> None:
        """Stop waiting for the fills of closed orders: the position was set without them."""
        for record in self.unsettled():
            self.write_off(record)

    def write_off(self, record: OrderRecord) -> None:
        """Expect no more fills of a closed order; the record says how many never came."""
        record.written_off = record.cumulative - record.seen
        self.refresh(record)

    def pulled(self, asked_ns: int, horizon_ns: int) -> None:
        """The history was read: note which closed orders it left short beyond the horizon."""
        for record in self._unsettled.values():
            if asked_ns - record.updated_ns > horizon_ns:
                record.pulls += 1

    def hold(self, record: OrderRecord, qty: int, now_ns: int) -> None:
        """Reserve a quantity that the order may have again, for another horizon."""
        if qty > record.qty:
            record.held_qty = max(record.held_qty, qty)
            record.held_until_ns = now_ns + self._horizon_ns
            self._held[record.client_id] = record
            self.refresh(record)

    def release_held(self, now_ns: int) -> None:
        """Free what amendments gave up once no earlier request can be under way any more."""
        for record in [each for each in self._held.values() if each.held_until_ns < now_ns]:
            del self._held[record.client_id]
            record.held_qty = 0
            self.refresh(record)

    def prune(self, before_ns: int) -> None:
        """Forget orders that were settled before a time."""
        settled = self._settled
        while settled and settled[0][0] < before_ns:
            client_id = settled.popleft()[1]
            record = self._by_id.get(client_id)
            if record is None or not record.settled:
                continue
            del self._by_id[client_id]
            for venue_id in record.venue_ids:
                self._by_venue_id.pop(venue_id, None)

    def restore(self, records: Iterable[OrderRecord]) -> None:
        """Take over the records of a snapshot."""
        for record in records:
            self.add(record)

    def _settle(self, record: OrderRecord) -> None:
        self._settled.append((record.updated_ns, record.client_id))
        if record.level is not None and self._slots.get(record.level) is record:
            del self._slots[record.level]
