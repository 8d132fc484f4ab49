"""The thread that keeps recorded rows: a raw log now, a Parquet file when its time is over.

Owns the files of a recording under way. Refuses to know events. What always holds: rows count as
kept only once the disk has confirmed them; no error of the disk reaches the event loop: the writer
says by a new `generation` that it lost rows, takes no more of the old one, and says by `refusal`
why. Compressing and syncing release the interpreter, so the loop goes on meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from market_maker.config.recording import RecordingConfig
from market_maker.core.clock import Clock
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS
from market_maker.ticks.columns import ROW, Ticks
from market_maker.ticks.folder import (
    PARQUET,
    RAW,
    UNFINISHED,
    lacks_room,
    prune,
    publish,
    stem_of,
    sync_folder,
)
from market_maker.ticks.header import Header
from market_maker.ticks.packing import Block, unpacked
from market_maker.ticks.parquet_file import FileWriter
from market_maker.ticks.raw_log import RawLog, block_bytes, head_bytes
from market_maker.ticks.recording_gate import RecordingGate
from market_maker.ticks.recovery import recover_folder, write_out

_LONGEST_PAUSE_NS: Final = 60 * NANOS
"""After errors of the disk recording pauses twice as long each time, up to this."""


class Disk(msgspec.Struct, frozen=True):
    """The operating system's calls, unless a test puts a failing disk in their place."""

    write: Callable[[int, memoryview], int] = os.write
    sync: Callable[[int], None] = os.fdatasync
    lacks_room: Callable[[Path, RecordingConfig], str] = lacks_room


class Writer:
    """Keeps blocks of one market in `folder`; `say(level, event, detail)` must be safe in threads.

    Everything public but `put` and `close` is only read by others, who may see it a little late.
    """

    def __init__(
        self,
        folder: Path,
        config: RecordingConfig,
        clock: Clock,
        say: Callable[[str, str, str], None],
        disk: Disk | None = None,
    ) -> None:
        """Rebuild what a crash left, then wait for blocks; UnusableError if that is impossible."""
        self.generation = 1
        self.refusal = ""
        self.taken_rows = 0
        self.kept_events = 0
        self.kept_bytes = 0
        self.lost_events = 0
        self.lost_from_ns = 0
        self._folder = folder
        self._config = config
        self._clock = clock
        self._say = say
        self._disk = disk or Disk()
        self._put_rows = 0
        self._queue: queue.SimpleQueue[Block | None] = queue.SimpleQueue()
        self._segment: _Segment | None = None
        self._gate = RecordingGate(config.rotate_minutes * 60.0)
        self._synced_ns = 0
        self._period_ns = int(config.sync_period_s * NANOS)
        self._pause_ns = self._period_ns
        self._retry_ns = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
            self._rebuild()
            prune(folder, config, clock.now_ns())
        except OSError as error:
            raise UnusableError(
                f"the folder {folder} cannot be recorded to: {error.strerror}; "
                "free it, or choose another with --data-dir"
            ) from error
        self._mind_room()
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._thread.start()

    @property
    def waiting_rows(self) -> int:
        """Rows that were handed over and not yet taken."""
        return self._put_rows - self.taken_rows

    def put(self, block: Block) -> None:
        """Hand a block over; never blocks."""
        self._put_rows += len(block.rows) // ROW.itemsize
        self._queue.put(block)

    def close(self) -> None:
        """Keep what was handed over, finish the file and end; waits for the disk."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the thread's last frame: whoever records must know
            self.generation += 1
            self.refusal = f"the recorder broke: {type(error).__name__}: {error}"
            self._say("error", "recording_failed", self.refusal)

    def _serve(self) -> None:
        while True:
            try:
                block = self._queue.get(timeout=self._config.sync_period_s)
            except queue.Empty:
                self._guarded(self._mind)
                continue
            if block is None:
                break
            self.taken_rows += len(block.rows) // ROW.itemsize
            if block.generation != self.generation:
                self._lose(block)
                continue
            if not self._guarded(lambda: self._keep(block)):  # noqa: B023 - called at once
                self._lose(block)
            if self._clock.monotonic_ns() - self._synced_ns >= self._period_ns:
                self._guarded(self._mind)
        self._guarded(self._finish)
        self._abandon()

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Do something with the disk; after an error recording pauses and what waits is lost."""
        try:
            action()
        except OSError as error:
            self._refuse(f"{self._folder}: {error.strerror or error}")
            self._retry_ns = self._clock.monotonic_ns() + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
            return False
        return True

    def _keep(self, block: Block) -> None:
        if block.header is not None:
            self._finish()
            self._segment = _Segment(self._folder, block.header, block.first_ns, self._disk)
            self._gate.begin(block.header, block.first_ns)
        if self._segment is None:
            raise OSError(0, "there is no file to write to")
        self._gate.watch(self._segment.write(block))

    def _mind(self) -> None:
        """Sync, and look after the room on the disk."""
        self._synced_ns = self._clock.monotonic_ns()
        if self._segment is not None:
            self._sync(self._segment)
        self._mind_room()

    def _mind_room(self) -> None:
        if self._clock.monotonic_ns() < self._retry_ns:
            return
        lack = self._disk.lacks_room(self._folder, self._config)
        if lack and not self.refusal:
            self._refuse(lack)
        elif not lack and self.refusal:
            self._rebuild()
            self.refusal = ""
            self._say("warning", "recording_resumed", str(self._folder))

    def _sync(self, segment: _Segment) -> None:
        segment.sync()
        self._pause_ns = self._period_ns
        self.kept_events += segment.events
        self.kept_bytes += segment.bytes
        segment.events = segment.bytes = 0

    def _finish(self) -> None:
        """End the file in hand in order."""
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            self._sync(segment)
            segment.finish()
            if words := self._gate.said():
                self._say("warning", "recording_quality", f"{segment.path}: {words}")
        finally:
            segment.let_go()
        prune(self._folder, self._config, self._clock.now_ns())

    def _refuse(self, why: str) -> None:
        """Take nothing more until there is hope again; what was synced stays in the raw log."""
        self.generation += 1
        self.lost_from_ns = self._clock.now_ns()
        if not self.refusal:
            self._say("error", "recording_paused", why)
        self.refusal = why
        with contextlib.suppress(OSError):
            self._finish()
        self._abandon()

    def _abandon(self) -> None:
        if self._segment is not None:
            self._segment.let_go()
            self._segment = None

    def _lose(self, block: Block) -> None:
        self.lost_events += block.events
        self.lost_from_ns = min(self.lost_from_ns, block.first_ns)

    def _rebuild(self) -> None:
        for result in recover_folder(self._folder):
            if result.damaged:
                self._say("error", "recording_damaged", f"{result.path}: {result.detail}")
            elif not result.detail:
                self._say("warning", "recording_recovered", f"{result.path}: {result.rows} rows")


class _Segment:
    """The raw log and the Parquet file of one part; the latter is rebuilt if it fails on the way."""

    def __init__(self, folder: Path, header: Header, first_ns: int, disk: Disk) -> None:
        stem = stem_of(first_ns, header.part)
        self._raw, self._final = folder / f"{stem}{RAW}", folder / f"{stem}{PARQUET}"
        self._unfinished = folder / f"{stem}{PARQUET}{UNFINISHED}"
        self._disk = disk
        self._size = 0
        self.events = 0
        self.bytes = 0
        self._fd = os.open(self._raw, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._writer: FileWriter | None = None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write_all(head_bytes(header))
            disk.sync(self._fd)
            sync_folder(folder)
            self._writer = FileWriter(self._unfinished, header)
        except OSError:
            self.let_go()
            raise

    @property
    def path(self) -> Path:
        """The file's name once it is finished."""
        return self._final

    def write(self, block: Block) -> Ticks:
        """Append a block to the log, whole or not at all, then to the file in the making."""
        before = self._size
        try:
            self._write_all(block_bytes(block.rows, block.text))
            self._write_all(block.rows)
            self._write_all(block.text)
        except OSError:
            os.ftruncate(self._fd, before)
            raise
        self.events += block.events
        self.bytes += self._size - before
        ticks = unpacked(block.rows, block.text)
        if self._writer is not None:
            try:
                self._writer.write(ticks)
            except OSError:
                self._writer.abandon()
                self._writer = None
        return ticks

    def sync(self) -> None:
        """Force the log to the disk."""
        self._disk.sync(self._fd)

    def finish(self) -> None:
        """Give the file its name and remove the log."""
        if self._writer is None:
            write_out(RawLog(self._raw), self._final, ended=True)
        else:
            self._writer.close()
            self._writer = None
            publish(self._unfinished, self._final)
        self._raw.unlink()
        sync_folder(self._raw.parent)

    def let_go(self) -> None:
        """Close what is open; a log that is left holds what was written."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        self._unfinished.unlink(missing_ok=True)
        os.close(self._fd)

    def _write_all(self, content: bytes | bytearray) -> None:
        view = memoryview(content)
        while view:
            written = self._disk.write(self._fd, view)
            self._size += written
            view = view[written:]
