"""The page of a search: verdict, history of trials, importance of settings, folds, parameters.

Owns which figures stand where. Self-contained; refuses to compute anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, Figure
from market_maker.backtest.search_result import Found, Judged
from market_maker.pages.axis import axis_of
from market_maker.pages.chart import Chart, Colour
from market_maker.pages.html import Column, Markup, Tile, page, paragraph, section, table, tiles


def search_page(found: Found, objectives: Sequence[float]) -> str:
    """The whole document; `objectives` are those of all whole trials in order."""
    parts = [
        section("Verdict", paragraph(found.verdict), tiles(_tiles(found))),
        section("Out of sample", _judged_table(found), lead="The part that no trial saw."),
        section(
            "Trials",
            _history(objectives),
            lead="Objective of every whole trial, and the best so far.",
        ),
        section("Folds", _folds(found), lead="Profit over risk in each part of the search."),
    ]
    if found.importance:
        parts.append(section("What matters", _importance(found)))
    parts.append(section("Parameters", _parameters(found)))
    return page(
        f"Search: {found.engine} on {found.market}",
        f"{found.whole_trials} whole trials of {found.trials}",
        parts,
        footer="A simulated profit is no expectation.",
    )


def _tiles(found: Found) -> list[Tile]:
    chance = "unknown" if found.probability is None else f"{found.probability:.1%}"
    told = [
        Tile("better than in force", _figure(found.better_per_hour), f"{CONFIDENCE:.0%} interval"),
        Tile("beyond luck", chance, f"deflated for {found.whole_trials} trials"),
    ]
    if found.full is not None:
        full = found.full
        told.append(
            Tile(
                "whole bot",
                f"{full.pnl:+.4f} {found.currency}",
                f"compiled {full.compiled_pnl:+.4f}, gap {full.gap:+.4f}",
            )
        )
    return told


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return "unknown"
    if figure.low is None or figure.high is None:
        return f"{figure.value:+.4f} {figure.unit} (interval unknown)"
    return f"{figure.value:+.4f} {figure.unit} ({figure.low:+.4f} to {figure.high:+.4f})"


def _judged_table(found: Found) -> Markup:
    columns = [Column("parameters")] + [
        Column(name, number=True) for name in ("P&L", "per hour", "score", "fills")
    ]
    return table(columns, [_row("best", found.best), _row("in force", found.default)])


def _row(name: str, one: Judged) -> tuple[str, ...]:
    stopped = ", stopped by a loss limit" if one.killed else ""
    return (
        name + stopped,
        f"{one.pnl:+.4f}",
        _figure(one.pnl_per_hour),
        f"{one.score:+.2f}",
        str(one.fills),
    )


def _history(objectives: Sequence[float]) -> Markup:
    values = np.array(objectives, dtype=np.float64)
    numbers = np.arange(1, len(values) + 1, dtype=np.float64)
    y = axis_of(float(values.min()), float(values.max()))
    chart = Chart(axis_of(1.0, float(len(values))), y, label="objective by trial")
    chart.marks(numbers.tolist(), values.tolist(), Colour.TWO)
    chart.line(numbers, np.maximum.accumulate(values), Colour.ONE, step=True)
    return chart.svg()


def _folds(found: Found) -> Markup:
    folds = range(len(found.best.fold_scores))
    columns = [Column("parameters"), *(Column(f"fold {n + 1}", number=True) for n in folds)]
    rows = [
        (name, *(f"{one.fold_scores[n]:+.2f}" for n in folds))
        for name, one in (("best", found.best), ("in force", found.default))
        if one.fold_scores
    ]
    ahead = (
        "best of the folds before (among trials that saw all folds)",
        "",
        *(f"{score:+.2f}" for _, score in found.walk_forward),
    )
    return table(columns, [*rows, ahead[: len(columns)]])


def _importance(found: Found) -> Markup:
    rows = [(name, f"{share:.0%}") for name, share in found.importance.items()]
    return table([Column("setting"), Column("share explained", number=True)], rows)


def _parameters(found: Found) -> Markup:
    columns = [Column("setting"), Column("best", number=True), Column("in force", number=True)]
    in_force = found.default.values
    rows = [
        (name, f"{value:.6g}", f"{in_force[name]:.6g}") for name, value in found.best.values.items()
    ]
    return table(columns, rows)
