"""What a bot must remember across restarts, by meaning.

Owns the keys and their encoding; the bytes lie in a `KeyValueStore`. Refuses to know what a
snapshot contains. It always holds that epochs strictly grow, also when the clock went back
or the file was lost, and that the kill latch and the epoch are durable when a call returns.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from market_maker.core.reasons import KillReason
from market_maker.risk.kill_switch import Latch

_EPOCH: Final = "epoch"
_LATCHES: Final = "kill_latches"
_STOP: Final = "clean_stop"
_RISK: Final = "risk/"
_LEDGER: Final = "ledger/"


class KeyValueStore(Protocol):
    """Named bytes; reads see every earlier write of this process."""

    def get(self, key: str) -> bytes | None:
        """Return the value last put, None if there is none."""
        ...

    def put(self, key: str, value: bytes | None, *, durable: bool = False) -> None:
        """Set, or remove by None; `durable` returns only when it would survive a power cut."""
        ...

    def close(self) -> None:
        """Write what is pending and let go."""
        ...


class CleanStop(msgspec.Struct, frozen=True, gc=False):
    """How the last session ended, written when nothing of it was left at the venue."""

    stopped_ns: int
    epoch: int


class StoredLatches:
    """A kill switch's memory; implements `risk.kill_switch.LatchStore`."""

    def __init__(self, store: KeyValueStore, key: str) -> None:
        self._store = store
        self._key = key

    def load(self) -> tuple[Latch, ...]:
        """Return the latches, oldest first.

        Ones that cannot be read count as engaged: a switch in an unknown state must not trade.
        """
        stored = self._store.get(self._key)
        if stored is None:
            return ()
        try:
            return msgspec.json.decode(stored, type=tuple[Latch, ...])
        except msgspec.DecodeError as error:
            return (Latch(KillReason.INVARIANT, 0, f"stored latches cannot be read: {error}"),)

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Replace the latches; durable on return, OSError if that is not certain.

        A set that grew is written later all the same, one that shrank is not: whatever the
        disk does, a restart finds the switch no less engaged than its owner was told.
        """
        before = self._store.get(self._key)
        fewer = len(latches) < len(self.load())
        try:
            self._store.put(self._key, msgspec.json.encode(latches), durable=True)
        except OSError:
            if fewer:
                self._store.put(self._key, before)
            raise


class StateStore:
    """The bot's memory over a store of named bytes."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    @property
    def is_new(self) -> bool:
        """Whether no session has ever begun with this store."""
        return self._store.get(_EPOCH) is None

    def next_epoch(self, now_ns: int) -> int:
        """Begin a session: a number above every earlier one, milliseconds of the clock if it can."""
        stored = self._store.get(_EPOCH)
        epoch = max(0 if stored is None else int(stored) + 1, now_ns // 1_000_000)
        self._store.put(_EPOCH, str(epoch).encode(), durable=True)
        return epoch

    def take_clean_stop(self) -> CleanStop | None:
        """Return how the last session ended, None if it did not end cleanly; then forget it.

        Forgetting is durable, so that a session which crashes later is not taken for clean.
        """
        stored = self._store.get(_STOP)
        if stored is None:
            return None
        self._store.put(_STOP, None, durable=True)
        return msgspec.json.decode(stored, type=CleanStop)

    def mark_clean_stop(self, epoch: int, now_ns: int) -> None:
        """Record that the session ended with nothing left at the venue."""
        self._store.put(_STOP, msgspec.json.encode(CleanStop(now_ns, epoch)), durable=True)

    def latches(self, market: str = "") -> StoredLatches:
        """Where the account's kill switch, or one market's own, is remembered."""
        return StoredLatches(self._store, f"{_LATCHES}/{market}" if market else _LATCHES)

    def load_risk(self, scope: str) -> bytes | None:
        """Return an account's memory of losses; `scope` names its venue or embedded exchange."""
        return self._store.get(_RISK + scope)

    def save_risk(self, scope: str, memory: bytes) -> None:
        """Remember what drawdown and daily loss are measured from; written soon."""
        self._store.put(_RISK + scope, memory)

    def load_ledger(self, scope: str, market: str) -> bytes | None:
        """Return the last snapshot of a market's ledger."""
        return self._store.get(f"{_LEDGER}{scope}/{market}")

    def save_ledger(
        self, scope: str, market: str, snapshot: bytes, *, durable: bool = False
    ) -> None:
        """Remember a market's ledger; written soon, or now if `durable`."""
        self._store.put(f"{_LEDGER}{scope}/{market}", snapshot, durable=durable)

    def forget(self, scope: str, market: str) -> None:
        """Drop a market's books and the account's memory of losses: its venue starts over."""
        self._store.put(_RISK + scope, None)
        self._store.put(f"{_LEDGER}{scope}/{market}", None, durable=True)

    def close(self) -> None:
        """Write what is pending and let go."""
        self._store.close()
