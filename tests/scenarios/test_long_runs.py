"""What very long sessions must not accumulate."""

from __future__ import annotations

import gc
from collections import deque
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import msgspec
import pytest
from desk import BUY0, SELL0, T0, VIEW, Desk, quote

from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import (
    Fill,
    Liquidity,
    OrderState,
    OrderUpdate,
    RequestKind,
    RequestOutcome,
    Result,
)
from market_maker.core.instrument import NANOS

_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def held(*roots: object) -> int:
    """Objects and entries of containers that are reachable, whoever keeps them."""
    seen = {id(root) for root in roots}
    queue = deque(roots)
    total = 0
    while queue:
        found = queue.popleft()
        total += 1
        if isinstance(found, dict | list | tuple | deque | set):
            total += len(found)
        for other in gc.get_referents(found):
            if id(other) not in seen and not isinstance(other, _CODE):
                seen.add(id(other))
                queue.append(other)
    return total


def _live(desk: Desk, number: int) -> None:
    """One order: approved, accepted, half filled, cancelled, forgotten in due time."""
    now_ns = T0 + number * NANOS
    level = BUY0 if number % 2 else SELL0
    view = msgspec.structs.replace(VIEW, recv_ns=now_ns)
    order = desk.propose(quote(level), view, now_ns)
    assert isinstance(order, Approved), order
    name, venue_id = order.client_id, f"v{number}"
    ledger = desk.ledger
    accepted = RequestOutcome(now_ns, RequestKind.SUBMIT, name, Result.ACCEPTED, venue_id)
    desk.risk.on_outcome(accepted)
    ledger.apply(accepted)
    side, price = order.side, order.price
    ledger.apply(
        Fill(now_ns, now_ns, f"t{number}", name, venue_id, side, price, 80, 7, Liquidity.MAKER)
    )
    assert isinstance(desk.risk.approve_cancel(name, now_ns), CancelRequest)
    ledger.apply(RequestOutcome(now_ns, RequestKind.CANCEL, name, Result.ACCEPTED))
    gone = OrderState.CANCELLED
    ledger.apply(OrderUpdate(now_ns, now_ns, name, venue_id, gone, side, price, 160, 80))
    if number % 20 == 0:
        ledger.on_mid(now_ns, VIEW.mid2 + number % 7)
        ledger.fills_pulled(now_ns)
        ledger.prune(now_ns)
        ledger.drain_markouts()
        desk.risk.enforce(view, now_ns)


@pytest.mark.scenario("SC22", "INV8")
def test_order_lives_leave_nothing_behind_in_ledger_and_risk() -> None:
    desk = Desk()
    sizes = []
    for number in range(1, 15_001):
        _live(desk, number)
        if number % 5_000 == 0:
            sizes.append((held(desk.ledger, desk.risk), len(desk.ledger.snapshot())))
    assert desk.ledger.totals.fills == 15_000
    for memory, snapshot in sizes[1:]:
        assert memory <= 1.02 * sizes[0][0]
        assert snapshot <= 1.02 * sizes[0][1]
