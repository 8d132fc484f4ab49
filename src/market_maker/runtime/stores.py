"""Where named bytes are kept: in SQLite for a bot, in a dictionary for a simulated one.

Owns the file and the one thread that touches it. Refuses to know what values mean. It always
holds that a durable `put` has been committed and synced when it returns, that writes reach
the file in order, and that pending writes are bounded by the number of keys.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

from market_maker.core.errors import InvariantError, UnusableError

_SCHEMA_VERSION: Final = 1
_DURABLE_TIMEOUT_S: Final = 1.0
"""Longest that a disk may hold up the kill switch, which must be durable before its effect."""


class StateWriteError(UnusableError, OSError):
    """A value that had to be durable may not be."""


class MemoryStore:
    """Survives as long as `values` does: give it to the next session to simulate a restart."""

    def __init__(self, values: dict[str, bytes] | None = None) -> None:
        self.values = {} if values is None else values

    def get(self, key: str) -> bytes | None:
        """Return the value last put, None if there is none."""
        return self.values.get(key)

    def put(self, key: str, value: bytes | None, *, durable: bool = False) -> None:  # noqa: ARG002 - always durable
        """Set, or remove by None."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def close(self) -> None:
        """Nothing to let go of."""


class SqliteStore:
    """One SQLite file in WAL mode with full synchronisation, written by a thread of its own.

    Values are read once, at the start, and then served from memory. A write that fails raises
    only from a durable `put`; `failed` tells the others.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises UnusableError naming it if that cannot be done."""
        self._path = path
        self._values: dict[str, bytes] = {}
        self._pending: dict[str, bytes | None] = {}
        self._changed = threading.Condition()
        self._wanted = 0  # puts so far; of those, how many a write has taken and then settled
        self._taken = 0
        self._settled = 0
        self._closing = False
        self._error: Exception | None = None
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-writer", daemon=True)
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise _unusable(path, self._error) from self._error

    @property
    def failed(self) -> str:
        """Why the last write did not reach the file, empty if it did."""
        return "" if self._error is None else f"{self._path}: {self._error}"

    def get(self, key: str) -> bytes | None:
        """Return the value last put, None if there is none."""
        return self._values.get(key)

    def put(self, key: str, value: bytes | None, *, durable: bool = False) -> None:
        """Set, or remove by None; a durable one raises StateWriteError if the disk refuses it."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        with self._changed:
            if self._closing:
                msg = f"{key} was put into a state file that is closed"
                raise InvariantError(msg)
            self._pending[key] = value
            self._wanted += 1
            wanted = self._wanted
            self._changed.notify_all()
            if not durable:
                return
            settled = self._changed.wait_for(lambda: self._settled >= wanted, _DURABLE_TIMEOUT_S)
            error = self._error if settled else TimeoutError("the disk does not answer")
            if error is not None:
                msg = f"the state file {self._path} cannot be written: {error}"
                raise StateWriteError(msg) from error

    def close(self) -> None:
        """Write what is pending and close the file."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = _open(self._path, self._values)
        except (sqlite3.Error, OSError, UnusableError) as error:
            self._error = error
            self._opened.set()
            return
        self._opened.set()
        try:
            while self._write_batch(connection):
                pass
        finally:
            connection.close()

    def _write_batch(self, connection: sqlite3.Connection) -> bool:
        with self._changed:
            # After a failure the next put tries again, so a full disk does not spin.
            self._changed.wait_for(lambda: self._wanted > self._taken or self._closing)
            batch, self._pending = self._pending, {}
            self._taken = taken = self._wanted
            more = not self._closing
        error = _write(connection, batch)
        with self._changed:
            self._error = error
            self._settled = taken
            if error is not None:
                self._pending = batch | self._pending
            self._changed.notify_all()
        return more


def _open(path: Path, values: dict[str, bytes]) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _check(path, connection)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL)"
            " WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION:d}")
        values.update(connection.execute("SELECT key, value FROM state"))
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    ((verdict,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if version > _SCHEMA_VERSION:
        msg = f"{path} was written by a newer version (schema {version}): use that version"
        raise UnusableError(msg)


def _write(connection: sqlite3.Connection, batch: dict[str, bytes | None]) -> Exception | None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for key, value in batch.items():
            if value is None:
                connection.execute("DELETE FROM state WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.rollback()
        return error
    return None


def _unusable(path: Path, error: Exception) -> UnusableError:
    if isinstance(error, UnusableError):
        return error
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return UnusableError(
            f"the state file {path} is damaged ({error}): move it and its -wal and -shm files aside."
            " Forgotten are then the latches of the kill switch, the peak and the day's start that"
            " limits on losses are measured from, and the books with their cost and P&L; orders,"
            " fills and the position are read from the venue, and a bot that traded there before"
            " starts with the kill switch engaged"
        )
    return UnusableError(f"the state file {path} cannot be used: {error}")
