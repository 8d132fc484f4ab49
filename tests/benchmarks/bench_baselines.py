"""What the machine itself costs, measured in the same run: an idle loop, a numba call, a dispatch."""

import math
from functools import cache

from numba import njit
from tests.benchmarks._table import Row, best_us

from market_maker.core.events import BookDelta, Fill, Timer, TradePrint


@njit("float64(float64, float64)")
def _formula(x: float, y: float) -> float:
    return math.exp(-x) + y


def _idle(number: int) -> None:
    for _ in range(number):
        pass


def _calls(number: int) -> None:
    formula = _formula
    for _ in range(number):
        formula(0.5, 1.0)


def _handle(event: object) -> int:
    match event:
        case BookDelta():
            return 1
        case TradePrint():
            return 2
        case Fill():
            return 3
        case _:
            return 0


def _dispatches(number: int) -> None:
    event = Timer(0)
    for _ in range(number):
        _handle(event)


@cache
def idle_loop_us() -> float:
    """One turn of an empty loop."""
    return best_us(_idle, 1_000_000)


@cache
def numba_call_us() -> float:
    """One call of a compiled scalar formula from Python."""
    return best_us(_calls, 200_000)


@cache
def dispatch_us() -> float:
    """One event matched by its type."""
    return best_us(_dispatches, 200_000)


def rows() -> list[Row]:
    """Measure the baselines."""
    return [
        Row("baseline: idle loop, one turn", idle_loop_us(), "us"),
        Row("baseline: bare numba call", numba_call_us(), "us"),
        Row("baseline: bare event dispatch", dispatch_us(), "us"),
    ]
