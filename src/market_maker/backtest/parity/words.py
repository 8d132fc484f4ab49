"""A comparison in the words of a terminal and a page: the same words on both.

Every figure that could have come out otherwise is told with its interval. Refuses to compute.
"""

from __future__ import annotations

from typing import Final

from market_maker.backtest.bootstrap import Figure
from market_maker.backtest.parity.parity import Parity, Part, Verdict, Who
from market_maker.backtest.parity.spread import Spread
from market_maker.backtest.parity.stream import Divergence
from market_maker.pages.axis import clock, moment

NAMES: Final = {
    "missed_fills": "missed fills",
    "extra_fills": "extra fills",
    "price": "price",
    "latency": "latency",
    "fees": "fees",
    "funding": "funding",
    "inventory_carry": "inventory carry",
}
MEANINGS: Final = {
    "missed_fills": "executed on the left only: what the right one did not gain by their horizon, fees included",
    "extra_fills": "executed on the right only: what it gained by their horizon, fees included",
    "price": "the same fills at another distance from the mid",
    "latency": "the same fills at another time: what the mid's move explains of their prices",
    "fees": "what the same fills were charged",
    "funding": "payments on the positions held",
    "inventory_carry": "what is left: positions held from before, and what fills of one side alone gained later",
}
VERDICTS: Final = {
    Verdict.IDENTICAL: "identical",
    Verdict.WITHIN: "within tolerance",
    Verdict.BEYOND: "beyond tolerance",
}


def text_of(parity: Parity) -> str:
    """Everything that a terminal tells."""
    lines = [
        f"{parity.market}: {VERDICTS[parity.verdict]}",
        *(f"  {text}" for text in parity.exceeded),
        f"  left   {who(parity.left, parity)}",
        f"  right  {who(parity.right, parity)}",
        f"  common {_period(parity)}",
        "",
        f"P&L gap, right minus left ({parity.currency}; {parity.gap_bps:+.3f} bps of the turnover)",
        *(f"  {NAMES[name]:<16}{amount(part)}" for name, part in parity.parts.items()),
        f"  {'gap':<16}{amount(parity.gap)}",
        f"  {'gap per hour':<16}{figure(parity.gap_per_hour)}",
        "",
        f"Fills: {matched(parity)}",
        *(f"  {name:<16}{spread(value)}" for name, value in spreads(parity) if value is not None),
        "",
        *divergence_lines(parity.divergence),
    ]
    if parity.settings:
        lines += ["", "Settings that differ (left, right)"]
        lines += [f"  {each.key}: {each.left}, {each.right}" for each in parity.settings]
    lines += ["", "What the left session's own orders say, as settings", *refit_lines(parity)]
    return "\n".join(lines)


def who(one: Who, parity: Parity) -> str:
    """One session in a line."""
    return (
        f"{one.mode}, {one.engine or 'no engine'}, seed {one.seed}: {one.orders:,} orders, {one.fills:,} fills,"
        f" {one.base.normalize():f} {parity.unit}"
    )


def _period(parity: Parity) -> str:
    begin, end = moment(parity.period.begin_ns), moment(parity.period.end_ns)
    return f"{begin} to {end} UTC, {parity.period.duration_s:,.1f} s"


def matched(parity: Parity) -> str:
    """How much both have."""
    pairs = parity.matched
    unit = parity.unit
    return (
        f"{pairs.base.normalize():f} {unit} matched, {pairs.missed.normalize():f} missed,"
        f" {pairs.extra.normalize():f} extra ({pairs.unmatched:.1%} unmatched); {pairs.orders:,} orders matched"
    )


def spreads(parity: Parity) -> tuple[tuple[str, Spread | None], ...]:
    """What matched fills differ in, by name."""
    return (("time", parity.delay), ("price, for us", parity.price), ("queue ahead", parity.queue))


def spread(value: Spread) -> str:
    """Quantiles and the median's interval."""
    bounds = "" if value.low is None else f" ({value.low:+.4g} to {value.high:+.4g})"
    return (
        f"median {value.median:+.4g}{bounds} {value.unit}, from {value.p10:+.4g} (10 %) to"
        f" {value.p90:+.4g} (90 %)"
    )


def figure(value: Figure) -> str:
    """A figure and its interval."""
    if value.value is None:
        return "unknown"
    if value.low is None or value.high is None:
        return f"{value.value:+.4f} {value.unit} (no interval)"
    return f"{value.value:+.4f} {value.unit} ({value.low:+.4f} to {value.high:+.4f})"


def amount(part: Part) -> str:
    """An exact amount and its interval."""
    low, high = part.figure.low, part.figure.high
    bounds = "" if low is None or high is None else f"   ({low:+.4f} to {high:+.4f})"
    return f"{part.exact:+14.6f}{bounds}"


def divergence_lines(found: Divergence | None) -> list[str]:
    """The first difference of what both did."""
    if found is None:
        return ["Decisions, answers, fills and ends are the same, one by one."]
    at = clock(found.time_ns, millis=True)
    return [
        f"First difference at {at} on {found.level}, among {found.stream} ({found.same:,} before it are the same)",
        f"  left   {found.left or 'nothing'}",
        f"  right  {found.right or 'nothing'}",
    ]


def refit_lines(parity: Parity) -> list[str]:
    """The settings, and what could not be measured."""
    told = parity.refit.toml().splitlines()
    return [
        *(f"  {line}" if line else "" for line in told),
        *(f"  # {note}" for note in parity.refit.notes),
    ]
