"""The comparison of two sessions as a whole, and its verdict.

Owns what is told of a comparison: frozen values that JSON can carry. The gap's parts sum exactly to the gap. Refuses to know
where sessions lie and how results look.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.bootstrap import Figure
from market_maker.backtest.parity.comparable import (
    Period,
    SettingDifference,
    common_period,
    setting_differences,
)
from market_maker.backtest.parity.fill_match import Piece, match_fills
from market_maker.backtest.parity.gap import CAUSES, Effect, effects_of, gap_of, turnover
from market_maker.backtest.parity.gap_path import GapPath, figures, gap_path, hourly
from market_maker.backtest.parity.order_match import match_orders
from market_maker.backtest.parity.refit import Refit, refit
from market_maker.backtest.parity.spread import Spread, spread_of
from market_maker.backtest.parity.stream import Divergence, first_divergence
from market_maker.backtest.session import About, Fills, Floats, Ints, Session
from market_maker.core.instrument import NANOS, Payoff
from market_maker.core.units import money_to_decimal
from market_maker.kernels.fill_fit import Columns

_BPS: Final = 10_000


class Verdict(StrEnum):
    """What the comparison comes to."""

    IDENTICAL = "identical"
    WITHIN = "within_tolerance"
    BEYOND = "beyond_tolerance"


class Tolerance(msgspec.Struct, frozen=True):
    """How far apart sessions may be; `exact` allows nothing. `within_s` is how far apart two fills may be matched."""

    unmatched: float = 0.10
    gap_bps: float = 0.5
    delay_ms: float = 1000.0
    exact: bool = False
    within_s: float = 1.0


class Who(msgspec.Struct, frozen=True):
    """Which session it is and what it did within the common period."""

    mode: str
    engine: str
    seed: int
    epoch: int
    version: str
    config_digest: str
    began_ns: int
    ended_ns: int
    orders: int
    fills: int
    base: Decimal
    notional: Decimal


class FillPair(msgspec.Struct, frozen=True):
    """One piece of executed quantity in both sessions, or in one (what the other lacks is None)."""

    side: str
    qty: Decimal
    left_ns: int | None
    right_ns: int | None
    left_price: Decimal | None
    right_price: Decimal | None
    left_queue: Decimal | None
    right_queue: Decimal | None
    cause: str
    effect: Decimal


class Part(msgspec.Struct, frozen=True):
    """One cause of the gap: its exact amount, and the interval that drawing the period's blocks again gives."""

    exact: Decimal
    figure: Figure


class Matched(msgspec.Struct, frozen=True):
    """How much of what was executed both sessions have; `unmatched` is the share of what either has."""

    orders: int
    base: Decimal
    missed: Decimal
    extra: Decimal
    unmatched: float


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is told of two sessions; differences are the right one minus the left one."""

    verdict: Verdict
    exceeded: tuple[str, ...]
    market: str
    currency: str
    unit: str
    left: Who
    right: Who
    period: Period
    settings: tuple[SettingDifference, ...]
    matched: Matched
    gap: Part
    gap_bps: float
    gap_per_hour: Figure
    parts: dict[str, Part]
    delay: Spread | None
    price: Spread | None
    queue: Spread | None
    divergence: Divergence | None
    refit: Refit
    tolerance: Tolerance
    pairs: tuple[FillPair, ...]


class Compared(msgspec.Struct, frozen=True):
    """The facts, and the gap over time for the page."""

    parity: Parity
    path: GapPath


def compare_sessions(
    left: Session,
    right: Session,
    tolerance: Tolerance,
    seed: int = 1,
    columns: Columns | None = None,
) -> Compared:
    """Compare two sessions; UnusableError says why they cannot be. `columns`: a recording of their market."""
    period = common_period(left, right)
    within_ns = round(tolerance.within_s * NANOS)
    partner = match_orders(left, right, period, within_ns)
    pieces = match_fills(left.fills, right.fills, partner, period, within_ns)
    effects = effects_of(left, right, pieces, period, _horizon_ns(left))
    gap = gap_of(left, right, effects, period)
    path = gap_path(left, right, effects, period)
    currency = left.about.instrument.settle
    whole, parts = figures(gap, path, seed, currency)
    payoff = Payoff(left.about.instrument)
    most = max(turnover(each.fills, payoff, period) for each in (left, right))
    gap_bps = _BPS * gap.total / most if most else 0.0
    matched = _matched(left, pieces, partner)
    both = [piece for piece in pieces if piece.left >= 0 and piece.right >= 0]
    delay, price, queue = _apart(left.fills, right.fills, both, left.about)
    divergence = first_divergence(left, right, period)
    same = divergence is None and gap.total == 0 and not any(gap.parts())
    exceeded = _exceeded(tolerance, matched, gap_bps, delay, same=same)
    return Compared(
        Parity(
            verdict=Verdict.IDENTICAL if same else Verdict.BEYOND if exceeded else Verdict.WITHIN,
            exceeded=exceeded,
            market=left.about.market,
            currency=currency,
            unit=left.about.instrument.sized_in,
            left=_who(left, period),
            right=_who(right, period),
            period=period,
            settings=setting_differences(left.about, right.about),
            matched=matched,
            gap=Part(money_to_decimal(gap.total), whole),
            gap_bps=gap_bps,
            gap_per_hour=hourly(whole, period.duration_s, f"{currency}/h"),
            parts={
                name: Part(money_to_decimal(amount), parts[name])
                for name, amount in zip(CAUSES, gap.parts(), strict=True)
            },
            delay=delay,
            price=price,
            queue=queue,
            divergence=divergence,
            refit=refit(left, columns),
            tolerance=tolerance,
            pairs=tuple(_pairs(left, right, pieces, effects)),
        ),
        path,
    )


def _horizon_ns(session: Session) -> int:
    """How long a fill's move counts as its own: what the books call adverse selection."""
    ledger = session.about.settings.get("ledger", {})
    return round(float(ledger.get("adverse_horizon_s", 5.0)) * NANOS)


def _exceeded(
    tolerance: Tolerance, matched: Matched, gap_bps: float, delay: Spread | None, *, same: bool
) -> tuple[str, ...]:
    if same:
        return ()
    if tolerance.exact:
        return ("the sessions are not identical",)
    late_ms = abs(delay.median) if delay is not None else 0.0
    found = (
        (
            matched.unmatched > tolerance.unmatched,
            f"{matched.unmatched:.1%} of the quantity is unmatched, {tolerance.unmatched:.1%} are allowed",
        ),
        (
            abs(gap_bps) > tolerance.gap_bps,
            f"the gap is {gap_bps:+.3f} bps of the turnover, {tolerance.gap_bps:g} are allowed",
        ),
        (
            late_ms > tolerance.delay_ms,
            f"matched fills are {late_ms:,.1f} ms apart in the median, {tolerance.delay_ms:g} are allowed",
        ),
    )
    return tuple(text for beyond, text in found if beyond)


def _who(session: Session, period: Period) -> Who:
    about, fills = session.about, session.fills
    inside = (fills.time_ns > period.begin_ns) & (fills.time_ns <= period.end_ns)
    sent = session.orders.sent_ns
    return Who(
        mode=about.mode,
        engine=about.engine,
        seed=about.seed,
        epoch=about.epoch,
        version=about.version,
        config_digest=about.config_digest,
        began_ns=about.began_ns,
        ended_ns=about.ended_ns,
        orders=int(((sent >= period.begin_ns) & (sent <= period.end_ns)).sum()),
        fills=int(inside.sum()),
        base=_base(about, int(fills.qty[inside].sum())),
        notional=money_to_decimal(turnover(fills, Payoff(about.instrument), period)),
    )


def _matched(left: Session, pieces: tuple[Piece, ...], partner: Ints) -> Matched:
    sums = {"both": 0, "missed": 0, "extra": 0}
    for piece in pieces:
        sums["missed" if piece.right < 0 else "extra" if piece.left < 0 else "both"] += piece.qty
    whole = sum(sums.values())
    return Matched(
        orders=int((partner >= 0).sum()),
        base=_base(left.about, sums["both"]),
        missed=_base(left.about, sums["missed"]),
        extra=_base(left.about, sums["extra"]),
        unmatched=(whole - sums["both"]) / whole if whole else 0.0,
    )


def _apart(
    left: Fills, right: Fills, both: list[Piece], about: About
) -> tuple[Spread | None, Spread | None, Spread | None]:
    """How matched pieces differ in time, in price (positive: the right one's is better for us) and in queue."""
    ours = np.array([piece.left for piece in both], dtype=np.int64)
    theirs = np.array([piece.right for piece in both], dtype=np.int64)
    late: Floats = (right.time_ns[theirs] - left.time_ns[ours]) / 1e6
    dearer = left.price[ours] - right.price[theirs]
    better: Floats = _BPS * left.side[ours] * dearer / np.maximum(left.price[ours], 1)
    ahead, ahead_right = left.queue_central[ours], right.queue_central[theirs]
    known = (ahead >= 0) & (ahead_right >= 0)
    queue = (ahead_right - ahead)[known] * about.grid.base_per_qty
    return (
        spread_of(late, "ms"),
        spread_of(better, "bps"),
        spread_of(queue.astype(np.float64), about.instrument.sized_in),
    )


def _pairs(
    left: Session, right: Session, pieces: tuple[Piece, ...], effects: tuple[Effect, ...]
) -> list[FillPair]:
    pairs = [
        _pair(left, right, piece, effect) for piece, effect in zip(pieces, effects, strict=True)
    ]
    return sorted(pairs, key=lambda pair: (pair.left_ns or pair.right_ns or 0, pair.right_ns or 0))


def _pair(left: Session, right: Session, piece: Piece, effect: Effect) -> FillPair:
    about = left.about
    ours = _facts(left, piece.left)
    theirs = _facts(right, piece.right)
    side = left.fills.side[piece.left] if piece.left >= 0 else right.fills.side[piece.right]
    return FillPair(
        side="buy" if side > 0 else "sell",
        qty=_base(about, piece.qty),
        left_ns=ours[0],
        right_ns=theirs[0],
        left_price=ours[1],
        right_price=theirs[1],
        left_queue=ours[2],
        right_queue=theirs[2],
        cause="missed" if piece.right < 0 else "extra" if piece.left < 0 else "matched",
        effect=money_to_decimal(effect.total),
    )


def _facts(session: Session, row: int) -> tuple[int | None, Decimal | None, Decimal | None]:
    if row < 0:
        return None, None, None
    fills, about = session.fills, session.about
    ahead = int(fills.queue_central[row])
    queue = _base(about, ahead) if ahead >= 0 else None
    return int(fills.time_ns[row]), about.grid.price_decimal(int(fills.price[row])), queue


def _base(about: About, qty: int) -> Decimal:
    return qty * about.instrument.qty_quantum * about.instrument.contract_size
