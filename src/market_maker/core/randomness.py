"""Seeded randomness: one named stream per purpose and agent.

Raw generator bits with our own transforms, so that a digest does not depend on the
version of a numeric library. Streams are derived from (seed, name): adding one never
reshuffles another.
"""

from __future__ import annotations

import hashlib
import math
import random

_BITS = 53
_SCALE = 2.0**-_BITS


def stream_seed(seed: int, name: str) -> int:
    """A 64-bit seed for the stream `name` under `seed`, the same on every platform."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class RandomStream:
    """One reproducible stream of random numbers."""

    __slots__ = ("_bits",)

    def __init__(self, seed: int, name: str) -> None:
        """Derive the stream `name` from `seed`."""
        self._bits = random.Random(stream_seed(seed, name)).getrandbits  # noqa: S311 - simulation, not secrets

    def bits(self) -> int:
        """64 raw bits."""
        return self._bits(64)

    def uniform(self) -> float:
        """Uniform on the open interval (0, 1)."""
        return (self._bits(_BITS) + 0.5) * _SCALE

    def below(self, n: int) -> int:
        """Uniform integer in [0, n); n must be positive."""
        bits = n.bit_length()
        while (draw := self._bits(bits)) >= n:
            pass
        return draw

    def normal(self) -> float:
        """Standard normal by Box and Muller (one of the pair, so that draws stay countable)."""
        radius = math.sqrt(-2.0 * math.log(self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def exponential(self, mean: float) -> float:
        """Exponential with the given mean."""
        return -mean * math.log(self.uniform())

    def shuffle(self, items: list[object]) -> None:
        """Shuffle in place (Fisher and Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
