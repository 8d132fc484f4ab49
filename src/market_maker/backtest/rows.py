"""Rows of integers that grow one by one and end as columns.

One flat array, extended in one call: cheap enough for the path of every event.
"""

from __future__ import annotations

from array import array

import numpy as np

from market_maker.backtest.session import Ints


class Rows:
    """Rows of so many integers each."""

    __slots__ = ("_flat", "_width", "add")

    def __init__(self, width: int) -> None:
        """Start empty; `add` takes one row, or several one after another."""
        self._width = width
        self._flat = array("q")
        self.add = self._flat.extend

    def __len__(self) -> int:
        """Rows so far."""
        return len(self._flat) // self._width

    def columns(self, *more: tuple[int, ...]) -> tuple[Ints, ...]:
        """A copy of every column, with rows that are not final yet at its end."""
        flat = self._flat + array("q", [value for row in more for value in row])
        table = np.array(flat, dtype=np.int64).reshape(-1, self._width)
        return tuple(np.ascontiguousarray(column) for column in table.T)

    def named(self, names: tuple[str, ...]) -> dict[str, Ints]:
        """A copy of every column, by name."""
        return dict(zip(names, self.columns(), strict=True))
