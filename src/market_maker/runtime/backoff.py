"""How long to wait between attempts at the same thing.

Owns the pause of one kind of attempt: it doubles up to a longest, is shortened at random so that
many clients do not come back at the same instant, and is the first one again only after a quiet
time as long as the longest, however well single attempts went. Refuses to know what is attempted.
"""

from __future__ import annotations

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.clock import Clock
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream

_JITTER = 0.25
"""Largest share of a pause that chance takes away."""


class Backoff:
    """Pauses of one kind of attempt; call `begin` before each and `pause_s` after it."""

    __slots__ = ("_first_s", "_longest_s", "_next_s", "_over_ns", "_random")

    def __init__(self, first_s: float, longest_s: float, random: RandomStream) -> None:
        """Start with the first pause."""
        self._first_s = first_s
        self._longest_s = max(first_s, longest_s)
        self._next_s = first_s
        self._over_ns = 0
        self._random = random

    def begin(self, now_ns: int) -> None:
        """An attempt starts: after a quiet time its pause is the first one again."""
        if now_ns - self._over_ns >= self._longest_s * NANOS:
            self._next_s = self._first_s

    def pause_s(self, now_ns: int) -> float:
        """How long to wait after an attempt; the next pause is longer."""
        pause_s = self._next_s * (1.0 - _JITTER * self._random.uniform())
        self._next_s = min(2 * self._next_s, self._longest_s)
        self._over_ns = now_ns + int(pause_s * NANOS)
        return pause_s


def backoff_of(config: RuntimeConfig, clock: Clock, name: str) -> Backoff:
    """The configured backoff; two bots, or two starts of one, draw other pauses."""
    random = RandomStream(clock.now_ns(), f"backoff/{name}")
    return Backoff(config.resync_backoff_s, config.resync_backoff_max_s, random)
