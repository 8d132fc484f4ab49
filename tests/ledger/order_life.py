"""One order's life as an observer is told of it: requested, accepted, filled in part, cancelled."""

from __future__ import annotations

import order_reports as reports

from market_maker.core.commands import Approved, LevelId, TimeInForce
from market_maker.core.events import OrderState, RequestKind
from market_maker.core.side import Side
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.runtime.observer import Observer


def tell_life(observer: Observer, side: Side, now_ns: int = reports.T0) -> None:
    """Tell a watcher one order's life from beginning to end."""
    level = LevelId(side, 0)
    order = Approved(
        token=1,
        approved_ns=now_ns,
        kind=RequestKind.SUBMIT,
        client_id="one",
        side=side,
        price=14_990,
        qty=100,
        post_only=True,
        reduce_only=False,
        time_in_force=TimeInForce.GTC,
        level=level,
    )
    observer.on_request(order, side, now_ns)
    observer.on_outcome(reports.outcome("one", now_ns=now_ns), side)
    observer.on_fill(reports.fill("t", "one", 40, side=side, now_ns=now_ns), level)
    times = (now_ns, now_ns, now_ns, now_ns)
    record = OrderRecord("one", side, level, 14_990, 100, OrderStatus.CANCELLED, *times)
    observer.on_order_end(record, OrderState.CANCELLED, now_ns)
