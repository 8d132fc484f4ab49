"""The section of a report that holds two sessions side by side."""

from __future__ import annotations

import numpy as np

from market_maker.backtest.report_series import step_at
from market_maker.backtest.report_words import (
    COMPARED,
    comparison_sentence,
    interval,
    told,
    tone_of,
)
from market_maker.backtest.results import Comparison, Difference
from market_maker.backtest.session import Floats, Session
from market_maker.pages.axis import Axis, axis_of, moment
from market_maker.pages.chart import Chart, Colour, legend
from market_maker.pages.html import (
    Column,
    Markup,
    Tone,
    badge,
    escaped,
    paragraph,
    section,
    table,
    toned,
)

_POINTS = 1000
_NEITHER = ("turnover", "fills", "time quoting both sides", "time quoting none")


def comparison_section(left: Session, right: Session, found: Comparison) -> Markup:
    """Two sessions, figure by figure, with the interval of each difference."""
    word, tone = COMPARED[found.verdict]
    said = Markup(f"<p>{badge(word, tone)} {escaped(comparison_sentence(found))}</p>")
    columns = [Column("figure"), Column("first", number=True), Column("second", number=True),
               Column("second less first", number=True), Column("interval", number=True)]  # fmt: skip
    rows = [
        [
            each.name.replace("_", " "),
            told(each.left, sign=True),
            told(each.right, sign=True),
            toned(told(each.difference, sign=True), _meant(each)),
            interval(each.difference, sign=True),
        ]
        for each in found.differences
    ]
    how = f"{found.note} {found.rule} Intervals from {found.sampling.blocks:.3g} blocks of {found.sampling.block_s:.3g} s."
    return section(
        "Against the other session",
        paragraph(f"First: {_named(left)}. Second, this page: {_named(right)}.", lead=True),
        said,
        legend((("first", Colour.SIX), ("second", Colour.ONE))),
        _curves(left, right, paired=found.paired),
        table(columns, rows),
        paragraph(how, lead=True),
    )


def _meant(each: Difference) -> Tone:
    """Good or bad where more is better; how much was traded is neither."""
    return Tone.PLAIN if each.name in _NEITHER else tone_of(each.difference)


def _named(session: Session) -> str:
    about = session.about
    return f"{about.market} {about.engine} {about.mode}, {moment(about.began_ns)}, seed {about.seed}, settings {about.config_digest or 'unknown'}"


def _curves(left: Session, right: Session, *, paired: bool) -> Markup:
    """Both results over time: of the clock, or since each began."""
    curves: list[tuple[Floats, Floats, Colour]] = []
    for session, colour in ((left, Colour.SIX), (right, Colour.ONE)):
        began, ended = session.about.began_ns, session.about.ended_ns
        at = np.linspace(began, ended, _POINTS).astype(np.int64)
        values = step_at(session.equity.time_ns, session.equity.trading(), at)
        curves.append(((at - (0 if paired else began)).astype(np.float64), values, colour))
    low = min(float(xs[0]) for xs, _, _ in curves)
    high = max(float(xs[-1]) for xs, _, _ in curves)
    least = min(float(ys.min()) for _, ys, _ in curves)
    most = max(float(ys.max()) for _, ys, _ in curves)
    x: Axis = axis_of(low, high, time=True)
    chart = Chart(
        x, axis_of(least, most, zero=True), height=220, label="Profit of trading of both sessions"
    )
    for xs, ys, colour in curves:
        chart.line(xs, ys, colour, width=2.0)
    return chart.svg()
