"""The quality page of one recording: what is real, missing or suspicious, as one HTML file.

Owns what is drawn and in which order. Refuses to judge: verdict and findings come with the check. What always holds: a page
has at most some hundred points a line, so that it stays small however long the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from market_maker.core.instrument import NANOS
from market_maker.core.units import Grid
from market_maker.kernels import gate_layout as at
from market_maker.pages.axis import Axis, axis_of, clock, moment, short
from market_maker.pages.chart import Chart, Colour, legend
from market_maker.pages.html import (
    Cell,
    Column,
    Markup,
    Tile,
    Tone,
    badge,
    joined,
    page,
    paragraph,
    section,
    table,
    tiles,
)
from market_maker.ticks.checking import Checked
from market_maker.ticks.clocks import Latencies, bucket_values
from market_maker.ticks.facts import Facts, seconds
from market_maker.ticks.findings import MEANINGS, Finding, Found, Verdict, Weight
from market_maker.ticks.foreign import Opened
from market_maker.ticks.stream_gate import Sums

Floats: TypeAlias = NDArray[np.float64]

_BINS: Final = 500
_SHOWN_SPANS: Final = 3
_VERDICT_TONES: Final = {
    Verdict.READY: Tone.GOOD,
    Verdict.USABLE: Tone.WARN,
    Verdict.UNUSABLE: Tone.BAD,
}
_WEIGHT_TONES: Final = {
    Weight.REMARK: Tone.MUTED,
    Weight.WARNING: Tone.WARN,
    Weight.FAILURE: Tone.BAD,
}
_STRIPS: Final = (
    ("can be quoted on", at.T_VALID_NS, Colour.GOOD),
    ("crossed", at.T_CROSSED_NS, Colour.BAD),
    ("locked", at.T_LOCKED_NS, Colour.WARN),
    ("a side missing", at.T_ONE_SIDED_NS, Colour.FOUR),
    ("no book", at.T_NO_BOOK_NS, Colour.SIX),
    ("nothing recorded", at.T_SILENT_NS, Colour.TWO),
)
_LASTING: Final = frozenset(
    {
        Finding.HOLE, Finding.BOOK_SILENT, Finding.TRADES_SILENT, Finding.BEST_SILENT, Finding.STALE_BOOK,
        Finding.BOOK_LOST, Finding.CROSSED_BOOK, Finding.LOCKED_BOOK, Finding.MISSING_SIDE,
    }
)  # fmt: skip


class Regimes(msgspec.Struct, frozen=True):
    """Time in each volatility class: (class, from, until), and the settings they were told by."""

    spells: tuple[tuple[str, int, int], ...]
    note: str


class _Bins:
    """The table of intervals in few rows, and the axes that all charts share."""

    def __init__(self, sums: Sums, grid: Grid) -> None:
        rows = sums.table[: (sums.end_ns - sums.start_ns) // sums.interval_ns + 1]
        self.every = max(1, -(-len(rows) // _BINS))
        self.cuts = np.arange(0, len(rows), self.every)
        self.rows = rows
        self.length_s = self.every * sums.interval_ns / NANOS
        self.begins = (sums.start_ns + self.cuts * sums.interval_ns).astype(np.float64)
        self.x = axis_of(
            float(sums.start_ns), float(max(sums.end_ns, sums.start_ns + 1)), time=True
        )
        self.grid = grid

    def total(self, column: int) -> Floats:
        """Sum of a column in each bin."""
        return np.add.reduceat(self.rows[:, column], self.cuts).astype(np.float64)

    def rate(self, column: int) -> Floats:
        """Per second."""
        return self.total(column) / self.length_s

    def extreme(self, column: int, lowest: bool, known: NDArray[np.bool_]) -> Floats:
        """Lowest or highest of the known values in each bin, NaN where there are none."""
        values = np.where(
            known, self.rows[:, column].astype(np.float64), np.inf if lowest else -np.inf
        )
        pick = np.minimum if lowest else np.maximum
        found = pick.reduceat(values, self.cuts)
        return np.where(np.isfinite(found), found, np.nan)


def quality_page(checked: Checked, regimes: Regimes | None = None) -> str:
    """The whole page."""
    title = f"Data quality of {checked.path.name}"
    parts: list[Cell] = []
    if checked.opened is None or checked.sums is None or checked.quality is None:
        parts.append(_findings(checked, None))
        return page(title, badge(checked.verdict, _VERDICT_TONES[checked.verdict]), parts)
    opened, sums, facts = checked.opened, checked.sums, checked.quality.facts
    bins = _Bins(sums, Grid(opened.info.header.instrument))
    parts += [
        _tiles(checked.verdict, facts, bins.grid),
        _findings(checked, facts),
        _coverage(checked, bins),
        _prices(bins),
        _activity(bins),
        _latency(sums, bins, facts),
    ]
    if regimes is not None:
        parts.append(_regimes(regimes, bins))
    parts.append(_origin(opened, facts))
    header = opened.info.header
    subtitle = (
        f"{header.market} ({header.venue}), {moment(facts.begin_ns)} to {moment(facts.end_ns)} UTC"
    )
    return page(
        title,
        subtitle,
        parts,
        footer=f"market-maker {header.writer}; all times are of receipt, UTC",
    )


def _tiles(verdict: Verdict, facts: Facts, grid: Grid) -> Markup:
    mid = grid.price(facts.last_mid2 / 2)
    spread = grid.price(facts.spread)
    spread_bps = 1e4 * spread / mid if mid else 0.0
    book = facts.book_latency
    valid = (
        Tone.GOOD
        if facts.valid_share > 0.99
        else Tone.WARN
        if facts.valid_share > 0.8
        else Tone.BAD
    )
    return tiles(
        [
            Tile("Verdict", verdict, "the worst finding decides", _VERDICT_TONES[verdict]),
            Tile("Length", seconds(facts.end_ns - facts.begin_ns), f"{facts.rows:,} rows, {facts.messages:,} messages"),
            Tile("Book to quote on", f"{facts.valid_share:.2%}", "share of the time", valid),
            Tile("Mean spread", f"{short(spread_bps)} bps", f"{short(spread)} in price"),
            Tile("Trades", f"{facts.trades:,}", f"{facts.best_quotes:,} best quotes"),
            Tile("Latency of the book", seconds(book.median_ns) if _is_known(book) else "unknown", f"99%: {seconds(book.p99_ns)}" if _is_known(book) else "no second clock"),
        ]
    )  # fmt: skip


def _is_known(latency: Latencies) -> bool:
    """Whether there are two clocks to compare."""
    return latency.messages > 0 and (latency.least_ns, latency.most_ns) != (0.0, 0.0)


def _findings(checked: Checked, facts: Facts | None) -> Markup:
    if not checked.found:
        return section("Findings", paragraph("Nothing is wrong with this recording."))
    rows = [
        (
            badge(item.weight, _WEIGHT_TONES[item.weight]),
            joined([Markup(f"<code>{item.finding}</code><br>"), MEANINGS[item.finding]]),
            joined([item.text, _cases(item)]),
            _when(item, facts),
        )
        for item in checked.found
    ]
    columns = [Column("weight"), Column("finding"), Column("here"), Column("when (UTC)")]
    return section("Findings", table(columns, rows))


def _when(item: Found, facts: Facts | None) -> str:
    if facts is None or not item.begin_ns:
        return ""
    if item.begin_ns <= facts.begin_ns and item.end_ns >= facts.end_ns:
        return "throughout"
    if item.end_ns - item.begin_ns < NANOS:
        return clock(item.begin_ns)
    return f"{clock(item.begin_ns)} to {clock(item.end_ns)}"


def _cases(item: Found) -> Markup:
    """The largest cases, where there are several."""
    if len(item.spans) < 2:
        return Markup()
    largest = sorted(item.spans, key=lambda span: -abs(span.size))[:_SHOWN_SPANS]
    told = ", ".join(
        clock(span.begin_ns, millis=True)
        + (f" for {seconds(span.end_ns - span.begin_ns)}" if span.end_ns > span.begin_ns else "")
        for span in largest
    )
    return Markup(f'<br><small class="muted">such as {told}</small>')


def _coverage(checked: Checked, bins: _Bins) -> Markup:
    parts: list[Cell] = []
    length_ns = bins.length_s * NANOS
    entries = []
    strip = Chart(bins.x, None, height=54, label="what the book was")
    for name, column, colour in _STRIPS:
        share = bins.total(column) / length_ns
        if not share.any():
            continue
        entries.append((name, colour))
        worst = share if column != at.T_VALID_NS else np.where(share > 0, 1.0, 0.0)
        strip.spans(
            _runs(bins, worst > 0, name), colour, opacity=0.95 if column != at.T_VALID_NS else 0.5
        )
    parts += [legend(entries), strip.svg()]
    for item in checked.found:
        if item.finding in _LASTING and item.spans:
            lane = Chart(bins.x, None, height=40, label=item.finding)
            lane.spans(
                [
                    (float(s.begin_ns), float(s.end_ns), f"{item.finding}: {seconds(s.size)}")
                    for s in item.spans
                ],
                Colour.BAD if item.weight is Weight.FAILURE else Colour.WARN,
            )
            parts += [Markup(f"<h3>{item.finding}</h3>"), lane.svg()]
    return section(
        "Coverage",
        *parts,
        lead="What the book was like all along; narrow troubles are drawn as wide as a pixel, so nothing is hidden. "
        "The largest cases of each lasting finding stand below.",
    )


def _runs(bins: _Bins, holds: NDArray[np.bool_], name: str) -> Iterator[tuple[float, float, str]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], holds.astype(np.int8), [0]])))
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        begin = bins.begins[first]
        end = bins.begins[stop] if stop < len(bins.begins) else bins.x.high
        yield float(begin), float(end), f"{name}: {clock(begin)} to {clock(end)}"


def _prices(bins: _Bins) -> Markup:
    unit = bins.grid.price_unit
    rows = bins.rows
    low = bins.extreme(at.T_BID_LOW, True, rows[:, at.T_BID_LOW] > 0) * unit
    high = bins.extreme(at.T_ASK_HIGH, False, rows[:, at.T_ASK_HIGH] > 0) * unit
    traded_low = bins.extreme(at.T_TRADE_LOW, True, rows[:, at.T_TRADE_LOW] > 0) * unit
    traded_high = bins.extreme(at.T_TRADE_HIGH, False, rows[:, at.T_TRADE_HIGH] > 0) * unit
    every = np.concatenate([low, high, traded_low, traded_high])
    every = every[np.isfinite(every)]
    if not len(every):
        return section("Prices", paragraph("No price is known."))
    prices = Chart(bins.x, axis_of(float(every.min()), float(every.max())), height=220)
    prices.band(bins.begins, low, high, Colour.ONE)
    prices.line(bins.begins, low, Colour.ONE, width=0.8)
    prices.line(bins.begins, high, Colour.ONE, width=0.8)
    prices.line(bins.begins, traded_low, Colour.TWO, width=1.0)
    prices.line(bins.begins, traded_high, Colour.TWO, width=1.0)
    valid = bins.total(at.T_VALID_NS)
    spread = np.where(valid > 0, bins.total(at.T_SPREAD) / np.maximum(valid, 1) * unit, np.nan)
    bps = 1e4 * spread / np.nanmedian(every)
    top = float(np.nanmax(bps)) if np.isfinite(bps).any() else 1.0
    spreads = Chart(bins.x, axis_of(0.0, top, zero=True))
    spreads.line(bins.begins, bps, Colour.THREE, step=True)
    return section(
        "Prices and spread",
        legend(
            [
                ("lowest best bid to highest best ask", Colour.ONE),
                ("lowest and highest trade", Colour.TWO),
            ]
        ),
        prices.svg(),
        legend([("mean spread while the book could be quoted on, bps", Colour.THREE)]),
        spreads.svg(),
        lead=f"Each point is {seconds(bins.length_s * NANOS)}. Trades that stick out of the band print through the book.",
    )


def _activity(bins: _Bins) -> Markup:
    rates = [
        ("book messages", at.T_BOOK, Colour.ONE),
        ("best quotes", at.T_BEST, Colour.FOUR),
        ("trades", at.T_TRADES, Colour.TWO),
    ]
    drawn = [(name, bins.rate(column), colour) for name, column, colour in rates]
    drawn = [(name, rate, colour) for name, rate, colour in drawn if rate.any()]
    top = max((float(rate.max()) for _, rate, _ in drawn), default=1.0)
    chart = Chart(bins.x, axis_of(0.0, top, zero=True))
    for _, rate, colour in drawn:
        chart.line(bins.begins, rate, colour, width=1.1)
    bought = bins.rate(at.T_BOUGHT) * bins.grid.qty_unit
    sold = bins.rate(at.T_SOLD) * bins.grid.qty_unit
    volume = Chart(bins.x, axis_of(0.0, float(max(bought.max(), sold.max())), zero=True))
    volume.line(bins.begins, bought, Colour.GOOD, width=1.1)
    volume.line(bins.begins, sold, Colour.BAD, width=1.1)
    return section(
        "Activity",
        legend([(f"{name} a second", colour) for name, _, colour in drawn]),
        chart.svg(),
        legend([("bought", Colour.GOOD), ("sold", Colour.BAD)]),
        volume.svg(),
        lead="Messages a second, and the size that traded a second by the aggressor's side.",
    )


def _latency(sums: Sums, bins: _Bins, facts: Facts) -> Markup:
    known = bins.rows[:, at.T_LATENCIES] > 0
    if not (_is_known(facts.book_latency) or _is_known(facts.trade_latency)):
        return section(
            "Latency", paragraph("It cannot be known: there is one clock only, or no venue time.")
        )
    ms = 1e-6
    least = bins.extreme(at.T_LATENCY_MIN, True, known) * ms
    most = bins.extreme(at.T_LATENCY_MAX, False, known) * ms
    count = bins.total(at.T_LATENCIES)
    mean = np.where(count > 0, bins.total(at.T_LATENCY_SUM) / np.maximum(count, 1), np.nan) * ms
    chart = Chart(bins.x, axis_of(float(np.nanmin(least)), float(np.nanmax(most))))
    chart.band(bins.begins, least, most, Colour.ONE)
    chart.line(bins.begins, least, Colour.ONE, width=0.9)
    chart.line(bins.begins, mean, Colour.TWO)
    rows = [
        (name, f"{part.messages:,}", *(seconds(value) for value in (part.least_ns, part.median_ns, part.p99_ns, part.most_ns)), f"{part.negative:,}")
        for name, part in (("book", facts.book_latency), ("trades", facts.trade_latency))
        if part.messages
    ]  # fmt: skip
    columns = [Column("feed"), *(Column(name, number=True) for name in ("messages", "least", "median", "99%", "most", "negative"))]  # fmt: skip
    return section(
        "Latency and clocks",
        legend([("least to most", Colour.ONE), ("mean", Colour.TWO)]),
        chart.svg(),
        _distribution(sums),
        table(columns, rows),
        lead="Received minus sent, ms: the sum of latency and the difference of two clocks. A lower edge that moves is a "
        "clock that drifts or was set; below zero the recorder's clock is behind.",
    )


def _distribution(sums: Sums) -> Markup:
    """Shares of messages by latency, between the extremes."""
    both = sums.latencies.astype(np.float64)
    used = np.flatnonzero(both.sum(axis=0))
    values = (sums.state[at.BASE_LATENCY] + bucket_values()) * 1e-6
    low, high = float(values[used[0]]), float(values[used[-1]])
    edges = np.linspace(low, high + 1e-9, 81)
    if high <= low:
        return Markup()
    shares = [
        np.histogram(values, edges, weights=counts / max(counts.sum(), 1.0))[0] for counts in both
    ]
    top = max(float(share.max()) for share in shares)
    chart = Chart(axis_of(low, high), Axis(0.0, 100 * top), height=150)
    chart.bars(edges, 100 * shares[0], Colour.ONE)
    middles = (edges[:-1] + edges[1:]) / 2
    chart.line(middles, 100 * shares[1], Colour.TWO, width=1.6)
    return joined(
        [
            legend([("% of book messages by ms", Colour.ONE), ("% of trades", Colour.TWO)]),
            chart.svg(),
        ]
    )


def _regimes(regimes: Regimes, bins: _Bins) -> Markup:
    colours = (Colour.SIX, Colour.ONE, Colour.TWO, Colour.BAD)
    names = list(dict.fromkeys(name for name, _, _ in regimes.spells))
    order: Sequence[str] = sorted(names, key=_regime_place)
    total = sum(end - begin for _, begin, end in regimes.spells) or 1
    strip = Chart(bins.x, None, height=54, label="volatility class")
    rows, entries = [], []
    for name in order:
        colour = colours[_regime_place(name)]
        spells = [(begin, end) for other, begin, end in regimes.spells if other == name]
        strip.spans(
            [(float(b), float(e), f"{name} for {seconds(e - b)}") for b, e in spells], colour
        )
        lasted = sum(end - begin for begin, end in spells)
        entries.append((name, colour))
        rows.append((name, seconds(lasted), f"{lasted / total:.1%}", f"{len(spells):,}"))
    columns = [
        Column("class"),
        *(Column(name, number=True) for name in ("time", "share", "spells")),
    ]
    return section(
        "Volatility classes", legend(entries), strip.svg(), table(columns, rows), lead=regimes.note
    )


def _regime_place(name: str) -> int:
    known = ("calm", "normal", "elevated", "extreme")
    return known.index(name) if name in known else 1


def _origin(opened: Opened, facts: Facts) -> Markup:
    header = opened.info.header
    instrument = header.instrument
    rows: list[tuple[str, str]] = [
        ("market", f"{header.market} ({instrument.kind})"),
        ("tick", str(opened.tick) if opened.tick is not None else header.tick_size),
        ("lot", str(opened.lot) if opened.lot is not None else header.lot_size),
        (
            "snapshots",
            f"{facts.snapshots:,}, of which changes follow on by number: {facts.bridges:,}",
        ),
        ("book messages", f"{facts.book_messages:,}"),
        ("funding updates", f"{facts.fundings:,}"),
        ("file", str(opened.info.path)),
    ]
    return section("What it is", table([Column("what"), Column("value")], rows))
