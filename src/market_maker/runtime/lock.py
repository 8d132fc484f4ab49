"""One bot per data directory.

Owns the lock file. The kernel holds the lock and drops it when the process ends, however it
ends, so a file left behind means nothing; its content only tells a human, or the `kill`
command, who holds it. The start time guards against a reused process number.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from market_maker.core.errors import AnotherInstanceError, UnusableError


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock; `start_ticks` is the kernel's start time of process `pid`, 0 unknown."""

    pid: int
    start_ticks: int
    mode: str
    started_ns: int

    def is_alive(self) -> bool:
        """Whether that very process still runs, rather than one that got its number."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it exists and belongs to somebody else
        return self.start_ticks in {0, start_ticks(self.pid)}


class InstanceLock:
    """The lock of this process, from its making until `release` or the end of the process."""

    def __init__(self, path: Path, mode: str, now_ns: int) -> None:
        """Take the lock; raises AnotherInstanceError naming the holder, or UnusableError."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = (
                f"the data directory {path.parent} cannot be written ({error.strerror}):"
                " choose another with --data-dir"
            )
            raise UnusableError(msg) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise AnotherInstanceError(_held(path)) from error
        pid = os.getpid()
        holder = Holder(pid, start_ticks(pid), mode, now_ns)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, msgspec.json.encode(holder), 0)

    def release(self) -> None:
        """Let the next bot in; idempotent. The file stays: removing it would race."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def holder_of(path: Path) -> Holder | None:
    """Return who holds the lock now, None if nobody does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(path)
    finally:
        os.close(fd)
    return None


def start_ticks(pid: int) -> int:
    """Kernel start time of a process, 0 where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])  # the name in brackets may hold anything


def _read(path: Path) -> Holder | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


def _held(path: Path) -> str:
    holder = _read(path)
    who = "another bot" if holder is None else f"another bot (pid {holder.pid}, mode {holder.mode})"
    return f"{who} already runs on {path.parent}: stop it, or choose another --data-dir"
