"""A comparison as one self-contained page, in the look of the other pages.

Tables are bounded: pairs of fills are listed by how much they matter. Refuses to compute what is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from market_maker.backtest.parity import words
from market_maker.backtest.parity.gap import CAUSES
from market_maker.backtest.parity.gap_path import GapPath
from market_maker.backtest.parity.parity import Compared, FillPair, Parity, Verdict
from market_maker.pages.axis import axis_of, clock, moment, short
from market_maker.pages.chart import Chart, Colour, legend
from market_maker.pages.html import (
    Cell,
    Column,
    Markup,
    Tile,
    Tone,
    badge,
    escaped,
    joined,
    page,
    paragraph,
    section,
    table,
    tiles,
)

MOST_PAIRS: Final = 300
"""Fills listed, the dearest first."""

_TONES = {
    Verdict.IDENTICAL: Tone.GOOD,
    Verdict.WITHIN: Tone.GOOD,
    Verdict.BEYOND: Tone.BAD,
}
_COLOURS = (
    Colour.FIVE,
    Colour.THREE,
    Colour.TWO,
    Colour.FOUR,
    Colour.SOFT,
    Colour.WARN,
    Colour.SIX,
)
_BINS = 41


def parity_page(compared: Compared) -> str:
    """The whole document."""
    parity = compared.parity
    subtitle = (
        f"{parity.left.mode} (left) and {parity.right.mode} (right), {moment(parity.period.begin_ns)} to"
        f" {moment(parity.period.end_ns)} UTC. Differences are right minus left."
    )
    return page(
        f"Parity of two sessions of {parity.market}",
        subtitle,
        [
            _verdict(parity),
            _gap(parity, compared.path),
            _fills(parity),
            _streams(parity),
            _pairs(parity),
            _settings(parity),
            _refit(parity),
        ],
        footer=f"Versions {parity.left.version} and {parity.right.version}. Intervals: 95 %, blocks of time drawn"
        " again; medians by ranks.",
    )


def _verdict(parity: Parity) -> Markup:
    tone = _TONES[parity.verdict]
    gap = parity.gap
    facts = (
        Tile("P&L gap", f"{gap.exact:+.4f}", f"{parity.currency}, exact", Tone.PLAIN),
        Tile("Gap per hour", _short_figure(parity), "with its interval", Tone.PLAIN),
        Tile("Of the turnover", f"{parity.gap_bps:+.3f} bps", "of the larger one"),
        Tile("Unmatched quantity", f"{parity.matched.unmatched:.1%}", "missed and extra fills"),
        Tile("Fills", f"{parity.left.fills:,} / {parity.right.fills:,}", "left / right"),
    )
    told = badge(words.VERDICTS[parity.verdict], tone)
    return joined((paragraph(told), *(paragraph(text) for text in parity.exceeded), tiles(facts)))


def _short_figure(parity: Parity) -> str:
    figure = parity.gap_per_hour
    if figure.value is None:
        return "?"
    if figure.low is None or figure.high is None:
        return f"{short(figure.value)} (?)"
    return f"{short(figure.value)} ({short(figure.low)} to {short(figure.high)})"


def _gap(parity: Parity, path: GapPath) -> Markup:
    rows = [
        (
            words.NAMES[name],
            f"{part.exact:+.6f}",
            _bounds(part.figure.low, part.figure.high),
            words.MEANINGS[name],
        )
        for name, part in parity.parts.items()
    ]
    whole = parity.gap
    rows.append(
        (
            "gap",
            f"{whole.exact:+.6f}",
            _bounds(whole.figure.low, whole.figure.high),
            "their exact sum",
        )
    )
    columns = (
        Column("Cause"),
        Column(parity.currency, number=True),
        Column("95 % interval", number=True),
        Column("What it is"),
    )
    return section(
        "Where the gap comes from",
        table(columns, rows),
        *_gap_chart(path),
        lead="Exact amounts. The interval says how far chance could move a part in another period like this one.",
    )


def _gap_chart(path: GapPath) -> Iterator[Markup]:
    parts = path.cumulative()
    whole = parts.sum(axis=0)
    if not np.abs(parts).max() > 0.0:
        return
    times = path.edges[1:].astype(np.float64)
    low, high = float(min(parts.min(), whole.min())), float(max(parts.max(), whole.max()))
    chart = Chart(
        axis_of(float(path.edges[0]), float(path.edges[-1]), time=True),
        axis_of(low, high, zero=True),
        height=220,
        label="The gap's parts over time",
    )
    named: list[tuple[str, Colour]] = []
    for name, series, colour in zip(CAUSES, parts, _COLOURS, strict=True):
        if np.abs(series).max() > 0.0:
            chart.line(times, series, colour, step=True)
            named.append((words.NAMES[name], colour))
    chart.line(times, whole, Colour.ONE, step=True, width=2.2)
    yield legend([("gap", Colour.ONE), *named])
    yield chart.svg()


def _fills(parity: Parity) -> Markup:
    columns = (
        Column("Difference of matched fills"),
        Column("unit"),
        Column("pieces", number=True),
        Column("10 %", number=True),
        Column("median", number=True),
        Column("95 % interval", number=True),
        Column("90 %", number=True),
    )
    rows = [
        (
            name, value.unit, f"{value.count:,}", f"{value.p10:+.4g}", f"{value.median:+.4g}",
            _bounds(value.low, value.high), f"{value.p90:+.4g}",
        )
        for name, value in words.spreads(parity)
        if value is not None
    ]  # fmt: skip
    parts: list[Cell] = [paragraph(words.matched(parity))]
    if rows:
        parts.append(table(columns, rows))
    late = [
        (pair.right_ns - pair.left_ns) / 1e6
        for pair in parity.pairs
        if pair.left_ns is not None and pair.right_ns is not None
    ]
    if late and min(late) < max(late):
        parts += [
            paragraph("How much later the right session's fills came, in milliseconds:", lead=True),
            _histogram(late),
        ]
    return section("Fills", *parts)


def _histogram(values: list[float]) -> Markup:
    low, high = (float(at) for at in np.quantile(values, (0.01, 0.99)))
    low, high = (low, high) if low < high else (min(values), max(values))
    counts, edges = np.histogram(np.clip(values, low, high), bins=_BINS, range=(low, high))
    chart = Chart(
        axis_of(low, high), axis_of(0.0, float(counts.max()), zero=True), height=130, label="Delays"
    )
    chart.bars(edges, counts.astype(np.float64), Colour.ONE)
    return chart.svg()


def _streams(parity: Parity) -> Markup:
    found = parity.divergence
    if found is None:
        return section("Decision by decision", paragraph(words.divergence_lines(None)[0]))
    columns = (Column("Session"), Column("What it did"))
    rows = (("left", found.left or "nothing"), ("right", found.right or "nothing"))
    return section(
        "Decision by decision",
        paragraph(words.divergence_lines(found)[0]),
        table(columns, rows),
        lead="Sessions that are meant to be identical (paper and its backtest) part here first.",
    )


def _pairs(parity: Parity) -> Markup:
    shown = sorted(parity.pairs, key=lambda pair: -abs(pair.effect))[:MOST_PAIRS]
    shown.sort(key=lambda pair: pair.left_ns or pair.right_ns or 0)
    columns = (
        Column("Left (UTC)"),
        Column("Right (UTC)"),
        Column("Side"),
        Column(parity.unit, number=True),
        Column("Left price", number=True),
        Column("Right price", number=True),
        Column("Left queue", number=True),
        Column("Right queue", number=True),
        Column("Cause"),
        Column(f"Effect, {parity.currency}", number=True),
    )
    lead = f"{len(shown):,} of {len(parity.pairs):,}: those that matter most, in order of time."
    return section("Fill by fill", table(columns, map(_pair_row, shown)), lead=lead)


def _pair_row(pair: FillPair) -> tuple[Cell, ...]:
    def told(value: object) -> str:
        return "" if value is None else f"{value}"

    times = (
        "" if at_ns is None else clock(at_ns, millis=True)
        for at_ns in (pair.left_ns, pair.right_ns)
    )
    return (
        *times,
        pair.side,
        f"{pair.qty.normalize():f}",
        told(pair.left_price),
        told(pair.right_price),
        told(pair.left_queue),
        told(pair.right_queue),
        pair.cause,
        f"{pair.effect:+.6f}",
    )


def _settings(parity: Parity) -> Markup:
    if not parity.settings:
        return section("Settings", paragraph("Both sessions had the same settings."))
    columns = (Column("Key"), Column("Left"), Column("Right"))
    rows = ((each.key, each.left, each.right) for each in parity.settings)
    return section("Settings that differ", table(columns, rows))


def _refit(parity: Parity) -> Markup:
    told = "\n".join(words.refit_lines(parity))
    return section(
        "What the left session's own orders say, as settings",
        Markup(f"<pre><code>{escaped(told)}</code></pre>"),
        lead="Measured from its own requests; give the file to the next paper session or backtest by --config.",
    )


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:+.4g} to {high:+.4g}"
