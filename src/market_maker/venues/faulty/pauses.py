"""Pauses that a venue asks for: 429 for one class of requests, a ban for all."""

from __future__ import annotations

from enum import StrEnum


class RequestClass(StrEnum):
    """Requests that share a limit."""

    ORDER = "order"
    CANCEL = "cancel"
    QUERY = "query"


class Pauses:
    """Until when each class is refused; of the account, so it outlives a session."""

    def __init__(self) -> None:
        """Refuse nothing."""
        self._until_ns: dict[RequestClass, int] = {}

    def pause(self, lane: RequestClass, until_ns: int) -> None:
        """Refuse a class for a while, at least as long as before."""
        self._until_ns[lane] = max(until_ns, self._until_ns.get(lane, 0))

    def ban(self, until_ns: int) -> None:
        """Refuse everything for a while."""
        for lane in RequestClass:
            self.pause(lane, until_ns)

    def end(self) -> None:
        """Refuse nothing any more."""
        self._until_ns.clear()

    def left_ns(self, lane: RequestClass, now_ns: int) -> int:
        """How long a class is still refused."""
        return max(0, self._until_ns.get(lane, 0) - now_ns)
