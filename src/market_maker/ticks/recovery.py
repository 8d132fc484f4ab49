"""Recordings rebuilt from the raw logs that a crash left behind.

Owns what becomes of a raw log. Refuses to touch one that is being written. What always holds: a raw log
is removed only after all of it that can be read stands in a whole, synced file; doing it twice
changes nothing; a recording that was cut off says so at its end.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from market_maker.core.events import Feed
from market_maker.ticks.feed_states import endings, states_of
from market_maker.ticks.folder import PARQUET, RAW, UNFINISHED, own_files, publish, sync_folder
from market_maker.ticks.parquet_file import FileWriter
from market_maker.ticks.raw_log import RawLog

CUT_OFF = "recording: cut off"
"""Detail of the states that end a recording whose recorder did not end it itself."""


class Recovered(msgspec.Struct, frozen=True):
    """What became of one raw log.

    `rows` were rebuilt; `torn` says that its end was damaged and is lost; `detail` says why nothing
    was done.
    """

    path: Path
    rows: int = 0
    torn: bool = False
    detail: str = ""
    damaged: bool = False


def recover_folder(folder: Path) -> list[Recovered]:
    """Rebuild every recording whose recorder is gone; raises OSError where the disk refuses."""
    done = [recover(path) for path in own_files(folder, RAW)]
    busy = {result.path.name.removesuffix(RAW) for result in done if result.detail}
    for path in own_files(folder, PARQUET + UNFINISHED):
        if path.name.removesuffix(PARQUET + UNFINISHED) not in busy:
            path.unlink(missing_ok=True)
    return done


def recover(path: Path) -> Recovered:
    """Rebuild one recording from its raw log and remove the log."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return Recovered(path, detail="it is being recorded now")
        return _rebuild(path)
    finally:
        os.close(number)


def _rebuild(path: Path) -> Recovered:
    final = path.with_name(path.name.removesuffix(RAW) + PARQUET)
    log = RawLog(path)
    if final.exists():
        rows = 0  # it was complete before: only the log's removal was missing
    elif log.header is None:
        if path.stat().st_size > _LONGEST_HEAD:
            return Recovered(path, damaged=True, detail="its head is damaged: nothing can be read")
        rows, log.torn = 0, True
    else:
        rows = write_out(log, final, ended=False)
    path.unlink()
    sync_folder(path.parent)
    return Recovered(path, rows, torn=log.torn)


_LONGEST_HEAD = 4096
"""Bytes of a log that was cut while its head was written."""


def write_out(log: RawLog, final: Path, *, ended: bool) -> int:
    """Write a log's rows as a file; how many there were, without the states that end it."""
    unfinished = final.with_name(final.name + UNFINISHED)
    try:
        rows = _write(log, unfinished, ended=ended)
        if rows:
            publish(unfinished, final)
    finally:
        unfinished.unlink(missing_ok=True)  # half a file would only take room
    return rows


def _write(log: RawLog, path: Path, *, ended: bool) -> int:
    assert log.header is not None
    writer = FileWriter(path, log.header)
    up: dict[Feed, bool] = {}
    rows, last_ns = 0, 0
    try:
        for ticks in log.blocks():
            writer.write(ticks)
            rows += len(ticks)
            last_ns = int(ticks.recv_ns[-1])
            up |= states_of(ticks)
        if not ended:
            writer.write(endings(up, last_ns, CUT_OFF))
        writer.close()
    except OSError:
        writer.abandon()
        raise
    return rows
