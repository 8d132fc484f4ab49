"""What is said of a session, as frozen values that JSON can carry: figures with intervals, facts, a verdict."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from market_maker.backtest.bootstrap import Figure
from market_maker.backtest.drawdown import Drawdown
from market_maker.backtest.fill_chance import FillChance


class Verdict(StrEnum):
    """Whether a session shows that its strategy earns, loses, or neither."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNDECIDED = "undecided"
    INSUFFICIENT_DATA = "insufficient_data"


class Judgement(msgspec.Struct, frozen=True):
    """The verdict, the rule that gives it, and what the session has of what the rule asks for."""

    verdict: Verdict
    rule: str
    reasons: tuple[str, ...]
    effective_fills: int
    blocks: float
    hours: float


class Sampling(msgspec.Struct, frozen=True):
    """How intervals were made."""

    confidence: float
    cell_s: float
    block_s: float
    blocks: float
    draws: int
    seed: int


class MarkoutFigure(msgspec.Struct, frozen=True):
    """Mean move after fills, weighted by notional; positive is good for us.

    `markout` is against the price of the fill, `adverse` against the mid before it.
    """

    side: str
    horizon_s: float
    fills: int
    markout: Figure
    adverse: Figure


class Hour(msgspec.Struct, frozen=True):
    """One hour of the clock, or as much of it as the session saw. Facts: they need no interval."""

    begin_ns: int
    seconds: float
    pnl: float
    parts: dict[str, float]
    fills: int
    notional: float
    both_share: float
    none_share: float
    mean_held_base: float


class Latency(msgspec.Struct, frozen=True):
    """How long requests of a kind took, in milliseconds."""

    kind: str
    answers: int
    median_ms: float
    p90_ms: float
    p99_ms: float
    longest_ms: float


class BandResult(msgspec.Struct, frozen=True):
    """What the same orders would have come to by one estimate of the queue."""

    estimate: str
    fills: int
    base: float
    pnl: Decimal


class Activity(msgspec.Struct, frozen=True):
    """Counts and sums of what was done."""

    fills: int
    taker_fills: int
    notional: float
    base: float
    orders: int
    amendments: int
    cancels: int
    rejected: dict[str, int]
    refusals: dict[str, int]
    decisions: dict[str, int]
    most_held_base: float


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is said of one session."""

    currency: str
    judgement: Judgement
    sampling: Sampling
    pnl: Decimal
    parts: dict[str, Decimal]
    pnl_per_hour: Figure
    parts_per_hour: dict[str, Figure]
    parts_bps: dict[str, Figure]
    sharpe_per_hour: Figure
    drawdown: Drawdown
    markouts: tuple[MarkoutFigure, ...]
    quoting: dict[str, Figure]
    turnover_per_hour: Figure
    fills_per_hour: Figure
    mean_held_base: Figure
    fill_chance: FillChance
    activity: Activity
    latencies: tuple[Latency, ...]
    hours: tuple[Hour, ...]
    bands: tuple[BandResult, ...]


class Difference(msgspec.Struct, frozen=True):
    """One figure of two sessions and their difference, right minus left."""

    name: str
    left: Figure
    right: Figure
    difference: Figure


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sessions side by side; `paired` where both lived through the same time."""

    paired: bool
    note: str
    begin_ns: int
    end_ns: int
    verdict: Verdict
    rule: str
    sampling: Sampling
    differences: tuple[Difference, ...]
