"""How an engine that is a kernel answers from Python, and what a compiled driver takes from it.

Owns the buffers shared with the kernel. The kernel holds the whole engine, so that the bot and a
parameter sweep cannot differ. Knows no formula.
"""

from __future__ import annotations

from struct import Struct
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from market_maker.kernels import ladder
from market_maker.kernels.engine_state import MEMORY_SIZE, STATE_SIZE
from market_maker.quoting.engine import EngineQuote, QuoteState

Floats: TypeAlias = npt.NDArray[np.float64]
Row: TypeAlias = tuple[float, ...]
Parts: TypeAlias = dict[str, Row]

_PARTS = ("inventory", "drift", "carry", "regime", "spacing", "fee")
"""The ladder kernel's rows after offsets and fractions, in its order."""


class QuoteKernel(Protocol):
    """A numba function of the signature `engine_state.QUOTE_SIGNATURE`."""

    def __call__(
        self, config: Floats, state: Floats, rows: Floats, memory: Floats, /
    ) -> tuple[int, int]:
        """Write the lengths of every level; the levels quoted on each side."""
        ...


class CompiledForm(msgspec.Struct, frozen=True):
    """An engine as a compiled driver runs it: its kernel and its settings in the kernel's order."""

    kernel: QuoteKernel
    config: tuple[float, ...]


@runtime_checkable
class CompiledEngine(Protocol):
    """What an engine offers beside `QuotingEngine` to run in compiled sweeps."""

    @property
    def compiled(self) -> CompiledForm:
        """The same engine as a kernel."""
        ...


class KernelEngine:
    """Calls the kernel of one engine."""

    __slots__ = (
        "_config",
        "_kernel",
        "_levels",
        "_memory",
        "_pack",
        "_rows",
        "_rows_array",
        "_state",
        "_state_array",
        "_unpack",
    )

    def __init__(self, form: CompiledForm) -> None:
        """Allocate what the kernel reads and remembers."""
        self._kernel = form.kernel
        self._config = np.array(form.config, dtype=np.float64)
        self._memory = np.zeros(MEMORY_SIZE, dtype=np.float64)
        self._pack = Struct(f"={STATE_SIZE}d")
        self._state = bytearray(self._pack.size)
        self._state_array = np.frombuffer(self._state, dtype=np.float64)
        self._resize(1)

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        if self._levels != state.levels:
            self._resize(state.levels)
        self._pack.pack_into(self._state, 0, *astuple(state))
        buys, sells = self._kernel(self._config, self._state_array, self._rows_array, self._memory)
        cells = self._unpack.unpack(self._rows)
        levels = self._levels
        bids, bid_sizes, bid_parts = _side(cells, 0, levels, buys)
        asks, ask_sizes, ask_parts = _side(cells, ladder.ROW_COUNT * levels, levels, sells)
        return EngineQuote(bids, asks, bid_sizes, ask_sizes, bid_parts, ask_parts)

    def _resize(self, levels: int) -> None:
        """Make room for another number of levels."""
        self._levels = levels
        self._unpack = Struct(f"={2 * ladder.ROW_COUNT * levels}d")
        self._rows = bytearray(self._unpack.size)
        rows = np.frombuffer(self._rows, dtype=np.float64)
        self._rows_array = rows.reshape(2 * ladder.ROW_COUNT, levels)


def _side(cells: Row, at: int, width: int, levels: int) -> tuple[Row, Row, Parts]:
    """Offsets, sizes and parts of one side; what no other part explains is the model's."""
    offsets = cells[at : at + levels]
    at += width
    sizes = cells[at : at + levels]
    parts = {}
    for name in _PARTS:
        at += width
        parts[name] = cells[at : at + levels]
    model = [
        offset - sum(others)
        for offset, others in zip(offsets, zip(*parts.values(), strict=True), strict=True)
    ]
    return offsets, sizes, {"model": tuple(model), **parts}
