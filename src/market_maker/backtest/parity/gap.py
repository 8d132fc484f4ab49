"""Why one session earned more than the other over the same time, in parts that sum exactly.

The gap is the second session's trading profit minus the first one's. Swapping the sessions turns every part's sign, and missed
fills are then extra ones. What no fill, fee or payment explains is inventory carry: positions held from before,
and what fills of one session alone gained after their horizon. All money is exact. Refuses to judge.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from market_maker.backtest.parity.comparable import Period
from market_maker.backtest.parity.fill_match import Piece
from market_maker.backtest.session import Fills, Ints, Session
from market_maker.core.instrument import Payoff

CAUSES: Final = (
    "missed_fills",
    "extra_fills",
    "price",
    "latency",
    "fees",
    "funding",
    "inventory_carry",
)
"""The parts of a gap, in the order in which they are told."""


class Gap(msgspec.Struct, frozen=True):
    """Parts of a gap as money; see `docs/parity.md` for what each means."""

    missed_fills: int
    extra_fills: int
    price: int
    latency: int
    fees: int
    funding: int
    inventory_carry: int

    @property
    def total(self) -> int:
        """What the second session earned more: the exact sum."""
        return sum(self.parts())

    def parts(self) -> tuple[int, ...]:
        """The parts in the order of `CAUSES`."""
        return tuple(getattr(self, name) for name in CAUSES)


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What one piece adds to the gap, when it is known to."""

    time_ns: int
    missed_fills: int = 0
    extra_fills: int = 0
    price: int = 0
    latency: int = 0
    fees: int = 0

    @property
    def total(self) -> int:
        """Everything that the piece adds."""
        return self.missed_fills + self.extra_fills + self.price + self.latency + self.fees


class _Worth:
    """What one session's quantity is worth at its fills, some time after them, and at the end."""

    def __init__(self, session: Session, period: Period, horizon_ns: int) -> None:
        self.fills = session.fills
        self._unit = Payoff(session.about.instrument)
        touch = session.touch
        known = touch.bid > 0
        self._times, self._mids2 = touch.time_ns[known], (touch.bid + touch.ask)[known]
        self._end_ns = period.end_ns
        self._end2 = int(session.equity.mid2[_last(session.equity.time_ns, period.end_ns)])
        self._horizon_ns = horizon_ns

    def mid(self, row: int) -> int:
        """A quantum's worth at the mid just before a fill."""
        return self._unit.value(1, int(self.fills.mid2[row]))

    def paid(self, row: int) -> int:
        """A quantum's worth at a fill's price."""
        return self._unit.value(1, 2 * int(self.fills.price[row]))

    def later(self, row: int) -> int:
        """A quantum's worth at the mid when a fill's horizon has passed, or at the end if that is earlier."""
        at_ns = int(self.fills.time_ns[row]) + self._horizon_ns
        place = _last(self._times, at_ns) if at_ns < self._end_ns else -1
        return self._unit.value(1, int(self._mids2[place]) if place >= 0 else self._end2)

    def fee(self, row: int, begin: int, qty: int) -> int:
        """The fee of a part of a fill; parts of a fill sum to its fee."""
        fee, whole = self.fills.fee[row], int(self.fills.qty[row])
        return fee * (begin + qty) // whole - fee * begin // whole


def trading_gain(session: Session, period: Period) -> int:
    """What trading earned within a period: the change of equity without deposits and foreign trades."""
    equity = session.equity
    begin, end = (_last(equity.time_ns, at_ns) for at_ns in (period.begin_ns, period.end_ns))
    total, external = equity.total(), equity.external
    return (total[end] - external[end]) - (total[begin] - external[begin])


def effects_of(
    left: Session,
    right: Session,
    pieces: tuple[Piece, ...],
    period: Period,
    horizon_ns: int,
) -> tuple[Effect, ...]:
    """What each piece adds to the gap. Fills of one session alone count up to `horizon_ns` after them."""
    ours, theirs = (_Worth(session, period, horizon_ns) for session in (left, right))
    return tuple(_effect(piece, ours, theirs) for piece in pieces)


def gap_of(left: Session, right: Session, effects: tuple[Effect, ...], period: Period) -> Gap:
    """The gap and its parts; what is left after all others is inventory carry."""
    total = trading_gain(right, period) - trading_gain(left, period)
    funding = _funding(right, period) - _funding(left, period)
    named = {
        name: sum(getattr(effect, name) for effect in effects)
        for name in ("missed_fills", "extra_fills", "price", "latency", "fees")
    }
    rest = total - funding - sum(named.values())
    return Gap(funding=funding, inventory_carry=rest, **named)


def _effect(piece: Piece, ours: _Worth, theirs: _Worth) -> Effect:
    if piece.right < 0:
        alone = _alone(ours, piece.left, piece.left_from, piece.qty)
        return Effect(int(ours.fills.time_ns[piece.left]), missed_fills=-alone)
    if piece.left < 0:
        alone = _alone(theirs, piece.right, piece.right_from, piece.qty)
        return Effect(int(theirs.fills.time_ns[piece.right]), extra_fills=alone)
    row, other = piece.left, piece.right
    signed = piece.qty * int(ours.fills.side[row])
    dearer = signed * (ours.paid(row) - theirs.paid(other))
    moved = signed * (ours.mid(row) - theirs.mid(other))
    # Of a price that differs, the mid's move explains at most all, and nothing where it went the other way.
    latency = min(max(moved, 0), dearer) if dearer > 0 else max(min(moved, 0), dearer)
    fees = ours.fee(row, piece.left_from, piece.qty) - theirs.fee(
        other, piece.right_from, piece.qty
    )
    time_ns = max(int(ours.fills.time_ns[row]), int(theirs.fills.time_ns[other]))
    return Effect(time_ns, price=dearer - latency, latency=latency, fees=fees)


def _alone(worth: _Worth, row: int, begin: int, qty: int) -> int:
    """What a fill of one session alone gained by its horizon, its fee paid."""
    signed = qty * int(worth.fills.side[row])
    return signed * (worth.later(row) - worth.paid(row)) - worth.fee(row, begin, qty)


def _funding(session: Session, period: Period) -> int:
    times, paid = session.equity.time_ns, session.equity.funding
    return paid[_last(times, period.end_ns)] - paid[_last(times, period.begin_ns)]


def _last(times: Ints, at_ns: int) -> int:
    """The last row at or before an instant, -1 if there is none."""
    return int(np.searchsorted(times, at_ns, side="right")) - 1


def turnover(fills: Fills, payoff: Payoff, period: Period) -> int:
    """What was traded within a period, as money."""
    inside = (fills.time_ns > period.begin_ns) & (fills.time_ns <= period.end_ns)
    traded = zip(fills.qty[inside].tolist(), fills.price[inside].tolist(), strict=True)
    return sum(payoff.notional(qty, price) for qty, price in traded)
