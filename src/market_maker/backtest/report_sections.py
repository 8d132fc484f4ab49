"""The sections of a report that say what was earned and why: money, markouts, chances of fills."""

from __future__ import annotations

import numpy as np

from market_maker.backtest.cells import HORIZONS_S
from market_maker.backtest.fill_chance import JUDGED_S, Apart, Chance, FillChance
from market_maker.backtest.report_words import interval, number, signed, told, tone_of
from market_maker.backtest.results import Statistics
from market_maker.backtest.session import PARTS
from market_maker.pages.axis import Axis, axis_of
from market_maker.pages.chart import Chart, Colour, legend
from market_maker.pages.html import (
    Cell,
    Column,
    Markup,
    Tone,
    badge,
    escaped,
    joined,
    paragraph,
    section,
    table,
    toned,
)

_SIDES = (("buy", Colour.ONE), ("sell", Colour.TWO), ("both", Colour.SIX))
_APART = {
    Apart.QUEUE: " Orders are told apart by the quantity before them when they came to their price.",
    Apart.DISTANCE: " Hardly anybody else quoted at our prices, so orders are told apart by their distance from the mid.",
    Apart.LEVEL: " The venue did not tell the queue, so orders are told apart by their level.",
}
_WORDS = {
    "spread_capture": "distance of fills from the mid before them",
    "adverse_selection": "what the mid did to fills until the ledger's horizon",
    "inventory_carry": "what the mid did to inventory after that",
    "funding": "funding paid and received",
    "fees": "fees and rebates",
}


def money_section(found: Statistics) -> Markup:
    """Where the money came from."""
    columns = [
        Column("part"),
        Column(found.currency, number=True),
        Column("share of gross", number=True),
        Column("per hour", number=True),
        Column("of turnover", number=True),
        Column("what it is"),
    ]
    gross = sum(abs(float(found.parts[name])) for name in PARTS[:-1]) or 1.0
    rows: list[list[Cell]] = []
    for name in PARTS[:-1]:
        amount = float(found.parts[name])
        rows.append(
            [
                words(name),
                signed(amount, 6),
                share_bar(amount / gross, tone="good" if amount > 0 else "bad"),
                with_range(
                    told(found.parts_per_hour[name], sign=True),
                    interval(found.parts_per_hour[name], sign=True),
                ),
                with_range(
                    told(found.parts_bps[name], sign=True),
                    interval(found.parts_bps[name], sign=True),
                ),
                _WORDS[name],
            ]
        )
    total = found.pnl_per_hour
    rows.append(
        [
            Markup("<b>profit of trading</b>"),
            Markup(f"<b>{signed(float(found.pnl), 6)}</b>"),
            "",
            with_range(toned(told(total, sign=True), tone_of(total)), interval(total, sign=True)),
            with_range(
                told(found.parts_bps["pnl"], sign=True), interval(found.parts_bps["pnl"], sign=True)
            ),
            "the exact sum of the five",
        ]
    )
    external = found.parts["external"]
    beside = (
        paragraph(
            f"Beside trading: {signed(float(external), 6)} {found.currency} deposits, transfers and foreign trades."
        )
        if external
        else ""
    )
    return section("Where the money came from", table(columns, rows), beside, _band(found))


def markout_section(found: Statistics) -> Markup:
    """What the mid did after fills."""
    bounds = [
        bound
        for each in found.markouts
        for bound in (each.markout.low, each.markout.high, each.markout.value)
        if bound is not None
    ]
    lead = "Mean move from the price of the fill, weighted by notional; above zero the fill was worth having."
    if not bounds:
        return section("Markouts", paragraph("No fill could be marked out."), lead=lead)
    y = axis_of(min(*bounds, 0.0), max(*bounds, 0.0), zero=True)
    spots = {horizon_s: float(i + 1) for i, horizon_s in enumerate(HORIZONS_S)}
    axis = Axis(
        0.4, len(HORIZONS_S) + 0.6, names=tuple((at, f"{s:g} s") for s, at in spots.items())
    )
    chart = Chart(axis, y, height=200, width=1020, label="Markouts by horizon in bps")
    for shift, (side, colour) in zip((-0.12, 0.0, 0.12), _SIDES, strict=True):
        for each in found.markouts:
            if each.side != side or each.markout.value is None:
                continue
            x = spots[each.horizon_s] + shift
            low, high = each.markout.low, each.markout.high
            if low is not None and high is not None:
                chart.line(np.array([x, x]), np.array([low, high]), colour, width=2.0)
            chart.marks([x], [each.markout.value], colour, radius=4.0)
    columns = [
        Column("side"),
        Column("after", number=True),
        Column("fills", number=True),
        Column("markout, bps", number=True),
        Column("adverse move of the mid, bps", number=True),
    ]
    rows = [
        [
            each.side,
            f"{each.horizon_s:g} s",
            f"{each.fills:,}",
            with_range(
                toned(_value(each.markout.value), tone_of(each.markout)),
                interval(each.markout, sign=True),
            ),
            with_range(
                toned(_value(each.adverse.value), tone_of(each.adverse)),
                interval(each.adverse, sign=True),
            ),
        ]
        for each in found.markouts
    ]
    key = legend((f"{side} (bps)", colour) for side, colour in _SIDES)
    return section("Markouts", key, chart.svg(), table(columns, rows), lead=lead)


def chance_section(found: Statistics) -> Markup:
    """How likely fills were, by the queue."""
    chances = found.fill_chance
    lead = "Chance that an order is filled (for the first time) within so long at its price. Orders that were moved or cancelled first count as not seen to their end."
    lead += _APART[chances.by]
    if not chances.classes:
        return section("Chance of a fill", paragraph("No order rested."), lead=lead)
    colours = (Colour.ONE, Colour.TWO, Colour.THREE)
    count = len(chances.classes)
    names = tuple((i + 1.0, each.name) for i, each in enumerate(chances.classes))
    axis = Axis(0.4, count + 0.6, names=names)
    chart = Chart(
        axis,
        axis_of(0.0, _highest(chances), zero=True),
        height=220,
        width=1020,
        label="Chance of a fill in percent by queue",
    )
    for row, colour in enumerate(colours):
        for i, each in enumerate(chances.classes):
            _whisker(chart, i + 1 + 0.12 * (row - 1), each.chances[row], colour)
    columns = [
        Column(chances.by.value),
        Column("stays", number=True),
        Column("filled", number=True),
    ]
    columns += [
        Column(f"within {horizon.horizon_s:g} s", number=True)
        for horizon in chances.classes[0].chances
    ]
    rows: list[list[Cell]] = [
        [
            each.name,
            f"{each.stays:,}",
            f"{each.filled:,}",
            *(_percent(chance) for chance in each.chances),
        ]
        for each in chances.classes
    ]
    key = legend(
        (f"within {each.horizon_s:g} s (%)", colour)
        for each, colour in zip(chances.classes[0].chances, colours, strict=True)
    )
    return section(
        "Chance of a fill", key, chart.svg(), table(columns, rows), _forecasts(found), lead=lead
    )


def _forecasts(found: Statistics) -> Markup:
    forecasts = found.fill_chance.forecasts
    if not forecasts:
        return paragraph(
            "Too few orders to hold one half of the session against the other.", lead=True
        )
    columns = [
        Column("orders"),
        Column("foretold by the first half", number=True),
        Column("came in the second", number=True),
        Column("stays", number=True),
        Column("met"),
    ]
    rows: list[list[Cell]] = [
        [each.name, _percent(each.foretold), _percent(each.came), f"{each.stays:,}", _met(each.met)]
        for each in forecasts
    ]
    return joined(
        [Markup(f"<h3>Forecast against outcome, within {JUDGED_S:g} s</h3>"), table(columns, rows)]
    )


def _highest(chances: FillChance) -> float:
    """The highest chance that is drawn, in percent."""
    bounds = [
        bound
        for each in chances.classes
        for chance in each.chances
        for bound in (chance.chance, chance.high)
        if bound is not None
    ]
    return 105.0 * max(bounds, default=1.0)


def _met(met: bool | None) -> Markup:
    if met is None:
        return toned("unknown", Tone.MUTED)
    return badge("yes", Tone.GOOD) if met else badge("no", Tone.WARN)


def _whisker(chart: Chart, x: float, chance: Chance, colour: Colour) -> None:
    if chance.chance is None:
        return
    if chance.low is not None and chance.high is not None:
        ends = np.array([chance.low, chance.high]) * 100.0
        chart.line(np.array([x, x]), ends, colour, width=2.0)
    chart.marks([x], [100.0 * chance.chance], colour, radius=4.0)


def _percent(chance: Chance) -> Cell:
    if chance.chance is None:
        return toned("not seen", Tone.MUTED)
    if chance.low is None or chance.high is None:
        return f"{chance.chance:.1%}"
    return with_range(f"{chance.chance:.1%}", f"{chance.low:.1%} to {chance.high:.1%}")


def _band(found: Statistics) -> Cell:
    """What the same orders would have earned by the other estimates of the queue."""
    if not found.bands:
        return ""
    columns = [
        Column("place in the queue"),
        Column("fills", number=True),
        Column("base", number=True),
        Column(f"profit, {found.currency}", number=True),
    ]
    own: list[Cell] = [
        "central (this session)",
        f"{found.activity.fills:,}",
        number(found.activity.base),
        signed(float(found.pnl), 6),
    ]
    rows: list[list[Cell]] = [own]
    rows += [
        [each.estimate, f"{each.fills:,}", number(each.base), signed(float(each.pnl), 6)]
        for each in found.bands
    ]
    told_by = "The same orders, filled by other estimates of their place in the queue. Quotes would have followed the other inventory, so this bounds fills better than profit."
    return joined(
        [
            Markup("<h3>Band of the fill model</h3>"),
            paragraph(told_by, lead=True),
            table(columns, rows),
        ]
    )


def with_range(value: Cell, bounds: str) -> Markup:
    """A value and, smaller, its interval."""
    return Markup(f'{escaped(value)}<br><span class="range">{escaped(bounds)}</span>')


def words(name: str) -> str:
    """An identifier as words."""
    return name.replace("_", " ")


def share_bar(share: float, text: str = "", tone: str = "") -> Markup:
    """A share of the whole as a bar."""
    wide = 120.0 * min(abs(share), 1.0)
    if not wide:
        return escaped(text or "0.0%")
    return Markup(
        f'<i class="bar {tone}" style="width:{wide:.1f}px"></i> {escaped(text or f"{abs(share):.1%}")}'
    )


def _value(value: float | None) -> str:
    return "—" if value is None else signed(value)
