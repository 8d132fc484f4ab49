"""The kill switch: one place, several reasons, latched.

Engaging is idempotent and persisted before it takes effect, so that a restart finds it engaged; a
store that fails delays it only as long as one attempt takes, because not trading is the safe side. Releasing is the reverse:
the store must forget first. Refuses to know how orders are cancelled and who may release.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec

from market_maker.core.instrument import NANOS
from market_maker.core.reasons import KillReason

RETRY_NS = 10 * NANOS
"""Pause between attempts to save a latch that a disk refused; each may take its time."""


class Latch(msgspec.Struct, frozen=True, gc=False):
    """One reason for which the kill switch was engaged."""

    reason: KillReason
    since_ns: int
    detail: str


class LatchStore(Protocol):
    """Where latches outlive the process; `save` returns when they are durable."""

    def load(self) -> tuple[Latch, ...]:
        """Latches of an earlier session, oldest first."""
        ...

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Replace what is stored; raises OSError if that is not certain."""
        ...


class KillSwitch:
    """Engaged while any latch is set. `version` counts changes."""

    __slots__ = ("_latches", "_retry_ns", "_store", "persisted", "reasons", "version")

    def __init__(self, store: LatchStore) -> None:
        """Take over the latches of earlier sessions."""
        self._store = store
        self._latches = {latch.reason: latch for latch in store.load()}
        self.reasons: Mapping[KillReason, Latch] = MappingProxyType(self._latches)
        self.persisted = True
        self._retry_ns = 0
        self.version = 0

    @property
    def engaged(self) -> bool:
        """Whether nothing but reducing exits and cancels may be sent."""
        return bool(self._latches)

    def engage(self, reason: KillReason, now_ns: int, detail: str = "") -> bool:
        """Latch a reason; True if it is new. An unsaved latch is saved again each time."""
        latch = self._latches.get(reason)
        if latch is not None and (self.persisted or now_ns < self._retry_ns):
            return False
        new = latch is None
        latches = (*self._latches.values(), *((Latch(reason, now_ns, detail),) if new else ()))
        try:
            self._store.save(latches)
        except OSError:
            self.persisted = False
            self._retry_ns = now_ns + RETRY_NS
        else:
            self.persisted = True
        if new:
            self._latches[reason] = latches[-1]
            self.version += 1
        return new

    def release(self, now_ns: int) -> tuple[Latch, ...]:
        """Clear every latch that was set by now; what was cleared. OSError leaves all engaged."""
        kept = tuple(latch for latch in self._latches.values() if latch.since_ns > now_ns)
        self._store.save(kept)
        self.persisted = True
        cleared = tuple(latch for latch in self._latches.values() if latch.since_ns <= now_ns)
        for latch in cleared:
            del self._latches[latch.reason]
        self.version += 1
        return cleared
