"""The recorders of a process: what they are told, and what their failures cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import SOL
from recordings import CONFIG, Hand
from ticks_samples import INSTRUMENT

from market_maker.app.recording import Recordings, records
from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.core.events import Event, Feed, Heartbeat, Timer
from market_maker.core.instrument import Instrument
from market_maker.ticks.columns import events_of
from market_maker.ticks.loading import files_of, load
from market_maker.ticks.recorder import Origin


def recordings(tmp_path: Path) -> tuple[Recordings, DataPaths, list[str]]:
    said: list[str] = []
    paths = DataPaths(tmp_path, Mode.SIM, (SOL,))

    def say(_level: str, event: str, _detail: str) -> None:
        said.append(event)

    return Recordings(paths, Hand(), say), paths, said


def origin(instrument: Instrument | None) -> Origin:
    def rules() -> Instrument:
        assert instrument is not None
        return instrument

    return Origin(SOL, "simulated", "sim", rules, lambda _now_ns: None)


def test_only_what_is_public_is_kept(tmp_path: Path) -> None:
    subject, paths, said = recordings(tmp_path)
    hear = subject.tap(origin(INSTRUMENT), CONFIG)
    told: list[Event] = [Heartbeat(1, Feed.BOOK), Heartbeat(2, Feed.PRIVATE), Timer(3)]
    for event in told:
        hear(event)
    subject.mind()
    subject.close()
    assert list(events_of(load(files_of(paths.ticks_dir(SOL)))[1])) == told[:1]
    assert subject.counts()[SOL].kept_events == 1
    assert "recording_failed" not in said


def test_a_recorder_that_breaks_costs_its_recording_and_nothing_else(tmp_path: Path) -> None:
    subject, _, said = recordings(tmp_path)
    hear = subject.tap(origin(None), CONFIG)
    hear(Heartbeat(1, Feed.BOOK))
    hear(Heartbeat(2, Feed.BOOK))
    subject.close()
    assert said.count("recording_failed") == 1


@pytest.mark.parametrize(
    ("enabled", "mode", "wanted"),
    [
        (None, Mode.SIM, False),
        (None, Mode.PAPER, True),
        (None, Mode.LIVE, False),
        (True, Mode.SIM, True),
        (False, Mode.PAPER, False),
    ],
)
def test_paper_is_recorded_unless_told_otherwise(
    enabled: bool | None, mode: Mode, wanted: bool
) -> None:
    assert records(CONFIG.model_copy(update={"enabled": enabled}), mode) is wanted
