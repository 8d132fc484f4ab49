"""What two clocks say of each other: offset, drift, jumps and latency, from each interval's least latency.

The quickest message of an interval shows the clocks' difference best: queues and networks only add to it. Refuses to know
feeds. What always holds: a jump is not told as drift as well.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from market_maker.core.instrument import NANOS
from market_maker.kernels.gate_layout import N_BUCKETS, bucket_value

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

JUMP_NS: Final = 100_000_000
"""Smallest step of a clock that counts as one."""
DRIFT_NS: Final = 50_000_000
"""Smallest total drift that counts."""
_SIDE: Final = 5
"""Intervals before and after that a jump is seen between."""
_NOISES: Final = 6.0
_POINTS: Final = 120

_VALUES: Final = np.array([bucket_value(i) for i in range(N_BUCKETS)])


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of received minus sent, in ns."""

    messages: int = 0
    least_ns: float = 0.0
    median_ns: float = 0.0
    p99_ns: float = 0.0
    most_ns: float = 0.0
    negative: int = 0


class Jump(msgspec.Struct, frozen=True):
    """The clocks' difference changed at once."""

    time_ns: int
    size_ns: int


class Clocks(msgspec.Struct, frozen=True, kw_only=True):
    """What the least latencies tell."""

    drift_ns: int = 0
    """Change over the whole time, 0 where it cannot be told from noise or from a jump."""
    drift_ppm: float = 0.0
    jumps: tuple[Jump, ...] = ()


def bucket_values() -> Floats:
    """The middle of every bucket of a histogram, in ns."""
    return _VALUES


def quantiles(histogram: Ints, base_ns: int = 0, negative: int = 0) -> Latencies:
    """A histogram of differences from `base_ns` in figures."""
    total = int(histogram.sum())
    if not total:
        return Latencies()
    reached = np.cumsum(histogram)
    least, median, p99, most = (
        base_ns + float(_VALUES[int(np.searchsorted(reached, rank))])
        for rank in (1, (total + 1) // 2, max(1, round(0.99 * total)), total)
    )
    return Latencies(
        messages=total,
        least_ns=least,
        median_ns=median,
        p99_ns=p99,
        most_ns=most,
        negative=negative,
    )


def clocks_of(times_ns: Ints, least_ns: Ints) -> Clocks:
    """Jumps and drift of the least latencies at the given times."""
    if len(times_ns) < 2 * _SIDE:
        return Clocks()
    least = least_ns.astype(np.float64)
    jumps = _jumps(times_ns, least)
    if jumps:
        return Clocks(jumps=jumps)
    x = (times_ns - times_ns[0]) / NANOS
    every = max(1, len(x) // _POINTS)
    slope = _median_slope(x[::every], np.minimum.reduceat(least, np.arange(0, len(x), every)))
    rest = least - np.median(least - slope * x) - slope * x
    noise = 1.4826 * float(np.median(np.abs(rest)))
    drift = slope * float(x[-1])
    if abs(drift) < max(DRIFT_NS, _NOISES * noise):
        return Clocks()
    return Clocks(drift_ns=round(drift), drift_ppm=slope / 1000.0)


def _jumps(times_ns: Ints, least: Floats) -> tuple[Jump, ...]:
    windows = np.lib.stride_tricks.sliding_window_view(least, _SIDE)
    middle = np.median(windows, axis=1)
    steps = middle[_SIDE:] - middle[:-_SIDE]
    spread = np.median(np.abs(windows - middle[:, None]), axis=1)
    noise = np.maximum(spread[_SIDE:], spread[:-_SIDE]) * 1.4826
    large = np.abs(steps) > np.maximum(JUMP_NS, _NOISES * noise)
    jumps = []
    at = 0
    places = np.flatnonzero(large)
    while at < len(places):
        # Neighbouring windows see the same jump: the widest step of a run is where it happened.
        end = at
        while end + 1 < len(places) and places[end + 1] - places[end] <= _SIDE:
            end += 1
        run = places[at : end + 1]
        peak = int(run[np.argmax(np.abs(steps[run]))])
        jumps.append(Jump(int(times_ns[peak + _SIDE]), round(float(steps[peak]))))
        at = end + 1
    return tuple(jumps)


def _median_slope(x: Floats, y: Floats) -> float:
    """The median of all slopes between pairs (Theil and Sen)."""
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((y[j] - y[i]) / (x[j] - x[i])))
