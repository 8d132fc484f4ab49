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
_LCG_A = np.uint64(6364136223846793005)
_LCG_C = np.uint64(1442695040888963407)
_SCALE = 2.0**-53
_TWO_PI = 2.0 * math.pi


@njit("uint64(uint64[::1], int64)", cache=True, nogil=True)
def next_bits(streams: Bits, i: int) -> int:
    """64 raw bits of stream `i`."""
    streams[i] += _GAMMA
    z = streams[i]
    z = (z ^ (z >> _S30)) * _MIX_A
    z = (z ^ (z >> _S27)) * _MIX_B
    bits: int = z ^ (z >> _S31)
    return bits


@njit("float64(uint64[::1], int64)", cache=True, nogil=True)
def uniform(streams: Bits, i: int) -> float:
    """Uniform on the open interval (0, 1)."""
    return (np.float64(next_bits(streams, i) >> _S11) + 0.5) * _SCALE


@njit("float64(uint64[::1], int64, float64)", cache=True, nogil=True)
def exponential(streams: Bits, i: int, mean: float) -> float:
    """Exponential with the given mean."""
    return -mean * math.log(uniform(streams, i))


@njit("float64(float64, float64)", cache=True, nogil=True)
def normal_from(a: float, b: float) -> float:
    """Standard normal out of two uniforms by Box and Muller, one of the pair."""
    return math.sqrt(-2.0 * math.log(a)) * math.cos(_TWO_PI * b)


@njit("float64(uint64[::1], int64)", cache=True, nogil=True)
def normal(streams: Bits, i: int) -> float:
    """Standard normal."""
    a = uniform(streams, i)
    return normal_from(a, uniform(streams, i))


@njit("float64(uint64[::1], int64, float64)", cache=True, nogil=True)
def laplace(streams: Bits, i: int, mean_abs: float) -> float:
    """Laplace with mean zero and the given mean absolute value."""
    u = uniform(streams, i) - 0.5
    size = -mean_abs * math.log(1.0 - 2.0 * abs(u) + 1e-300)
    return size if u > 0.0 else -size


@njit("int64(uint64, int64, int64)", cache=True, nogil=True)
def bit_field(bits: int, shift: int, mask: int) -> int:
    """Some of the bits of a draw, as a signed integer."""
    return int((np.uint64(bits) >> np.uint64(shift)) & np.uint64(mask))


@njit("uint64(uint64)", cache=True, nogil=True)
def mix_bits(bits: int) -> int:
    """Further bits out of one draw, for choices whose number depends on the book."""
    mixed: int = np.uint64(bits) * _LCG_A + _LCG_C  # type: ignore[assignment] # a numba uint64
    return mixed
