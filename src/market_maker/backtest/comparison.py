"""Two sessions side by side, and whether their difference is more than chance.

Where both lived through the same time they are resampled by the same blocks of it, so that what the market did to both
cancels out. Otherwise each is resampled by itself, and the difference is as uncertain as both together.
"""

from __future__ import annotations

from typing import Final

from market_maker.backtest.bootstrap import CONFIDENCE
from market_maker.backtest.cells import HORIZONS_S, Cells, cells_of, effective_fills, mark_fills
from market_maker.backtest.results import Comparison, Difference, Verdict
from market_maker.backtest.sample import (
    BOTH_SIDES,
    HOUR_S,
    Ratio,
    Sample,
    block_cells,
    marked_out,
    over,
    sample_of,
    sampling_of,
    sharpe,
)
from market_maker.backtest.session import PARTS, Session
from market_maker.backtest.session_statistics import LEAST_BLOCKS, LEAST_FILLS, LEAST_HOURS

RULE: Final = (
    f"Positive (the second earns more) or negative (less) only where the {CONFIDENCE:.0%} interval of the difference"
    f" of profit per hour excludes zero, and both sessions have at least {LEAST_FILLS} effective fills,"
    f" {LEAST_BLOCKS} independent blocks of time and {LEAST_HOURS:g} hour."
)

_SHARED = 0.5
"""Share of the longer session that both must have lived through to be paired."""


def compare(left: Session, right: Session, seed: int = 1) -> Comparison:
    """Compare two sessions figure by figure; differences are the second minus the first."""
    begin_ns = max(left.about.began_ns, right.about.began_ns)
    end_ns = min(left.about.ended_ns, right.about.ended_ns)
    longest_ns = max(each.about.ended_ns - each.about.began_ns for each in (left, right))
    paired = end_ns - begin_ns >= _SHARED * longest_ns
    period = (begin_ns, end_ns) if paired else (0, 0)
    cut = [cells_of(each, mark_fills(each), *period) for each in (left, right)]
    samples = (_paired if paired else _unpaired)(cut[0], cut[1], seed)
    unit = left.about.instrument.settle
    differences = tuple(
        _difference(name, *samples, ratio, kind) for name, ratio, kind in _figures(unit)
    )
    return Comparison(
        paired=paired,
        note=_note(left, right, paired=paired),
        begin_ns=begin_ns if paired else min(left.about.began_ns, right.about.began_ns),
        end_ns=end_ns if paired else max(left.about.ended_ns, right.about.ended_ns),
        verdict=_judge(left, right, samples, differences[0]),
        rule=RULE,
        sampling=sampling_of(min(samples, key=lambda sample: sample.blocks.count)),
        differences=differences,
    )


def _paired(left: Cells, right: Cells, seed: int) -> tuple[Sample, Sample]:
    """Both by the same blocks, long enough for either and for their difference."""
    gains = right.sums["pnl"] - left.sums["pnl"]
    apart = Cells(left.edges, left.cell_s, {"pnl": gains})
    length = max(block_cells(left), block_cells(right), block_cells(apart))
    return sample_of(left, seed, length), sample_of(right, seed, length)


def _unpaired(left: Cells, right: Cells, seed: int) -> tuple[Sample, Sample]:
    return sample_of(left, seed, stream="left"), sample_of(right, seed, stream="right")


def _figures(unit: str) -> tuple[tuple[str, Ratio, str], ...]:
    """What is compared: profit per hour first."""
    money = f"{unit}/h"
    return (
        ("pnl", over("pnl", "time_s", HOUR_S), money),
        *((name, over(name, "time_s", HOUR_S), money) for name in PARTS[:-1]),
        ("pnl of turnover", over("pnl", "notional", 1e4), "bps"),
        *(
            (f"markout after {horizon_s:g} s", marked_out("markout", row, BOTH_SIDES), "bps")
            for row, horizon_s in enumerate(HORIZONS_S)
        ),
        ("sharpe-like ratio", sharpe, "per √hour"),
        ("turnover", over("notional", "time_s", HOUR_S), money),
        ("fills", over("fills", "time_s", HOUR_S), "1/h"),
        ("time quoting both sides", over("both_s", "time_s", 100.0), "%"),
        ("time quoting none", over("none_s", "time_s", 100.0), "%"),
    )


def _difference(name: str, left: Sample, right: Sample, ratio: Ratio, unit: str) -> Difference:
    gap = right.value(ratio) - left.value(ratio)
    drawn = right.values(ratio) - left.values(ratio)
    told = min(left.told(ratio), right.told(ratio))
    fewest = min((left.blocks, right.blocks), key=lambda blocks: blocks.count)
    return Difference(
        name, left.of(ratio, unit), right.of(ratio, unit), fewest.figure(gap, drawn, unit, told)
    )


def _judge(
    left: Session, right: Session, samples: tuple[Sample, Sample], profit: Difference
) -> Verdict:
    enough = all(
        effective_fills(session.fills.time_ns) >= LEAST_FILLS
        and sample.blocks.count >= LEAST_BLOCKS
        and session.about.duration_s >= LEAST_HOURS * HOUR_S
        for session, sample in zip((left, right), samples, strict=True)
    )
    if not enough:
        return Verdict.INSUFFICIENT_DATA
    signs = {1: Verdict.POSITIVE, -1: Verdict.NEGATIVE, 0: Verdict.UNDECIDED}
    return signs[profit.difference.decided]


def _note(left: Session, right: Session, *, paired: bool) -> str:
    notes = []
    if paired:
        notes.append("Both sessions are resampled by the same blocks of the time that they share.")
    else:
        notes.append(
            "The sessions lived through different times: the difference includes what the market did."
        )
    if left.about.market != right.about.market:
        notes.append(f"The markets differ: {left.about.market} and {right.about.market}.")
    return " ".join(notes)
