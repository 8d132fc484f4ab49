"""What the bot's own requests and fills say about latencies and the queue: settings for the next paper session or backtest.

A request's round trip is the way there plus the way back, and only their sum can be seen from here: the way back is taken
to be half of the fastest round trip. Floor and log-normal tail reproduce the median and the spread of what was
measured. Refuses to know how settings are used.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, Blocks
from market_maker.backtest.parity.queue_refit import refit_queue
from market_maker.backtest.parity.spread import LEAST, Spread, spread_of
from market_maker.backtest.session import KINDS, RESULTS, Floats, Session
from market_maker.core.events import RequestKind, Result
from market_maker.kernels.fill_fit import Columns, ExponentFit

_NAMES: Final = {
    RequestKind.SUBMIT: "place",
    RequestKind.AMEND: "amend",
    RequestKind.CANCEL: "cancel",
}
_TAIL: Final = 0.05
_Z_TAIL: Final = NormalDist().inv_cdf(1.0 - _TAIL)
_BOUNDS: Final = (0.5 - CONFIDENCE / 2.0, 0.5 + CONFIDENCE / 2.0)
_MOST_LOG_SD: Final = 3.0
_DRAWS: Final = 400
_MOST_DRAWN: Final = 2_000
"""Of more values every so-many-th is drawn again: intervals are then wider than they need be."""


class Fitted(msgspec.Struct, frozen=True):
    """One number and its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As a setting with a comment."""
        return f"{self.value:.3f}  # {self.low:.3f} to {self.high:.3f}"


class Delay(msgspec.Struct, frozen=True):
    """One latency as settings tell it, and what it was measured from.

    `measured` are round trips (own stream: one way, by the venue's clock).
    """

    name: str
    measured: Spread
    floor_ms: Fitted
    tail_median_ms: Fitted
    tail_log_sd: Fitted


class Refit(msgspec.Struct, frozen=True):
    """Latencies of one session, and its queue exponent where a recording was given; `notes` say what could not be told."""

    delays: tuple[Delay, ...]
    response_ms: float | None
    queue: ExponentFit | None
    notes: tuple[str, ...]

    def toml(self) -> str:
        """The settings as a file for `--config`."""
        lines = [] if self.queue is None else _queue_lines(self.queue)
        for delay in self.delays:
            spread = delay.measured
            what = "one way" if delay.name == "stream" else "round trip"
            lines += [
                f"[paper.{delay.name}_latency]  # {what}: median {spread.median:.2f} ms{_bounds(spread)}, n = {spread.count}",
                f"floor_ms = {delay.floor_ms}",
                f"tail_median_ms = {delay.tail_median_ms}",
                f"tail_log_sd = {delay.tail_log_sd}",
                "",
            ]
        if self.response_ms is not None:
            lines += [
                "[paper.response_latency]  # taken as half of the fastest round trip",
                f"floor_ms = {self.response_ms:.3f}",
                "tail_median_ms = 0.0",
                "tail_log_sd = 0.0",
                "",
            ]
        return "\n".join(lines)


def refit(session: Session, columns: Columns | None = None) -> Refit:
    """Measure a session's latencies, and its queue exponent on a recording of its market."""
    requests = session.requests
    answered = (requests.latency_ns >= 0) & (requests.result != RESULTS.index(Result.UNKNOWN))
    trips = {
        name: requests.latency_ns[answered & (requests.kind == KINDS.index(kind))] / 1e6
        for kind, name in _NAMES.items()
    }
    known = {name: values for name, values in trips.items() if len(values) >= LEAST}
    notes = [
        f"{name}: {len(values)} answers are too few to measure a latency ({LEAST} needed)"
        for name, values in trips.items()
        if name not in known
    ]
    response_ms = (
        min((float(v.min()) for v in known.values()), default=0.0) / 2.0 if known else None
    )
    delays = [_delay(name, values, response_ms or 0.0) for name, values in known.items()]
    stream, note = _stream(session)
    queue, doubt = _queue(session, columns)
    return Refit((*delays, *stream), response_ms, queue, (*notes, *note, *doubt))


def _queue(session: Session, columns: Columns | None) -> tuple[ExponentFit | None, tuple[str, ...]]:
    if columns is None:
        return None, ("queue exponent: needs a recording of the market, --data",)
    fit = refit_queue(session, columns)
    if fit is None:
        return None, ("queue exponent: no order rested in a queue that the recording shows",)
    if not fit.bounded:
        return fit, ("queue exponent: its interval reaches the end of what was searched",)
    return fit, ()


def _queue_lines(fit: ExponentFit) -> list[str]:
    told = f"{fit.low:.3f} to {fit.high:.3f}, from {fit.used} quotes of which {fit.filled} filled"
    proposed = "" if fit.bounded else "# "  # what the orders do not settle is no setting
    return ["[paper]", f"{proposed}queue_exponent = {fit.exponent:.3f}  # {told}", ""]


def _stream(session: Session) -> tuple[tuple[Delay, ...], tuple[str, ...]]:
    """How long fills took to reach us; only as good as the venue's clock."""
    fills = session.fills
    dated = fills.venue_ns > 0
    values = (fills.time_ns - fills.venue_ns)[dated] / 1e6
    if len(values) < LEAST:
        return (), (f"stream: {len(values)} dated fills are too few to measure a latency",)
    if values.min() < 0.0:
        return (), (
            "stream: fills are dated after they came: the clocks differ, no latency is told",
        )
    return (_delay("stream", values, 0.0),), ()


def _delay(name: str, values_ms: Floats, way_back_ms: float) -> Delay:
    """A floor and a log-normal tail that have the values' median and spread, with intervals by drawing again."""
    measured = spread_of(values_ms, "ms")
    assert measured is not None
    every = -(-len(values_ms) // _MOST_DRAWN)
    sample = values_ms[::every]
    drawn = Blocks(len(sample), 1).paths(sample, _DRAWS, name)
    floor, tail, log_sd = _shape(values_ms[None])[:, 0].tolist()
    spans = np.quantile(_shape(drawn), _BOUNDS, axis=1)
    (floor_low, tail_low, sd_low), (floor_high, tail_high, sd_high) = spans.tolist()
    return Delay(
        name,
        measured,
        Fitted(*(max(at - way_back_ms, 0.0) for at in (floor, floor_low, floor_high))),
        Fitted(tail, tail_low, tail_high),
        Fitted(log_sd, sd_low, sd_high),
    )


def _shape(rows_ms: Floats) -> Floats:
    """Floor, median tail and log-sd of each row: the log-normal whose tail quantiles lie in a geometric row.

    (low - floor)(high - floor) = (median - floor)^2. What is not skewed to the right has no such floor and
    begins at its least value.
    """
    low, median, high = np.quantile(rows_ms, (_TAIL, 0.5, 1.0 - _TAIL), axis=1)
    least = rows_ms.min(axis=1)
    skew = low + high - 2.0 * median
    skewed = skew > 1e-9 * np.maximum(median, 1e-9)
    floor = np.where(skewed, (low * high - median**2) / np.where(skewed, skew, 1.0), least)
    floor = np.clip(floor, 0.0, least)
    tail = median - floor
    spread = np.where(tail > 0.0, (high - floor) / np.where(tail > 0.0, tail, 1.0), 1.0)
    log_sd = np.minimum(np.log(np.maximum(spread, 1.0)) / _Z_TAIL, _MOST_LOG_SD)
    return np.stack((floor, tail, log_sd))


def _bounds(spread: Spread) -> str:
    if spread.low is None or spread.high is None:
        return ""
    return f" ({spread.low:.2f} to {spread.high:.2f})"
