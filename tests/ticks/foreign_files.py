"""Files in the plain layout of others, good and bad, for tests of whoever reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START_NS = 1_723_161_254_000_000_000
STEP_NS = 50_000_000


def plain_rows(steps: int = 400) -> dict[str, Any]:
    """A snapshot of 12 levels a side, then changes of one level and now and then a trade."""
    rows: list[tuple[int, int, int, int, float, float]] = []

    def add(at: int, kind: int, side: int, price: float, qty: float) -> None:
        recv = START_NS + at * STEP_NS
        rows.append((recv, recv - 3_000_000, kind, side, round(price, 2), round(qty, 5)))

    add(0, 3, 0, 0.0, 0.0)
    for i in range(12):
        for side in (1, -1):
            add(0, 4, side, 61_000.0 - side * (0.01 + 0.03 * i), 0.00123 * (i + 1))
    for at in range(1, steps):
        side = 1 if at % 2 else -1
        add(at, 1, side, 61_000.0 - side * (0.01 + 0.03 * (at % 12)), 0.00017 * (1 + at % 97))
        if at % 7 == 0:
            add(at, 2, side, 61_000.0 + side * 0.01, 0.00011 * (1 + at % 5))
    names = ("ts_ns", "exch_ts_ns", "kind", "side", "price", "qty")
    types = (np.int64, np.int64, np.int8, np.int8, np.float64, np.float64)
    return {name: np.array([row[i] for row in rows], types[i]) for i, name in enumerate(names)}


def write_plain(path: Path, rows: Mapping[str, Any]) -> Path:
    """Write columns as they are."""
    pq.write_table(pa.table(dict(rows)), path, compression="zstd")
    return path
