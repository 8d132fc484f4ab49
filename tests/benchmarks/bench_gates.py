"""How fast recordings are judged: the data gate over the bundled excerpts, and a plain layout read."""

import time
from pathlib import Path

from tests.benchmarks._table import Row

from market_maker.ticks.foreign import NOTHING_GIVEN, read_foreign
from market_maker.ticks.quality import quality_of
from market_maker.ticks.stream_gate import gate_over

_DATA = Path(__file__).parents[1] / "data"
_TIMES = 7


def rows() -> list[Row]:
    """Nanoseconds of processor time a row, best of some."""
    found = []
    for path in sorted(_DATA.glob("*.parquet")):
        name = path.stem.rpartition("_")[0]
        recording = read_foreign(path, NOTHING_GIVEN)
        ticks = recording.ticks
        gate, whole = [], []
        for _ in range(_TIMES):
            began = time.process_time()
            sums = gate_over(ticks, 1, 1).sums()
            gate.append(time.process_time() - began)
            quality_of(sums)
            read_foreign(path, NOTHING_GIVEN)
            whole.append(time.process_time() - began)
        found += [
            Row(f"gate over {name}, a row", min(gate) / len(ticks) * 1e9, "ns", 250.0),
            Row(f"read, gate and judge {name}, a row", min(whole) / len(ticks) * 1e9, "ns"),
        ]
    return found
