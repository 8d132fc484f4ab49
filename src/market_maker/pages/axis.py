"""Axes of charts: where ticks stand and how they are written, for numbers and for times.

Refuses to know pixels' meaning beyond a linear map.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec

_NANOS = 1_000_000_000
_TIME_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400,
)  # fmt: skip


class Axis(msgspec.Struct, frozen=True):
    """A range of values; `log` spreads it by powers of ten, `time` reads it as nanoseconds since 1970.

    With `names` these are its ticks.
    """

    low: float
    high: float
    log: bool = False
    time: bool = False
    names: tuple[tuple[float, str], ...] = ()

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1 within the range."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(max(value, self.low)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, about: int) -> list[tuple[float, str]]:
        """Round values within the range, roughly `about` of them, with their labels."""
        if self.names:
            return list(self.names)
        if self.log:
            return _log_ticks(self.low, self.high)
        if self.time:
            return _time_ticks(self.low, self.high, about)
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(i * step, short(i * step, step)) for i in range(first, last + 1)]


def axis_of(low: float, high: float, *, zero: bool = False, time: bool = False) -> Axis:
    """A range that holds both ends, widened where they are equal or not finite."""
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        margin = abs(low) * 0.01 or 1.0
        low, high = (low, low + margin) if zero or time else (low - margin, low + margin)
    return Axis(low, high, time=time)


def short(value: float, step: float = 0.0) -> str:
    """A number in few characters; `step` says how fine neighbours are."""
    if value == 0 or abs(value) < abs(step) * 1e-6:
        return "0"
    size = abs(value)
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= scale and size >= 1e4 and step >= scale / 2:
            return f"{value / scale:.6g}{letter}"
    if step:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        return f"{value:,.{min(decimals, 12)}f}" if decimals <= 8 else f"{value:.3g}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"


def clock(time_ns: float, *, seconds: bool = True, millis: bool = False) -> str:
    """Time of day (UTC)."""
    whole, rest = divmod(int(time_ns), _NANOS)
    text = datetime.fromtimestamp(whole, UTC).strftime("%H:%M:%S" if seconds else "%H:%M")
    return f"{text}.{rest // 1_000_000:03d}" if millis else text


def moment(time_ns: float) -> str:
    """Date and time (UTC)."""
    return datetime.fromtimestamp(int(time_ns) // _NANOS, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _round_step(step: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(step))
    for factor in (1, 2, 2.5, 5):
        if step <= factor * power * (1 + 1e-9):
            return factor * power
    return 10 * power


def _time_ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    wanted = (high - low) / _NANOS / about
    step_s = next(
        (step for step in _TIME_STEPS_S if step >= wanted), 86400.0 * math.ceil(wanted / 86400)
    )
    step = round(step_s * _NANOS)
    first = -int(-low // step)
    ticks = []
    for i in range(first, int(high // step) + 1):
        at = i * step
        day = at % (86400 * _NANOS) == 0 and step_s >= 3600
        label = moment(at)[5:10] if day else clock(at, seconds=step_s < 60, millis=step_s < 1)
        ticks.append((float(at), label))
    return ticks


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, (last - first) // 6)
    return [(10.0**i, short(10.0**i, 10.0**i)) for i in range(first, last + 1, every)]
