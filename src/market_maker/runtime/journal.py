"""The append-only record of inputs and decisions.

Owns the files, their rotation and the digest over everything appended. Refuses to know what
a record means. It always holds that a record is in the kernel's hands when `append` returns
(so it survives SIGKILL; calls that only held travel with the next record and are lost only with
what they did not lead to), or that `failed` is set; that no failure raises into trading; that
only the sync thread forces data to the disk and closes files, so a descriptor is never
synced after its number was given to another file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from market_maker.config.runtime import JournalConfig
from market_maker.core.commands import LevelId
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import DecisionReason
from market_maker.runtime.journal_records import (
    HoldsCounted,
    LevelsAsked,
    Record,
    SegmentStarted,
    SessionStarted,
)

_MEGABYTE: Final = 1_000_000
_MAX_UNSYNCED: Final = 256
"""Full files that may wait for the disk; with more of them the journal counts as failed."""
_PATTERN: Final = "journal-*.jsonl"


class Journal(Protocol):
    """Where records go."""

    @property
    def records(self) -> int:
        """Records appended so far, lost ones included."""
        ...

    @property
    def dropped(self) -> int:
        """Records that could not be kept."""
        ...

    @property
    def failed(self) -> bool:
        """Whether records are being lost now."""
        ...

    def append(self, record: Record, /) -> None:
        """Keep one record; never raises for what storage may do."""
        ...

    def retry(self) -> bool:
        """Try to write again after a failure; True when records are kept."""
        ...

    def digest(self) -> str:
        """Digest of every record appended, in order."""
        ...

    def close(self) -> None:
        """Force everything to the disk and let go of it."""
        ...


class DigestJournal:
    """Keeps nothing but the digest, for simulation; with `keep` also the lines themselves."""

    def __init__(self, *, keep: bool = False) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.json.Encoder().encode
        self._kept: list[bytes] | None = [] if keep else None
        self.records = 0
        self.dropped = 0
        self.failed = False

    @property
    def lines(self) -> bytes:
        """Everything appended, as a journal file would hold it."""
        return b"".join(self._kept or ())

    def append(self, record: Record) -> None:
        """Digest one record."""
        line = self._encode(record) + b"\n"
        self._hash.update(line)
        self.records += 1
        if self._kept is not None:
            self._kept.append(line)

    def retry(self) -> bool:
        """Nothing here can fail."""
        return True

    def digest(self) -> str:
        """Digest of every record appended, in order."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Nothing to let go of."""


class NullJournal:
    """Keeps nothing at all; for runs whose owner switched the journal off."""

    def __init__(self) -> None:
        self.records = 0
        self.dropped = 0
        self.failed = False

    def append(self, _record: Record, /) -> None:
        """Count one record."""
        self.records += 1

    def retry(self) -> bool:
        """Nothing here can fail."""
        return True

    def digest(self) -> str:
        """Nothing is digested."""
        return ""

    def close(self) -> None:
        """Nothing to let go of."""


class _Segment:
    """One open file; from its hand-over on, only the sync thread closes it."""

    __slots__ = ("fd", "path", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0


class FileJournal:
    """Writes each record with one `write` on the caller's thread; syncs on a thread of its own.

    `on_failure(detail)` is called on the caller's thread, once per outage. `write` and `sync`
    are the operating system's unless a test puts a failing disk in their place.
    """

    def __init__(
        self,
        folder: Path,
        epoch: int,
        config: JournalConfig,
        on_failure: Callable[[str], None],
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """Begin the session's first file; raises UnusableError if the folder is not writable."""
        self._folder = folder
        self._epoch = epoch
        self._max_bytes = int(config.max_file_mb * _MEGABYTE)
        self._on_failure = on_failure
        self._write = write
        self._hash = hashlib.blake2b(digest_size=16)
        self._encode = msgspec.json.Encoder().encode
        self._number = 0
        self._waiting = b""
        self._opening = b""
        self.records = 0
        self.dropped = 0
        self.failed = False
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._segment = self._open_segment()
        except OSError as error:
            msg = f"the journal folder {folder} cannot be written: {error.strerror}"
            raise UnusableError(msg) from error
        others_bytes = int(config.max_total_mb * _MEGABYTE) - self._max_bytes
        self._syncer = _Syncer(folder, self._segment, config.sync_period_s, others_bytes, sync)

    def append(self, record: Record) -> None:
        """Write one record; on failure count it as dropped and report by `on_failure`."""
        if type(record) is LevelsAsked:
            self._waiting += self._encode(record) + b"\n"
            return
        if not self.failed:
            if self._syncer.error:
                self._fail(f"sync: {self._syncer.error}")
            elif self._segment.size >= self._max_bytes:
                self._rotate()
        line = self._encode(record) + b"\n"
        if type(record) is SessionStarted:
            self._opening = line
        self._keep(line, 1)

    def _keep(self, line: bytes, records: int) -> None:
        if self._waiting:
            line, self._waiting = self._waiting + line, b""
            records += 1
        self._hash.update(line)
        self.records += records
        if self.failed or not self._write_line(line):
            self.dropped += records

    def retry(self) -> bool:
        """Continue in a new file after a failure; True when records are kept again."""
        if not self.failed:
            return True
        self._syncer.error = ""
        self.failed = not self._rotate(quiet=True)
        return not self.failed

    def digest(self) -> str:
        """Digest of every record appended, dropped ones included."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Sync and close the file; waits for the disk, so call it when trading is over."""
        if self._waiting:
            self._keep(b"", 0)
        self._syncer.stop()

    def _open_segment(self) -> _Segment:
        self._number += 1
        segment = _Segment(self._folder / f"journal-{self._epoch:016d}-{self._number:06d}.jsonl")
        header = SegmentStarted(self._epoch, self._number, self.records, self.dropped)
        try:
            # Every file says what session it belongs to; without it none could be read alone.
            self._write_all(segment, self._encode(header) + b"\n" + self._opening)
        except OSError:
            os.close(segment.fd)
            segment.path.unlink(missing_ok=True)
            raise
        return segment

    def _rotate(self, *, quiet: bool = False) -> bool:
        if self._syncer.backlog >= _MAX_UNSYNCED:
            if not quiet:
                self._fail("sync: the disk does not keep up")
            return False
        try:
            segment = self._open_segment()
        except OSError as error:
            if not quiet:
                self._fail(f"new file: {error.strerror}")
            return False
        self._segment = segment
        self._syncer.follow(segment)
        return True

    def _write_line(self, line: bytes) -> bool:
        try:
            self._write_all(self._segment, line)
        except OSError as error:
            self._fail(f"write: {error.strerror}")
            return False
        return True

    def _write_all(self, segment: _Segment, line: bytes) -> None:
        segment.size += len(line)
        written = self._write(segment.fd, line)
        while written < len(line):  # a disk that fills up takes a part first
            line = line[written:]
            written = self._write(segment.fd, line)

    def _fail(self, detail: str) -> None:
        self.failed = True
        self._on_failure(detail)


class _Syncer:
    """The thread that forces files to the disk, closes them and removes the oldest."""

    def __init__(
        self,
        folder: Path,
        segment: _Segment,
        period_s: float,
        max_others_bytes: int,
        sync: Callable[[int], None],
    ) -> None:
        self._folder = folder
        self._segment = segment
        self._period_s = period_s
        self._max_others_bytes = max_others_bytes
        self._sync = sync
        self._orders: queue.SimpleQueue[_Segment | None] = queue.SimpleQueue()
        self.error = ""
        self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Files that wait to be looked after."""
        return self._orders.qsize()

    def follow(self, segment: _Segment) -> None:
        """Sync and close the file in hand, then look after `segment`."""
        self._orders.put(segment)

    def stop(self) -> None:
        """Sync and close the file in hand, then end."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        self._sync_folder()
        self._attempt(self._prune)
        while True:
            try:
                following = self._orders.get(timeout=self._period_s)
            except queue.Empty:
                self._attempt(lambda: self._sync(self._segment.fd))
                continue
            self._attempt(lambda: self._sync(self._segment.fd))
            os.close(self._segment.fd)
            if following is None:
                return
            self._segment = following
            self._sync_folder()
            self._attempt(self._prune)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self.error = error.strerror or type(error).__name__

    def _sync_folder(self) -> None:
        """Make the new file's name durable; some file systems cannot, and need not."""
        with contextlib.suppress(OSError):
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _prune(self) -> None:
        # Later files are still being made by the other thread.
        files = [path for path in journal_files(self._folder) if path < self._segment.path]
        sizes = [path.stat().st_size for path in files]
        excess = sum(sizes) - self._max_others_bytes  # room is kept for the file in hand
        for path, size in zip(files, sizes, strict=True):
            if excess <= 0:
                return
            path.unlink()
            excess -= size


class HoldCounter:
    """Turns decisions to hold, of which there are thousands a second, into one record a period."""

    __slots__ = ("_counts", "_due_ns", "_journal", "_period_ns")

    def __init__(self, journal: Journal, period_s: float) -> None:
        self._journal = journal
        self._period_ns = round(period_s * NANOS)
        self._counts: dict[LevelId, dict[DecisionReason, int]] = {}
        self._due_ns = 0

    def held(self, level: LevelId, reason: DecisionReason, now_ns: int) -> None:
        """Count one decision; writes the counts when the period is over."""
        try:
            self._counts[level][reason] += 1
        except KeyError:
            self._counts.setdefault(level, {})[reason] = 1
        if now_ns >= self._due_ns:
            self.flush(now_ns)

    def flush(self, now_ns: int) -> None:
        """Write what has been counted."""
        counts = {
            f"{level}:{reason}": n
            for level, reasons in self._counts.items()
            for reason, n in reasons.items()
            if n
        }
        if counts:
            self._journal.append(HoldsCounted(now_ns, counts))
            for reasons in self._counts.values():
                reasons.clear()
        self._due_ns = now_ns + self._period_ns


def journal_files(folder: Path) -> list[Path]:
    """Journal files of a folder, oldest first."""
    return sorted(folder.glob(_PATTERN))
