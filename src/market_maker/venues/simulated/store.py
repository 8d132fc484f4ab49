"""Where the embedded exchange keeps its past: a checkpoint and the commands since.

Owns framing, locking and crash safety of two files; refuses to know what the bytes mean.
What always holds: a record is in the file before `append` returns, so it survives the death of
the process; a record that was cut short is dropped together with all that follows it; a
checkpoint replaces its predecessor as a whole or not at all; one process at a time.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from market_maker.core.errors import AnotherInstanceError, UnusableError, VenueUnavailableError

_HEADER = struct.Struct("<II")
_MAGIC = b"mm-exchange-1\n"


class StoreFailedError(VenueUnavailableError):
    """A record could not be made durable, so what it describes did not happen."""


class Store(Protocol):
    """A checkpoint (a sequence of blobs) and an append-only list of records since."""

    def load(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Blobs of the newest checkpoint (none if new) and the records after it."""
        ...

    def append(self, record: bytes) -> None:
        """Make one record survive the process; raises StoreFailedError if it cannot."""
        ...

    def checkpoint(self, blobs: Sequence[bytes]) -> None:
        """Replace the checkpoint and forget the records before it."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...


class MemoryStore:
    """A store for tests: lives as long as the object, and can be opened again after a "crash"."""

    def __init__(self) -> None:
        """Start empty."""
        self._blobs: tuple[bytes, ...] = ()
        self._records: list[bytes] = []

    def load(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Everything kept so far."""
        return self._blobs, tuple(self._records)

    def append(self, record: bytes) -> None:
        """Keep one record."""
        self._records.append(record)

    def checkpoint(self, blobs: Sequence[bytes]) -> None:
        """Replace everything by `blobs`."""
        self._blobs = tuple(blobs)
        self._records.clear()

    def close(self) -> None:
        """Nothing to release."""


class FileStore:
    """A store in a directory of its own: `checkpoint`, `log.<generation>` and `lock`."""

    def __init__(self, directory: Path, *, fresh: bool = False) -> None:
        """Create the directory and lock it; `fresh` forgets everything that it held."""
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnusableError(f"cannot use {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise AnotherInstanceError(
                f"the exchange in {directory} is in use by process {holder}"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._generation = 0
        self._log = -1
        self._size = 0
        if fresh:
            self._forget(keep_generation=None)
            (directory / "checkpoint").unlink(missing_ok=True)

    def load(self) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Read the checkpoint and the valid prefix of its log, and cut the log behind it."""
        blobs: tuple[bytes, ...] = ()
        path = self._directory / "checkpoint"
        if path.exists():
            data = path.read_bytes()
            frames = tuple(_frames(data)) if data.startswith(_MAGIC) else ()
            if not frames or int.from_bytes(frames[0], "little") != len(frames) - 2:
                raise UnusableError(f"{path} is damaged; start over with --fresh")
            self._generation = int.from_bytes(frames[1], "little")
            blobs = frames[2:]
        elif any(self._directory.glob("log.*")):
            raise UnusableError(
                f"{path} is missing although its log is there; start over with --fresh"
            )
        self._open_log()
        with open(self._log, "rb", closefd=False) as file:
            file.seek(0)
            data = _MAGIC + file.read()
        records = tuple(_frames(data))
        self._size = sum(len(record) + _HEADER.size for record in records)
        os.ftruncate(self._log, self._size)
        self._forget(keep_generation=self._generation)
        return blobs, records

    def append(self, record: bytes) -> None:
        """Write one framed record with one system call."""
        frame = _frame(record)
        try:
            if self._log < 0:
                self._open_log()
            written = os.write(self._log, frame)
        except OSError as error:
            self._cut()
            raise StoreFailedError(
                f"cannot write {self._directory}: {error.strerror}; the exchange stands still"
            ) from error
        if written != len(frame):
            self._cut()
            raise StoreFailedError(
                f"no space left for {self._directory}: the exchange stands still"
            )
        self._size += written

    def checkpoint(self, blobs: Sequence[bytes]) -> None:
        """Write the new checkpoint beside the old one, sync it, swap, and start a new log."""
        generation = self._generation + 1
        head = (len(blobs).to_bytes(4, "little"), generation.to_bytes(8, "little"))
        path = self._directory / "checkpoint"
        temporary = self._directory / "checkpoint.new"
        try:
            with temporary.open("wb") as file:
                file.write(_MAGIC)
                file.writelines(_frame(blob) for blob in (*head, *blobs))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            # From here on the new checkpoint rules, whatever else fails.
            self._generation = generation
            if self._log >= 0:
                os.close(self._log)
                self._log = -1
            self._open_log()
            self._sync_directory()
        except OSError as error:
            raise StoreFailedError(f"cannot write {path}: {error.strerror}") from error
        self._forget(keep_generation=generation)

    def close(self) -> None:
        """Close the log and release the lock; safe to call twice."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open_log(self) -> None:
        path = self._directory / f"log.{self._generation}"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._log = os.open(path, flags, 0o600)
        self._size = os.fstat(self._log).st_size

    def _cut(self) -> None:
        """Remove half a record, so that later ones stay readable."""
        if self._log >= 0:
            os.ftruncate(self._log, self._size)

    def _forget(self, keep_generation: int | None) -> None:
        for path in sorted(self._directory.glob("log.*")):
            if path.suffix != f".{keep_generation}":
                path.unlink(missing_ok=True)

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _frame(payload: bytes) -> bytes:
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def _frames(data: bytes) -> Iterator[bytes]:
    """Payloads up to the first that is incomplete or damaged."""
    position = len(_MAGIC)
    while position + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        payload = data[position : position + length]
        if len(payload) != length or zlib.crc32(payload) != checksum:
            return
        position += length
        yield payload
