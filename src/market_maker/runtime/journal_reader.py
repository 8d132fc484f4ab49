"""Sessions on disk: which files hold one, and its lines in order as far as they can be trusted.

Owns what an end means: a torn last line is where the process died, lost records where the disk
refused, anything else is damage and an error. Refuses to know what records say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from market_maker.core.errors import UnusableError
from market_maker.runtime.journal import journal_files
from market_maker.runtime.journal_records import (
    JOURNAL_FORMAT,
    Record,
    SegmentStarted,
    SessionStarted,
    decode_record,
)
from market_maker.runtime.replay import Line

_NAME = re.compile(r"journal-(\d+)-(\d+)\.jsonl")


class SessionFiles(msgspec.Struct, frozen=True):
    """The files of one session, in order; `epoch` is 0 for a file under a name of its own."""

    epoch: int
    files: tuple[Path, ...]


class _Header(msgspec.Struct, tag="SessionStarted"):
    """As much of a session's first record as every version will have."""

    version: str
    format: int


def find_session(path: Path, epoch: int | None) -> SessionFiles:
    """The session of a file or of a folder: the last one unless `epoch` names another."""
    if path.is_file():
        match = _NAME.fullmatch(path.name)
        if match is None:
            return SessionFiles(0, (path,))
        folder, epoch = path.parent, int(match[1]) if epoch is None else epoch
    elif path.is_dir():
        folder = path / "journal" if not journal_files(path) else path
    else:
        raise UnusableError(f"{path} does not exist: name a journal file or its folder")
    sessions: dict[int, list[Path]] = {}
    for file in journal_files(folder):
        if match := _NAME.fullmatch(file.name):
            sessions.setdefault(int(match[1]), []).append(file)
    if not sessions:
        raise UnusableError(f"{path} holds no journal: name the `journal` folder of a market")
    chosen = max(sessions) if epoch is None else epoch
    if chosen not in sessions:
        known = ", ".join(map(str, sessions))
        raise UnusableError(f"{folder} has no session {chosen}; it has {known}")
    return SessionFiles(chosen, tuple(sessions[chosen]))


class SessionReader:
    """Reads one session; `note` says why it ended early, once it has been read to its end."""

    def __init__(self, session: SessionFiles) -> None:
        self._session = session
        self.note = ""

    def whole(self) -> SessionStarted:
        """The session's first record; UnusableError if the file that it stood in is gone."""
        first = self._session.files[0]
        with first.open("rb") as file:
            header = _decoded(file.readline())
        if isinstance(header, SegmentStarted) and header.segment != 1:
            raise UnusableError(
                f"{first} begins in the middle of its session: earlier files were removed when the"
                " journal reached journal.max_total_mb; raise it to keep sessions whole"
            )
        return self.start()

    def start(self) -> SessionStarted:
        """How the session began, which every file repeats; UnusableError if it cannot be read."""
        first = self._session.files[0]
        with first.open("rb") as file:
            lines = file.readline(), file.readline()
        try:
            head = msgspec.json.decode(lines[1], type=_Header)
        except msgspec.DecodeError:
            raise UnusableError(
                f"{first} is no journal, or has lost the start of its session: name a file that"
                " begins with one, or the folder of journal files"
            ) from None
        if head.format != JOURNAL_FORMAT:
            raise UnusableError(
                f"{first} was written by version {head.version} in format {head.format}; this"
                f" version replays format {JOURNAL_FORMAT}: use the version that wrote it"
            )
        started = _decoded(lines[1])
        if not isinstance(started, SessionStarted):
            raise UnusableError(f"{first} does not begin with the start of a session")
        return started

    def lines(self) -> Iterator[Line]:
        """Every record but the files' headers; raises UnusableError at damage within."""
        number = 0
        before: SegmentStarted | None = None
        last = self._session.files[-1]
        for path in self._session.files:
            content = path.read_bytes()
            start = 0
            while start < len(content):
                end = content.find(b"\n", start)
                text = content[start:] if end < 0 else content[start:end]
                record = _decoded(text) if end >= 0 else None
                number += 1
                if record is None:
                    self._stop(path, number, content[end + 1 :] if end >= 0 else b"", path == last)
                    break
                start = end + 1
                if isinstance(record, SegmentStarted):
                    if before is not None and not self._follows(path, before, record):
                        return
                    before = record
                elif not isinstance(record, SessionStarted) or path == self._session.files[0]:
                    yield Line(number, text, record)

    def _stop(self, path: Path, number: int, rest: bytes, is_last: bool) -> None:
        """What an unreadable line means: the end, where nothing readable follows."""
        if any(_decoded(line) is not None for line in rest.split(b"\n") if line):
            raise UnusableError(
                f"{path}: line {number} is damaged and readable ones follow it; nothing after it"
                " can be replayed"
            )
        if is_last:
            self.note = f"line {number} is torn: the session was cut off there"

    def _follows(self, path: Path, before: SegmentStarted, header: SegmentStarted) -> bool:
        """Whether a file continues the one before; False where records were lost between."""
        if header.dropped_before > before.dropped_before:
            lost = header.dropped_before - before.dropped_before
            self.note = f"{lost} records were lost before {path.name}: the disk refused them"
            return False
        if header.segment != before.segment + 1 or header.epoch != before.epoch:
            raise UnusableError(f"{path}: the file before it is missing")
        return True


def _decoded(text: bytes) -> Record | None:
    try:
        return decode_record(text)
    except (msgspec.DecodeError, ValueError):
        return None
