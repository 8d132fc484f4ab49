"""`record` as a real process: what it said it kept is there, however it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from bot_process import DEADLINE_S, SOL, command, environment

from market_maker.config.paths import RECORD, DataPaths
from market_maker.core.errors import ExitCode
from market_maker.core.events import BookDelta, BookSnapshot, FeedStatus, TradePrint
from market_maker.ticks.columns import events_of
from market_maker.ticks.folder import PARQUET, RAW, own_files
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.recorder import ENDED
from market_maker.ticks.recovery import CUT_OFF

FAST = {
    "MM_VENUE__SIMULATED__SPEED": "40",
    "MM_RECORDING__SYNC_PERIOD_S": "0.02",
    "MM_RECORDING__MIN_FREE_MB": "1",
}


class RecordProcess:
    """One `record --json`, read line by line."""

    def __init__(
        self, data_dir: Path, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.folder = DataPaths(data_dir, RECORD).ticks_dir(SOL)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "market_maker", "record", "--market", SOL, "--json"),
                *("--data-dir", str(data_dir), *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(FAST | dict(environ or {})),
        )

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def line(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def until_kept(self, events: int) -> dict[str, Any]:
        """Read until the disk has confirmed so many events."""
        while (said := self.line())["kept_events"] < events:
            assert "error" not in said
        return said

    def stop(self, number: signal.Signals) -> tuple[int, dict[str, Any]]:
        """Ask for an end; the exit code and the last thing said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        assert b"Traceback" not in out + err
        return self.process.returncode, json.loads(out.splitlines()[-1])


def follow(folder: Path) -> tuple[int, list[FeedStatus]]:
    """Check that nothing is missing unsaid; how many events, and the states that went down."""
    seq, trade = -1, 0
    events = 0
    down = []
    for event in events_of(load(files_of(folder))[1]):
        events += 1
        match event:
            case BookSnapshot():
                seq = event.seq
            case BookDelta():
                assert event.prev_seq == seq
                seq = event.seq
            case TradePrint():
                assert int(event.trade_id) > trade
                trade = int(event.trade_id)
            case FeedStatus(up=False):
                down.append(event)
                seq = -1
            case _:
                pass
    return events, down


def test_a_recording_is_alone_in_its_folder_and_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    with RecordProcess(tmp_path) as recording:
        recording.until_kept(200)
        busy = command("record", "recover", tmp_path)
        assert "being recorded now" in busy.out
        second = command("record", "--market", SOL, "--data-dir", tmp_path, environ=FAST)
        assert second.code == ExitCode.ANOTHER_INSTANCE
        code, said = recording.stop(signal.SIGTERM)
        assert code == ExitCode.CLEAN
        assert said["dropped_events"] == said["waiting_rows"] == 0
        (path,) = recording.folder.iterdir()
        assert path.suffix == PARQUET
        events, down = follow(recording.folder)
        assert {event.detail for event in down} == {ENDED}
        assert events == said["kept_events"] + len(down)


def test_killed_at_any_moment_a_recording_loses_nothing_that_it_said_it_kept(
    tmp_path: Path,
) -> None:
    kept = 0
    for lines in (1, 2):
        with RecordProcess(tmp_path) as recording:
            for _ in range(lines):
                said = recording.line()
            kept += said["kept_events"]
            recording.process.kill()
    folder = recording.folder
    assert len(own_files(folder, RAW)) == 1  # the second start rebuilt what the first had left
    done = command("record", "recover", tmp_path, "--json")
    (result,) = json.loads(done.out)
    assert done.code == ExitCode.CLEAN
    assert result["rows"] > 0
    files = {path: path.read_bytes() for path in folder.iterdir()}
    assert [path.suffix for path in files] == 2 * [PARQUET]
    events, down = follow(folder)
    assert {event.detail for event in down} == {CUT_OFF}
    assert events - len(down) >= kept > 0
    again = command("record", "recover", tmp_path, "--json")
    assert (again.code, json.loads(again.out)) == (ExitCode.CLEAN, [])
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


def test_a_duration_ends_it_with_a_summary(tmp_path: Path) -> None:
    limits = ("--data-dir", str(tmp_path), "--duration", "1")
    done = command("record", "--market", SOL, *limits, environ=FAST)
    assert done.code == ExitCode.CLEAN
    folder = DataPaths(tmp_path, RECORD).ticks_dir(SOL)
    assert str(folder) in done.out
    assert follow(folder)[0] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--market", "NO-SUCH"], ExitCode.VENUE_UNAVAILABLE, "NO-SUCH"),
        (["--market", SOL, "--venue", "kraken"], ExitCode.UNUSABLE, "kraken"),
        ([], ExitCode.USAGE, "--market"),
        (["--market", SOL, "--duration", "0"], ExitCode.USAGE, "--duration"),
        (["recover", "no/such/place"], ExitCode.UNUSABLE, "no/such/place"),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path, arguments: list[str], code: ExitCode, words: str
) -> None:
    given = arguments if "recover" in arguments else [*arguments, "--data-dir", str(tmp_path)]
    done = command("record", *given, "--json")
    assert done.code == code
    assert words in json.loads(done.out)["error"]


def test_a_disk_without_room_is_refused_at_once(tmp_path: Path) -> None:
    full = {"MM_RECORDING__MIN_FREE_MB": "1e9"}
    done = command("record", "--market", SOL, "--data-dir", tmp_path, environ=FAST | full)
    assert done.code == ExitCode.UNUSABLE
    assert "recording.min_free_mb" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_only_be_read_is_refused(tmp_path: Path) -> None:
    folder = DataPaths(tmp_path, RECORD).ticks_dir(SOL)
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    done = command("record", "--market", SOL, "--data-dir", tmp_path, environ=FAST)
    assert done.code == ExitCode.UNUSABLE
    assert "ticks" in done.err
