"""A folder of recordings: names, durability, how much is kept, how much room is left.

Owns what a file is called and when one goes. Refuses to know what is in it. What always holds: a file
appears under its final name only whole and synced; nothing is removed but our own files.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from market_maker.config.recording import RecordingConfig
from market_maker.core.instrument import NANOS

PARQUET: Final = ".parquet"
RAW: Final = ".raw"
UNFINISHED: Final = ".unfinished"

_MEGABYTE: Final = 1_000_000
_DAY_NS: Final = 86_400 * NANOS
_NAME: Final = re.compile(r"\d{8}T\d{6}\.\d{9}Z-\d{6}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def stem_of(first_ns: int, part: int) -> str:
    """The name of a recording without its ending: when it begins (UTC), and its part."""
    second, fraction = divmod(first_ns, NANOS)
    began = datetime.fromtimestamp(second, UTC)
    return f"{began:%Y%m%dT%H%M%S}.{fraction:09d}Z-{part:06d}"


def began_ns(path: Path) -> int:
    """When a recording began, from its name."""
    began = datetime.strptime(path.name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return int((began - _EPOCH).total_seconds()) * NANOS + int(path.name[16:25])


def own_files(folder: Path, ending: str) -> list[Path]:
    """Our files with an ending, oldest first."""
    found = folder.glob(f"*{ending}")
    return sorted(path for path in found if _NAME.fullmatch(path.name.removesuffix(ending)))


def free_bytes(folder: Path) -> int:
    """Room that is left for us on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def sync_folder(folder: Path) -> None:
    """Make names durable; some file systems cannot, and need not."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def publish(unfinished: Path, final: Path, sync: Callable[[int], None] = os.fsync) -> None:
    """Give a complete file its name, durably."""
    number = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(number)
    finally:
        os.close(number)
    unfinished.replace(final)
    sync_folder(final.parent)


def prune(folder: Path, config: RecordingConfig, now_ns: int) -> list[Path]:
    """Remove recordings that are too old or too many; which."""
    files = own_files(folder, PARQUET)
    sizes = {path: path.stat().st_size for path in files}
    excess = sum(sizes.values()) - config.keep_mb * _MEGABYTE if config.keep_mb else 0.0
    oldest_ns = now_ns - config.keep_days * _DAY_NS if config.keep_days else 0.0
    gone = []
    for path in files[:-1]:  # the newest stays, however large
        if excess <= 0 and began_ns(path) >= oldest_ns:
            break
        path.unlink()
        gone.append(path)
        excess -= sizes[path]
    return gone


def lacks_room(folder: Path, config: RecordingConfig) -> str:
    """Why nothing may be written now; empty while there is room."""
    free = free_bytes(folder)
    if free >= config.min_free_mb * _MEGABYTE:
        return ""
    return (
        f"{free / _MEGABYTE:.0f} MB are free on the disk of {folder}, "
        f"recording.min_free_mb wants {config.min_free_mb:g}"
    )
