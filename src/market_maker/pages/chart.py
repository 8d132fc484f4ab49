"""Charts as inline SVG: lines, bands, bars, marks and spans over one pair of axes.

Owns geometry and thinning: however long the series, a chart has at most two points a pixel, and the lowest and highest
value of every pixel survive. Refuses to know what is drawn; colours are names of the page's style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from market_maker.pages.axis import Axis
from market_maker.pages.html import Markup, escaped

Floats: TypeAlias = NDArray[np.float64]

_LEFT = 58
_RIGHT = 12
_TOP = 8
_BOTTOM = 20


class Colour(StrEnum):
    """Colours of the style sheet, apart from each other for most eyes, light and dark."""

    ONE = "var(--one)"
    TWO = "var(--two)"
    THREE = "var(--three)"
    FOUR = "var(--four)"
    FIVE = "var(--five)"
    SIX = "var(--six)"
    GOOD = "var(--good)"
    WARN = "var(--warn)"
    BAD = "var(--bad)"
    SOFT = "var(--soft)"


class Chart:
    """One pair of axes and what is drawn on it, in the order of the calls."""

    __slots__ = ("_drawn", "_height", "_label", "_width", "_x", "_y")

    def __init__(
        self, x: Axis, y: Axis | None, *, height: int = 170, width: int = 1020, label: str = ""
    ) -> None:
        """Start empty; without `y` it is a strip on which only spans can be drawn."""
        self._x = x
        self._y = y
        self._height = height
        self._width = width
        self._label = label
        self._drawn: list[str] = []

    def line(
        self, xs: Floats, ys: Floats, colour: Colour, *, step: bool = False, width: float = 1.4
    ) -> None:
        """A line; it breaks where a value is not finite. `step` holds each value until the next."""
        path = self._path(*self._thinned(xs, ys), step=step)
        self._drawn.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"/>'
        )

    def band(self, xs: Floats, lows: Floats, highs: Floats, colour: Colour) -> None:
        """The area between two lines; it breaks where one of them is not finite."""
        known = np.isfinite(lows) & np.isfinite(highs)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
        every = max(1, len(xs) // self._pixels)
        parts = []
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            cut = np.arange(first, stop, every)
            upper = self._points(xs[cut], np.maximum.reduceat(highs[:stop], cut))
            lower = self._points(xs[cut][::-1], np.minimum.reduceat(lows[:stop], cut)[::-1])
            parts.append(f"M{upper}L{lower}Z")
        path = "".join(parts)
        self._drawn.append(f'<path d="{path}" fill="{colour}" opacity="0.22"/>')

    def bars(self, edges: Floats, heights: Floats, colour: Colour) -> None:
        """Bars between neighbouring edges, standing on the foot of the chart."""
        foot = self._bottom
        path = "".join(
            f"M{self._px(left):.1f},{foot}V{self._py(height):.1f}H{max(self._px(right) - gap, self._px(left) + 0.4):.1f}V{foot}Z"
            for left, right, height, gap in zip(
                edges[:-1], edges[1:], heights, self._gaps(edges), strict=True
            )
            if np.isfinite(height) and height > self._low
        )
        self._drawn.append(f'<path d="{path}" fill="{colour}"/>')

    def marks(
        self, xs: Sequence[float], ys: Sequence[float], colour: Colour, *, radius: float = 2.6
    ) -> None:
        """Single points."""
        dots = "".join(
            f'<circle cx="{self._px(x):.1f}" cy="{self._py(y):.1f}" r="{radius:g}"/>'
            for x, y in zip(xs, ys, strict=True)
        )
        self._drawn.append(f'<g fill="{colour}">{dots}</g>')

    def spans(
        self, ranges: Iterable[tuple[float, float, str]], colour: Colour, *, opacity: float = 0.85
    ) -> None:
        """Ranges of x over the whole height, each with what it tells when pointed at."""
        parts = []
        for begin, end, text in ranges:
            left = self._px(begin)
            wide = max(self._px(end) - left, 1.2)
            parts.append(
                f'<rect x="{left:.1f}" y="{_TOP}" width="{wide:.1f}" height="{self._bottom - _TOP}">'
                f"<title>{escaped(text)}</title></rect>"
            )
        self._drawn.append(f'<g fill="{colour}" opacity="{opacity:g}">{"".join(parts)}</g>')

    def svg(self) -> Markup:
        """The finished picture."""
        grid = [self._grid_x(at, text) for at, text in self._x.ticks(8)]
        if self._y is not None:
            grid += [self._grid_y(at, text) for at, text in self._y.ticks(4)]
        foot = f'<path class="axis" d="M{_LEFT},{self._bottom}H{self._width - _RIGHT}"/>'
        title = f"<title>{escaped(self._label)}</title>" if self._label else ""
        return Markup(
            f'<svg viewBox="0 0 {self._width} {self._height}" role="img">{title}'
            f"{''.join(grid)}{''.join(self._drawn)}{foot}</svg>"
        )

    @property
    def _pixels(self) -> int:
        return self._width - _LEFT - _RIGHT

    @property
    def _bottom(self) -> int:
        return self._height - _BOTTOM

    @property
    def _low(self) -> float:
        return self._y.low if self._y is not None else 0.0

    def _px(self, x: float) -> float:
        return _LEFT + self._pixels * min(max(self._x.place(x), 0.0), 1.0)

    def _py(self, y: float) -> float:
        share = self._y.place(y) if self._y is not None else 0.0
        return self._bottom - (self._bottom - _TOP) * min(max(share, 0.0), 1.0)

    def _points(self, xs: Floats, ys: Floats) -> str:
        return "L".join(
            f"{self._px(x):.1f},{self._py(y):.1f}"
            for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        )

    def _path(self, xs: Floats, ys: Floats, *, step: bool) -> str:
        parts: list[str] = []
        pen = False
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if not np.isfinite(y):
                pen = False
                continue
            px, py = f"{self._px(x):.1f}", f"{self._py(y):.1f}"
            if not pen:
                parts.append(f"M{px},{py}")
            else:
                parts.append(f"H{px}V{py}" if step else f"L{px},{py}")
            pen = True
        return "".join(parts)

    def _thinned(self, xs: Floats, ys: Floats) -> tuple[Floats, Floats]:
        """First, lowest, highest and last point of each pixel, in order."""
        if len(xs) <= 2 * self._pixels:
            return xs, ys
        low, high = self._x.low, self._x.high
        column = np.floor((xs - low) / (high - low) * self._pixels / 2).astype(np.int64)
        cuts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
        ends = np.append(cuts[1:], len(xs))
        keep: list[int] = []
        for begin, end in zip(cuts.tolist(), ends.tolist(), strict=True):
            part = ys[begin:end]
            chosen = {begin, end - 1}
            if np.isfinite(part).any():
                chosen |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
            keep += sorted(chosen)
        return xs[keep], ys[keep]

    def _gaps(self, edges: Floats) -> list[float]:
        wide = self._pixels / max(len(edges) - 1, 1)
        return [1.0 if wide > 4 else 0.0] * (len(edges) - 1)

    def _grid_x(self, at: float, text: str) -> str:
        x = self._px(at)
        return (
            f'<path class="grid" d="M{x:.1f},{_TOP}V{self._bottom}"/>'
            f'<text x="{x:.1f}" y="{self._height - 5}" text-anchor="middle">{escaped(text)}</text>'
        )

    def _grid_y(self, at: float, text: str) -> str:
        y = self._py(at)
        return (
            f'<path class="grid" d="M{_LEFT},{y:.1f}H{self._width - _RIGHT}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escaped(text)}</text>'
        )


def legend(entries: Iterable[tuple[str, Colour]]) -> Markup:
    """Which colour is what."""
    parts = (
        f'<span><i style="background:{colour}"></i>{escaped(text)}</span>'
        for text, colour in entries
    )
    return Markup(f'<div class="legend">{"".join(parts)}</div>')
