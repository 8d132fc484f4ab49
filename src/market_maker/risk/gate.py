"""The gate in front of every order that could add exposure.

Owns the reasons why it is closed, in the order in which they arose. Open means that no reason is
left; each reason is cleared by whoever raised it. Cancels and reducing exits never ask. Refuses
to know what caused a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from market_maker.core.reasons import HaltReason, Resting


class Halt(msgspec.Struct, frozen=True, gc=False):
    """Since when a reason holds, and what exactly was seen."""

    since_ns: int
    detail: str


class Gate:
    """Closed while any reason holds. `version` counts changes of the set of reasons."""

    __slots__ = ("_halts", "reasons", "version")

    def __init__(self) -> None:
        """Start open; the runtime closes it with STARTING first of all."""
        self._halts: dict[HaltReason, Halt] = {}
        self.reasons: Mapping[HaltReason, Halt] = MappingProxyType(self._halts)
        self.version = 0

    @property
    def is_open(self) -> bool:
        """Whether orders that add exposure may be sent."""
        return not self._halts

    @property
    def first(self) -> HaltReason | None:
        """Oldest reason that still holds."""
        return next(iter(self._halts), None)

    @property
    def resting(self) -> Resting:
        """What happens to resting orders: the strictest wish of all reasons."""
        cancels = any(reason.resting is Resting.CANCEL for reason in self._halts)
        return Resting.CANCEL if cancels else Resting.KEEP

    def close(self, reason: HaltReason, now_ns: int, detail: str = "") -> bool:
        """Add a reason; an older one keeps its time and words. True if it is new."""
        if reason in self._halts:
            return False
        self._halts[reason] = Halt(now_ns, detail)
        self.version += 1
        return True

    def open(self, reason: HaltReason, now_ns: int) -> int | None:
        """Remove a reason; how long it held in ns, None if it did not."""
        halt = self._halts.pop(reason, None)
        if halt is None:
            return None
        self.version += 1
        return max(0, now_ns - halt.since_ns)
