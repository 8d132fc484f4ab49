"""How often we may talk to a venue: an order lane and a lane that cancels always find open.

In any window at most so many requests leave, and orders may never use the share reserved for
cancels. A venue's retry-after closes its own lane only; queries have no budget of ours, only such
a pause. Windows are exact (a log of send times), so no burst can exceed them. Refuses to know what
a request says.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum

from market_maker.core.enums import plain_members
from market_maker.core.events import RequestKind


@plain_members
class Lane(StrEnum):
    """Classes of requests with a budget of their own."""

    ORDER = "order"
    CANCEL = "cancel"


def lane_of(kind: RequestKind) -> Lane:
    """Lane that a request uses."""
    return Lane.CANCEL if kind is RequestKind.CANCEL else Lane.ORDER


class RateBudget:
    """Requests of one account, over all its markets."""

    __slots__ = (
        "_all",
        "_limit",
        "_order_limit",
        "_orders",
        "_paused_until_ns",
        "_queries_until_ns",
        "_window_ns",
        "ordered",
        "paused",
        "taken",
    )

    def __init__(self, limit: int, window_ns: int, cancel_reserve: float) -> None:
        """Allow `limit` requests in any window, of which a share is reserved for cancels.

        `taken` and `ordered` count all requests and those of the order lane, `paused` the pauses.
        """
        self.taken = self.ordered = self.paused = 0
        self._all: deque[int] = deque()
        self._orders: deque[int] = deque()
        self._paused_until_ns = {Lane.ORDER: 0, Lane.CANCEL: 0}
        self._queries_until_ns = 0
        self.configure(limit, window_ns, cancel_reserve)

    def configure(self, limit: int, window_ns: int, cancel_reserve: float) -> None:
        """Change the budget; requests already sent keep counting."""
        self._limit = limit
        self._window_ns = window_ns
        self._order_limit = max(1, limit - max(1, math.ceil(limit * cancel_reserve)))

    def pause(self, lane: Lane, until_ns: int) -> None:
        """Obey a retry-after; a shorter one never shortens a longer one."""
        self.paused += 1
        self._paused_until_ns[lane] = max(self._paused_until_ns[lane], until_ns)

    def paused_ns(self, lane: Lane, now_ns: int) -> int:
        """How long a retry-after still closes a lane, 0 if it does not."""
        return max(0, self._paused_until_ns[lane] - now_ns)

    def pause_queries(self, until_ns: int) -> None:
        """Obey a retry-after to a query; it binds every market of the account."""
        self._queries_until_ns = max(self._queries_until_ns, until_ns)

    def queries_paused_ns(self, now_ns: int) -> int:
        """How long a retry-after still holds queries back, 0 if it does not."""
        return max(0, self._queries_until_ns - now_ns)

    def wait_ns(self, lane: Lane, now_ns: int) -> int:
        """How long until a request of this lane may leave, 0 for now."""
        wait = self._paused_until_ns[lane] - now_ns
        sent, orders = self._all, self._orders
        if len(sent) >= self._limit:
            wait = max(wait, sent[-self._limit] + self._window_ns - now_ns)
        if lane is Lane.ORDER and len(orders) >= self._order_limit:
            wait = max(wait, orders[-self._order_limit] + self._window_ns - now_ns)
        return max(0, wait)

    def take(self, lane: Lane, now_ns: int) -> int:
        """Use one request if the lane is free; else how long to wait."""
        wait = self.wait_ns(lane, now_ns)
        if wait == 0:
            self._forget(now_ns)
            self._all.append(now_ns)
            self.taken += 1
            if lane is Lane.ORDER:
                self._orders.append(now_ns)
                self.ordered += 1
        return wait

    @property
    def pauses(self) -> tuple[int, ...]:
        """Until when each lane is closed."""
        return tuple(self._paused_until_ns.values())

    def since(self, taken: int, ordered: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Times of all requests, and of those that moved orders, sent after these counts."""
        return _tail(self._all, self.taken - taken), _tail(self._orders, self.ordered - ordered)

    def adopt(
        self, sent_ns: tuple[int, ...], orders_ns: tuple[int, ...], pauses_ns: tuple[int, ...]
    ) -> None:
        """Count requests and pauses of others."""
        self._all.extend(sent_ns)
        self._orders.extend(orders_ns)
        for lane, until_ns in zip(Lane, pauses_ns, strict=True):
            self.pause(lane, until_ns)

    def tokens(self, lane: Lane, now_ns: int) -> int:
        """Requests that the lane could send now."""
        if self.paused_ns(lane, now_ns):
            return 0
        expired_ns = now_ns - self._window_ns
        free = self._limit - sum(sent > expired_ns for sent in self._all)
        if lane is Lane.ORDER:
            orders = sum(sent > expired_ns for sent in self._orders)
            free = min(free, self._order_limit - orders)
        return max(0, free)

    def _forget(self, now_ns: int) -> None:
        expired_ns = now_ns - self._window_ns
        sent = self._all
        if not sent or sent[0] > expired_ns:
            return
        for log in (sent, self._orders):
            while log and log[0] <= expired_ns:
                log.popleft()


def _tail(log: deque[int], count: int) -> tuple[int, ...]:
    return tuple(log)[len(log) - min(count, len(log)) :]
