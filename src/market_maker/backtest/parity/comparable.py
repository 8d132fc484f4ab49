"""Whether two sessions can be compared at all, over which time, and how their settings differ.

Refuses another market, other units, and no time in common. Settings may differ, and often must (a venue's section);
they are named key by key. Refuses to know what the sessions did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from market_maker.backtest.session import About, Session
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS

ABSENT: Final = "-"
"""What stands for a key that one of the sessions does not have."""


class Period(msgspec.Struct, frozen=True):
    """The time that both sessions lived through."""

    begin_ns: int
    end_ns: int

    @property
    def duration_s(self) -> float:
        """How long it is."""
        return (self.end_ns - self.begin_ns) / NANOS


class SettingDifference(msgspec.Struct, frozen=True):
    """One key that the sessions do not have alike."""

    key: str
    left: str
    right: str


def common_period(left: Session, right: Session) -> Period:
    """The time that both share; UnusableError says why two sessions cannot be compared."""
    one, other = left.about, right.about
    if one.market != other.market:
        raise UnusableError(
            f"the sessions trade different markets, {one.market} and {other.market}: name two of one market"
        )
    ours, theirs = one.instrument.units, other.instrument.units
    if ours != theirs:
        apart = [f"{a} and {b}" for a, b in zip(ours, theirs, strict=True) if a != b]
        raise UnusableError(
            f"the sessions count {one.market} in different units ({', '.join(apart)}): their prices and"
            " sizes cannot be compared"
        )
    period = Period(max(one.began_ns, other.began_ns), min(one.ended_ns, other.ended_ns))
    if period.end_ns <= period.begin_ns:
        raise UnusableError(
            f"the sessions have no time in common: {_span(one)}, and {_span(other)}; parity needs two of the"
            " same period (report --compare takes any two)"
        )
    return period


def setting_differences(left: About, right: About) -> tuple[SettingDifference, ...]:
    """Every setting and rule of the market that differs, by its key."""
    one, other = _flat(left), _flat(right)
    return tuple(
        SettingDifference(key, one.get(key, ABSENT), other.get(key, ABSENT))
        for key in sorted({**one, **other})
        if one.get(key, ABSENT) != other.get(key, ABSENT)
    )


def _flat(about: About) -> dict[str, str]:
    rules = msgspec.structs.asdict(about.instrument)
    values = {"version": about.version, "seed": about.seed, "instrument": rules, **about.settings}
    return dict(_walk("", values))


def _walk(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _walk(f"{prefix}{name}.", value)
        elif isinstance(value, Decimal):
            yield f"{prefix}{name}", f"{value.normalize():f}"
        else:
            yield f"{prefix}{name}", str(value)


def _span(about: About) -> str:
    began, ended = (
        datetime.fromtimestamp(at_ns // NANOS, UTC) for at_ns in (about.began_ns, about.ended_ns)
    )
    return f"{about.mode} {began:%Y-%m-%d %H:%M:%S} to {ended:%Y-%m-%d %H:%M:%S}"
