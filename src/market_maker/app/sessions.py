"""Sessions from wherever they lie: a saved one is read, a journal is replayed and watched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from market_maker.app.replay import replay
from market_maker.backtest.session import Session
from market_maker.backtest.session_files import FOLDER, HEAD, load_session
from market_maker.backtest.session_log import SessionLogs
from market_maker.core.errors import UnusableError
from market_maker.runtime.journal_reader import find_session


def read_session(
    path: Path, epoch: int | None = None, progress: Callable[[int], None] = lambda _records: None
) -> Session:
    """The session that a run saved, or that a journal tells; `epoch` names one of a journal folder's.

    Raises UnusableError where there is none or it cannot be read.
    """
    for folder in (path, path / FOLDER):
        if (folder / HEAD).exists():
            return load_session(folder)
    if not path.exists():
        raise UnusableError(f"{path} does not exist: name a saved session or a journal")
    logs = SessionLogs()
    done = replay(find_session(path, epoch), progress, logs.observe)
    log = logs[done.started.market]
    for note in done.notes:
        log.note(note)
    if done.result.difference is not None:
        log.note(
            f"the journal differs from its replay at line {done.result.difference.number}: the session"
            " is told up to there; see the replay command"
        )
    return log.session()
