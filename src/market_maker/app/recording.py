"""The recorders of one process: a writer and a recorder for each market that is recorded.

Owns where recordings lie and whether a run records at all. Refuses to know where events come from. It
always holds that a recorder hears each public event before whoever keeps the book that its snapshots
come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.config.recording import RecordingConfig
from market_maker.core.clock import Clock
from market_maker.core.events import Event
from market_maker.ticks.packing import as_public
from market_maker.ticks.recorder import Origin, RecordingCounts, TicksRecorder

if TYPE_CHECKING:
    from market_maker.ticks.writer import Writer

Say = Callable[[str, str, str], None]
"""Takes level, event and detail of what an operator should know; called from threads too."""

MIND_S: Final = 0.25
"""How often recorders are minded, so that quiet markets reach the disk too."""


def records(config: RecordingConfig, mode: str) -> bool:
    """Whether a run in this mode is recorded."""
    return mode == Mode.PAPER if config.enabled is None else config.enabled


class Recordings:
    """Recorders by market; mind them, and close them when nothing is heard any more."""

    def __init__(self, paths: DataPaths, clock: Clock, say: Say) -> None:
        self._paths = paths
        self._clock = clock
        self._say = say
        self._kept: dict[str, tuple[TicksRecorder, Writer]] = {}

    def add(self, origin: Origin, config: RecordingConfig) -> TicksRecorder:
        """Begin to record a market; raises UnusableError where its folder cannot be written."""
        from market_maker.ticks.writer import Writer  # noqa: PLC0415 - loads Arrow, only to record

        folder = self._paths.ticks_dir(origin.market)
        writer = Writer(folder, config, self._clock, self._say)
        recorder = TicksRecorder(origin, config, writer)
        self._kept[origin.market] = recorder, writer
        return recorder

    def tap(self, origin: Origin, config: RecordingConfig) -> Callable[[Event], None]:
        """Begin to record a market from events of every kind; what is returned never raises."""
        record = self.add(origin, config).record
        broken = False

        def hear(event: Event) -> None:
            nonlocal broken
            public = as_public(event)
            if public is None or broken:
                return
            try:
                record(public)
            except Exception as error:  # noqa: BLE001 - what cannot be recorded must reach the bot
                broken = True
                self._say("error", "recording_failed", f"{origin.market}: {error!r}")

        return hear

    def mind(self) -> None:
        """Let quiet markets reach the disk; call it every `MIND_S`."""
        for recorder, _ in self._kept.values():
            recorder.hand_over()

    def counts(self) -> dict[str, RecordingCounts]:
        """How each market's recording stands."""
        return {
            market: RecordingCounts(
                kept_events=writer.kept_events,
                dropped_events=recorder.dropped_events + writer.lost_events,
                waiting_rows=writer.waiting_rows,
                kept_bytes=writer.kept_bytes,
                holes=recorder.holes,
                refusal=writer.refusal,
            )
            for market, (recorder, writer) in self._kept.items()
        }

    def close(self) -> None:
        """End every recording in order; waits for the disk."""
        now_ns = self._clock.now_ns()
        for recorder, writer in self._kept.values():
            recorder.close(now_ns)
            writer.close()
