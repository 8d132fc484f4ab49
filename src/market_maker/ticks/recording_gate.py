"""The data gate beside a recorder: the same gate as on load, told piece by piece what is kept.

Owns when parts begin and what is said of one that ended. What always holds: a flawless part is not mentioned, so that what is
said is worth reading.
"""

from __future__ import annotations

from market_maker.core.instrument import NANOS
from market_maker.ticks.columns import Ticks
from market_maker.ticks.findings import Verdict, Weight
from market_maker.ticks.header import Header
from market_maker.ticks.quality import quality_of
from market_maker.ticks.stream_gate import StreamGate


class RecordingGate:
    """One market's gate; parts last `part_s`."""

    __slots__ = ("_gate", "_part_ns")

    def __init__(self, part_s: float) -> None:
        """Wait for the first part."""
        self._part_ns = int(part_s * NANOS)
        self._gate: StreamGate | None = None

    def begin(self, header: Header, start_ns: int) -> None:
        """A part begins; the book and the clocks go on."""
        if self._gate is None:
            instrument = header.instrument
            self._gate = StreamGate(instrument.tick, instrument.lot, start_ns, self._part_ns)
        else:
            self._gate.next_part(start_ns)

    def watch(self, ticks: Ticks) -> None:
        """Look at rows of the part in hand."""
        if self._gate is not None:
            self._gate.watch(ticks)

    def said(self) -> str:
        """What is wrong with the part in hand, empty if nothing is."""
        if self._gate is None:
            return ""
        quality = quality_of(self._gate.sums())
        if quality.verdict is Verdict.READY:
            return ""
        words = [
            f"{item.finding}: {item.text}"
            for item in quality.found
            if item.weight is not Weight.REMARK
        ]
        return f"{quality.verdict}: {'; '.join(words)}"
