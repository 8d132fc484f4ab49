"""Public events of one market on their way to the disk, as seen from the event loop.

Owns the rows that are not handed over yet, when a file begins and what stands at its head. Refuses to
wait: what the writer cannot take is dropped and counted. What always holds: rows are in the order of
receipt; where events are missing the recording says so by states of the feeds that go down, and goes on
with a snapshot; every file can be read alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec

from market_maker.config.recording import RecordingConfig
from market_maker.core.events import BookSnapshot, Feed, FeedStatus, FundingUpdate
from market_maker.core.instrument import NANOS, Instrument
from market_maker.ticks.columns import BRIDGE, ROW, PublicEvent
from market_maker.ticks.header import header_of
from market_maker.ticks.packing import Block, Packer

_BLOCK_BYTES: Final = 2048 * ROW.itemsize
"""Rows that are handed over together."""

LOST: Final = "recording: events lost"
ENDED: Final = "recording: ended"


class Origin(msgspec.Struct, frozen=True):
    """What is recorded: market, venue, mode, and the source of what may change."""

    market: str
    venue: str
    mode: str
    instrument: Callable[[], Instrument]
    book: Callable[[int], BookSnapshot | None]
    """The book dated at a time, as it was before the event that is being recorded."""


class Keeper(Protocol):
    """Takes blocks; `ticks.writer.Writer`."""

    @property
    def generation(self) -> int:
        """Counts up whenever rows were lost that had been handed over."""
        ...

    @property
    def refusal(self) -> str:
        """Why nothing is taken now; empty while blocks are welcome."""
        ...

    @property
    def lost_from_ns(self) -> int:
        """When the first lost event was received."""
        ...

    @property
    def waiting_rows(self) -> int:
        """Rows that were handed over and not yet taken."""
        ...

    def put(self, block: Block) -> None:
        """Hand a block over; never blocks."""
        ...


class RecordingCounts(msgspec.Struct, frozen=True):
    """How one market's recording stands; `kept` is what the disk has confirmed."""

    kept_events: int
    dropped_events: int
    waiting_rows: int
    kept_bytes: int
    holes: int
    refusal: str


class TicksRecorder:
    """Records one market; call `record` before anybody else applies the event."""

    def __init__(self, origin: Origin, config: RecordingConfig, keeper: Keeper) -> None:
        """Nothing is written before the first event."""
        self.recorded_events = 0
        self.dropped_events = 0
        self.holes = 0
        self._origin = origin
        self._keeper = keeper
        self._period_ns = config.rotate_minutes * 60 * NANOS
        self._most_waiting = config.queue_rows
        self._generation = keeper.generation
        self._packer = Packer()
        self._events = 0
        self._begins_file = False
        self._first_ns = 0
        self._last_ns = 0
        self._turn_ns = 0
        self._hole_ns = 0
        self._session = 0
        self._part = -1
        self._instrument: Instrument | None = None
        self._states: dict[Feed, bool] = {}
        self._funding: FundingUpdate | None = None

    @property
    def recording(self) -> bool:
        """Whether events are being kept now."""
        return not self._hole_ns

    def record(self, event: PublicEvent) -> None:
        """Keep one event; costs a microsecond or two."""
        if event.recv_ns >= self._turn_ns or self._generation != self._keeper.generation:
            self._turn(event.recv_ns)
        if type(event) is FeedStatus or type(event) is FundingUpdate:
            self._note(event)
        if self._hole_ns:
            self.dropped_events += 1
            return
        packer = self._packer
        if not packer.rows:
            self._first_ns = event.recv_ns
        if not packer.append(event):
            self._refuse(event)
            return
        self._events += 1
        self._last_ns = event.recv_ns
        if len(packer.rows) >= _BLOCK_BYTES:
            self.hand_over()

    def hand_over(self) -> None:
        """Give the writer what there is; call it now and then, for quiet markets."""
        packer = self._packer
        if not packer.rows:
            return
        keeper, events = self._keeper, self._events
        if keeper.waiting_rows > self._most_waiting:
            self._break(self._first_ns, events)
            return
        header = None
        if self._begins_file:
            origin = self._origin
            assert self._instrument is not None, "a file begins with its instrument"
            header = header_of(
                origin.market,
                origin.venue,
                origin.mode,
                self._instrument,
                self._session,
                self._part,
            )
        keeper.put(
            Block(packer.rows, packer.text, events, self._generation, self._first_ns, header)
        )
        self.recorded_events += events
        self._begins_file = False
        self._renew()

    def close(self, now_ns: int) -> None:
        """End the recording in order; the writer is closed by its owner."""
        if not self._hole_ns and self._part >= 0:
            now_ns = max(now_ns, self._last_ns)
            for feed, up in self._states.items():
                if up:
                    self._packer.append(FeedStatus(now_ns, feed, up=False, detail=ENDED))
        self.hand_over()

    def _turn(self, now_ns: int) -> None:
        """Begin a file: the first, the next one, or one behind a hole."""
        keeper = self._keeper
        if self._generation != keeper.generation and not self._hole_ns:
            self._break(self._first_ns or now_ns, self._events)
        if self._hole_ns:
            if keeper.refusal or keeper.waiting_rows > self._most_waiting // 2:
                self._turn_ns = 0  # ask again with the next event
                return
            if self._generation != keeper.generation:
                self._hole_ns = min(self._hole_ns, keeper.lost_from_ns)
        else:
            self.hand_over()
        self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        self._generation = self._keeper.generation
        self._turn_ns = now_ns - now_ns % self._period_ns + self._period_ns
        self._session = self._session or now_ns
        self._part += 1
        self._begins_file = True
        self._instrument = self._origin.instrument()
        self._first_ns = now_ns
        flags = 0 if self._hole_ns else BRIDGE
        for event in self._head(now_ns):
            self._packer.append(event, flags)
        self._hole_ns = 0

    def _head(self, now_ns: int) -> Iterator[PublicEvent]:
        """What a reader who knows nothing must be told, and what was missed by one who reads on."""
        if self._part == 0:
            return
        if self._hole_ns:
            self._first_ns = self._hole_ns
            for feed in self._states:
                yield FeedStatus(self._hole_ns, feed, up=False, detail=LOST)
        for feed, up in self._states.items():
            yield FeedStatus(now_ns, feed, up=up)
        if (book := self._origin.book(now_ns)) is not None:
            yield book
        if self._funding is not None:
            yield msgspec.structs.replace(self._funding, recv_ns=now_ns)

    def _refuse(self, event: PublicEvent) -> None:
        """An event whose numbers fit no row is a hole like any other that is missing."""
        self.hand_over()
        if self._hole_ns:
            self.dropped_events += 1
        else:
            self._break(event.recv_ns, 1)

    def _note(self, event: FeedStatus | FundingUpdate) -> None:
        if isinstance(event, FundingUpdate):
            self._funding = event
        else:
            self._states[event.feed] = event.up

    def _break(self, from_ns: int, events: int) -> None:
        """Drop what is at hand; the recording goes on when the writer can take it again."""
        self.dropped_events += events
        self.holes += 1
        self._hole_ns = max(from_ns, 1)
        self._turn_ns = 0
        self._renew()

    def _renew(self) -> None:
        self._packer = Packer()
        self._events = 0
        self._first_ns = 0
