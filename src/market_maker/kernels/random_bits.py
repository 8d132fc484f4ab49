"""Random numbers inside kernels: one SplitMix64 stream per row of a state array.

Owns the raw bits and our own transforms of them, so that a digest does not depend on the version of
a numeric library. Refuses to know what a stream is for. What always holds: each draw
advances exactly its own stream by exactly one step (`normal` by two), whatever it returns.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bits = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_S30 = np.uint64(30)
_S27 = np.uint64(27)
_S31 = np.uint64(31)
_S11 = np.uint64(11)
_SCALE = 2.0**-53
_TWO_PI = 2.0 * math.pi


@njit("uint64(uint64[::1], int64)", cache=True, nogil=True)
def next_bits(streams: Bits, i: int) -> int:
    """64 raw bits of stream `i`."""
    streams[i] += _GAMMA
    z = streams[i]
    z = (z ^ (z >> _S30)) * _MIX_A
    z = (z ^ (z >> _S27)) * _MIX_B
    return z ^ (z >> _S31)


@njit("float64(uint64[::1], int64)", cache=True, nogil=True)
def uniform(streams: Bits, i: int) -> float:
    """Uniform on the open interval (0, 1)."""
    return (np.float64(next_bits(streams, i) >> _S11) + 0.5) * _SCALE


@njit("float64(uint64[::1], int64, float64)", cache=True, nogil=True)
def exponential(streams: Bits, i: int, mean: float) -> float:
    """Exponential with the given mean."""
    return -mean * math.log(uniform(streams, i))


@njit("float64(uint64[::1], int64)", cache=True, nogil=True)
def normal(streams: Bits, i: int) -> float:
    """Standard normal by Box and Muller, one of the pair."""
    radius = math.sqrt(-2.0 * math.log(uniform(streams, i)))
    return radius * math.cos(_TWO_PI * uniform(streams, i))


@njit("float64(uint64[::1], int64, float64)", cache=True, nogil=True)
def laplace(streams: Bits, i: int, mean_abs: float) -> float:
    """Laplace with mean zero and the given mean absolute value."""
    u = uniform(streams, i) - 0.5
    size = -mean_abs * math.log(1.0 - 2.0 * abs(u) + 1e-300)
    return size if u > 0.0 else -size
