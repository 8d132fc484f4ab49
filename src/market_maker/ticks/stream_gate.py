"""The data gate over rows as they come: for a recorder piece by piece, for a file at once.

Owns the gate's arrays. Refuses to judge: `quality` of another module does. What always holds: pieces of any size give
what the whole gives, and looking at the result changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np

from market_maker.core.instrument import NANOS
from market_maker.kernels import gate_layout as at
from market_maker.kernels.book import Ints as KernelInts
from market_maker.kernels.book import new_book
from market_maker.kernels.gate import watch
from market_maker.kernels.gate_layout import Ints
from market_maker.kernels.gate_notes import settle
from market_maker.ticks.columns import Ticks

LEVELS: Final = 2000
STALE_AFTER_NS: Final = NANOS
_MOST_INTERVALS: Final = 100_000


class StreamGate:
    """One recording's gate."""

    __slots__ = ("_book", "_kernel_state", "_spare", "_state")

    def __init__(
        self,
        tick: int,
        lot: int,
        start_ns: int,
        length_ns: int,
        *,
        stale_after_ns: int = STALE_AFTER_NS,
        levels: int = LEVELS,
    ) -> None:
        """Begin at `start_ns`; what comes later than `length_ns` counts to the last interval."""
        interval_ns = max(NANOS, -(-length_ns // (_MOST_INTERVALS * NANOS)) * NANOS)
        self._book, self._spare = (new_book(levels) for _ in range(2))
        state = self._state = at.new_gate(length_ns // interval_ns + 1)
        self._kernel_state = cast("KernelInts", state)
        state[at.TICK], state[at.LOT] = tick, lot
        state[at.INTERVAL_NS] = interval_ns
        state[at.STALE_NS] = stale_after_ns
        state[at.START_NS] = max(1, start_ns)
        state[at.RESET] = 1

    def watch(self, ticks: Ticks, kernel: Callable[..., None] = watch) -> None:
        """Look at more rows."""
        kernel(
            self._kernel_state,
            self._book,
            self._spare,
            ticks.recv_ns,
            ticks.venue_ns,
            ticks.kind,
            ticks.side,
            ticks.price,
            ticks.qty,
            ticks.seq,
            ticks.ref,
            ticks.flags,
        )

    def sums(self, end_ns: int | None = None) -> Sums:
        """All that is known up to `end_ns`, by default the last message."""
        state = self._state.copy()
        if state[at.FIRST_MESSAGE]:
            settle(cast("KernelInts", state), int(state[at.NOW]) if end_ns is None else end_ns)
        return Sums(state)

    def next_part(self, start_ns: int) -> None:
        """Count anew from `start_ns`; the book, the clocks and what lasts go on."""
        state = self._state
        for first, stop in _COUNTERS:
            state[first:stop] = 0
        state[at.START_NS] = state[at.NOW] = max(1, start_ns)
        state[at.ROW] = at.TABLE
        state[at.ROW_ENDS_NS] = state[at.START_NS] + state[at.INTERVAL_NS]
        for first, stop in ((at.SINCE, at.LAST_NS), (at.LAST_NS, at.LAST_VENUE)):
            moments = state[first:stop]
            moments[moments > 0] = np.maximum(moments[moments > 0], start_ns)


class Sums:
    """What a gate knows at some moment, under names; arrays are views into one state."""

    __slots__ = ("found", "gaps", "latencies", "spans", "state", "table")

    def __init__(self, state: Ints) -> None:
        """Name the blocks of a settled state."""
        self.state = state
        self.found = state[at.FOUND : at.SPANS].reshape(-1, at.FOUND_WIDTH)
        self.spans = state[at.SPANS : at.LATENCIES].reshape(-1, at.N_KEPT, at.SPAN_WIDTH)
        self.latencies = state[at.LATENCIES : at.GAPS].reshape(-1, at.N_BUCKETS)
        self.gaps = state[at.GAPS : at.SUMMED].reshape(-1, at.N_BUCKETS)
        self.table = state[at.TABLE :].reshape(-1, at.N_COLUMNS)

    @property
    def start_ns(self) -> int:
        """When the gate began."""
        return int(self.state[at.START_NS])

    @property
    def end_ns(self) -> int:
        """The time of the last message."""
        return int(self.state[at.NOW])

    @property
    def interval_ns(self) -> int:
        """How long each row of the table is."""
        return int(self.state[at.INTERVAL_NS])


_COUNTERS: Final = (
    (at.ROWS, at.FIRST_MESSAGE),
    (at.NEGATIVE_OF, at.SUMMED),
    (at.TABLE, None),
)


def gate_over(ticks: Ticks, tick: int, lot: int) -> StreamGate:
    """A gate that has looked at all rows."""
    start_ns = int(ticks.recv_ns.min()) if len(ticks) else 0
    length_ns = int(ticks.recv_ns.max()) - start_ns if len(ticks) else 0
    gate = StreamGate(tick, lot, start_ns, length_ns)
    gate.watch(ticks)
    return gate
