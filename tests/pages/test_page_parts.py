import re
from html.parser import HTMLParser

import numpy as np
import pytest

from market_maker.pages.axis import Axis, axis_of, clock, moment, short
from market_maker.pages.chart import Chart, Colour, legend
from market_maker.pages.html import (
    Column,
    Markup,
    Tile,
    Tone,
    badge,
    page,
    paragraph,
    section,
    table,
    tiles,
)

EVIL = "<script>alert('x')</script>"


class _Balance(HTMLParser):
    """Counts what is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _document() -> str:
    x = axis_of(0.0, 9.0)
    chart = Chart(x, axis_of(0.0, 5.0), label=EVIL)
    chart.line(np.arange(10.0), np.arange(10.0) / 2, Colour.ONE)
    chart.band(np.arange(10.0), np.zeros(10), np.ones(10), Colour.TWO)
    chart.bars(np.arange(10.0), np.ones(9), Colour.THREE)
    chart.marks([1.0], [2.0], Colour.BAD)
    chart.spans([(1.0, 2.0, EVIL)], Colour.WARN)
    return page(
        EVIL,
        EVIL,
        [
            tiles([Tile(EVIL, EVIL, EVIL, Tone.BAD)]),
            section(EVIL, paragraph(EVIL), badge(EVIL, Tone.GOOD), chart.svg(), lead=EVIL),
            table([Column(EVIL), Column("n", number=True)], [(EVIL, Markup("<b>1</b>"))]),
            legend([(EVIL, Colour.ONE)]),
        ],
        footer=EVIL,
    )


def test_a_page_is_balanced_markup_and_loads_nothing() -> None:
    document = _document()
    parser = _Balance()
    parser.feed(document)
    assert parser.open == []
    assert {"svg", "table", "section", "style"} <= set(parser.seen)
    assert not re.search(r"https?://|src=|@import|url\(", document)


def test_text_never_becomes_markup() -> None:
    document = _document()
    assert EVIL not in document
    assert document.count("&lt;script&gt;") == 16
    assert "<b>1</b>" in document


def test_a_long_line_is_thinned_and_keeps_its_extremes() -> None:
    xs = np.arange(500_000.0)
    ys = np.sin(xs / 1e4)
    ys[123_456], ys[234_567] = 9.0, -9.0
    chart = Chart(axis_of(0.0, 5e5), axis_of(-9.0, 9.0), height=128)
    chart.line(xs, ys, Colour.ONE)
    svg = chart.svg()
    assert len(svg) < 60_000
    drawn = [float(y) for y in re.findall(r"L[\d.]+,([\d.]+)", svg)]
    assert min(drawn) == 8.0
    assert max(drawn) == 108.0


def test_a_line_breaks_where_nothing_is_known() -> None:
    chart = Chart(axis_of(0.0, 4.0), axis_of(0.0, 1.0))
    chart.line(np.arange(5.0), np.array([0.0, 1.0, np.nan, 1.0, 0.0]), Colour.ONE)
    (path,) = re.findall(r'd="([^"]+)" fill="none"', chart.svg())
    assert path.count("M") == 2


def test_a_band_breaks_where_nothing_is_known() -> None:
    chart = Chart(axis_of(0.0, 4.0), axis_of(0.0, 1.0))
    lows = np.array([0.0, 0.1, np.nan, 0.1, 0.0])
    chart.band(np.arange(5.0), lows, lows + 0.5, Colour.ONE)
    (path,) = re.findall(r'd="([^"]+)" fill="[^"]+" opacity', chart.svg())
    assert path.count("Z") == 2


def test_points_outside_the_axes_stay_on_their_edge() -> None:
    chart = Chart(axis_of(0.0, 1.0), axis_of(0.0, 1.0), width=170, height=128)
    chart.marks([-5.0, 7.0], [-5.0, 7.0], Colour.ONE)
    assert re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart.svg()) == [
        ("58.0", "108.0"),
        ("158.0", "8.0"),
    ]


@pytest.mark.parametrize(
    ("axis", "about", "labels"),
    [
        (axis_of(0.0, 10.0), 5, ["0", "2", "4", "6", "8", "10"]),
        (axis_of(0.001, 0.0042), 3, ["0.002", "0.004"]),
        (axis_of(61_837.6, 61_842.1), 4, ["61,838", "61,840", "61,842"]),
        (axis_of(0.0, 3e6), 3, ["0", "1M", "2M", "3M"]),
        (Axis(1.0, 1000.0, log=True), 4, ["1", "10", "100", "1,000"]),
        (axis_of(0.0, 90e9, time=True), 3, ["00:00:00", "00:00:30", "00:01:00", "00:01:30"]),
        (axis_of(0.0, 172_800e9, time=True), 2, ["01-01", "01-02", "01-03"]),
    ],
)
def test_ticks_stand_at_round_values(axis: Axis, about: int, labels: list[str]) -> None:
    assert [label for _, label in axis.ticks(about)] == labels


def test_an_axis_without_a_range_is_widened() -> None:
    for low, high in ((5.0, 5.0), (float("nan"), 1.0), (0.0, 0.0), (float("inf"), float("-inf"))):
        axis = axis_of(low, high)
        assert axis.low < axis.high
        assert axis.ticks(4)


def test_times_and_numbers_are_written_for_people() -> None:
    at = 1_723_161_254_087_891_268
    assert moment(at) == "2024-08-08 23:54:14"
    assert clock(at, millis=True) == "23:54:14.087"
    assert [short(value) for value in (0.0, 0.1234567, 12.0, 12_345.6)] == [
        "0",
        "0.123",
        "12",
        "12,346",
    ]
