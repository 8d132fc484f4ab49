"""How long messages take between the bot and the embedded exchange.

Owns the delay distribution: a floor that physics sets plus a log-normal tail. Refuses to
know what a message says. What always holds: no draw is below the floor, which is what lets
the wire run the market ahead of the bot without ever changing what the bot could do.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

from market_maker.config.simulated import LatencyConfig
from market_maker.core.randomness import RandomStream

_BITS = 12
_SHIFT = 64 - _BITS


@cache
def _quantiles(floor_ns: int, tail_median_ns: int, tail_log_sd: float) -> tuple[int, ...]:
    count = 1 << _BITS
    normal = NormalDist()
    return tuple(
        floor_ns + round(tail_median_ns * math.exp(tail_log_sd * normal.inv_cdf((i + 0.5) / count)))
        for i in range(count)
    )


class Latency:
    """Draws delays of one kind of message from its own stream.

    A table of quantiles costs a tenth of the transform and bounds the worst delay, so that a
    drained connection ends in known time.
    """

    __slots__ = ("_stream", "_table", "floor_ns")

    def __init__(self, config: LatencyConfig, stream: RandomStream) -> None:
        """Tabulate the distribution once per set of parameters."""
        self.floor_ns = round(config.floor_ms * 1e6)
        self._table = _quantiles(
            self.floor_ns, round(config.tail_median_ms * 1e6), config.tail_log_sd
        )
        self._stream = stream

    def draw(self) -> int:
        """Delay of the next message in nanoseconds."""
        return self._table[self._stream.bits() >> _SHIFT]
