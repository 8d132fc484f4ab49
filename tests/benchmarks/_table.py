"""What a benchmark reports, and how timings are taken.

A timing is the best of several repeats: noise only ever adds.
"""

import gc
import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """One measurement. `target` is None where none was set; `baseline` says what to compare with."""

    name: str
    value: float
    unit: str
    target: float | None = None
    baseline: str = ""
    at_most: bool = True

    @property
    def passed(self) -> bool:
        """Whether the target is met; True without one."""
        if self.target is None:
            return True
        return self.value <= self.target if self.at_most else self.value >= self.target


def best_us(work: Callable[[int], object], number: int, repeats: int = 5) -> float:
    """Microseconds for each of the `number` things that `work(number)` does, best of `repeats`."""
    work(max(1, number // 10))
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        work(number)
        best = min(best, time.perf_counter() - started)
    return best / number * 1e6


def quantile(samples: list[float], share: float) -> float:
    """Return the sample below which `share` of all samples lie."""
    return sorted(samples)[min(len(samples) - 1, int(share * len(samples)))]
