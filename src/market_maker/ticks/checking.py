"""One file through all gates: opened, looked at, judged.

Owns what a loader sees and no gate can: a file that cannot be read, values that had to be rounded, a grid that is a
guess. What always holds: every file gets a verdict, whatever is in it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from market_maker.ticks.columns import Ticks
from market_maker.ticks.findings import Finding, Found, Verdict, Weight
from market_maker.ticks.foreign import Given, Opened
from market_maker.ticks.opening import open_recording
from market_maker.ticks.parquet_file import Recording, TicksFileError
from market_maker.ticks.quality import Quality, quality_of
from market_maker.ticks.stream_gate import Sums, gate_over


class Checked(msgspec.Struct, frozen=True, eq=False):
    """A file's verdict; what could not be read has neither sums nor content."""

    path: Path
    verdict: Verdict
    found: tuple[Found, ...]
    opened: Opened | None = None
    quality: Quality | None = None
    sums: Sums | None = None


def check_file(path: Path, given: Given) -> Checked:
    """Look at one file; never raises for what is in it."""
    try:
        opened = open_recording(path, given)
    except TicksFileError as error:
        found = Found(finding=Finding.UNREADABLE, weight=Weight.FAILURE, text=str(error), count=1)
        return Checked(path, Verdict.UNUSABLE, (found,))
    sums = _sums(opened.info, opened.ticks)
    quality = quality_of(sums, tuple(_of_loading(opened)))
    return Checked(path, quality.verdict, quality.found, opened, quality, sums)


def require_usable(info: Recording, ticks: Ticks) -> Quality:
    """The verdict on rows about to be traded on; UnusableError where they are not fit for it."""
    quality = quality_of(_sums(info, ticks))
    if quality.verdict is Verdict.UNUSABLE:
        failures = [item for item in quality.found if item.weight is Weight.FAILURE]
        told = "; ".join(f"{item.finding}: {item.text}" for item in failures)
        raise TicksFileError(
            f"{info.path} is not fit to be traded on ({told}): `data check` shows when and where; choose another span "
            "or recording"
        )
    return quality


def _sums(info: Recording, ticks: Ticks) -> Sums:
    instrument = info.header.instrument
    return gate_over(ticks, instrument.tick, instrument.lot).sums()


def _of_loading(opened: Opened) -> list[Found]:
    found = []
    moments = opened.off_grid_ns
    if len(moments):
        share = len(moments) / len(opened.ticks)
        found.append(
            Found(
                finding=Finding.OFF_GRID,
                weight=Weight.FAILURE if share > 0.01 else Weight.WARNING,
                text=f"{len(moments):,} rows ({share:.3%}) off the tick or lot were rounded to it",
                count=len(moments),
                share=share,
                begin_ns=int(moments.min()),
                end_ns=int(moments.max()),
            )
        )
    for name, step in (("tick", opened.tick), ("lot", opened.lot)):
        if step is not None and not step.sure:
            found.append(
                Found(
                    finding=Finding.GRID_UNSURE,
                    weight=Weight.WARNING,
                    text=f"the {name} may be finer than {step}: give it by --{name}",
                    count=step.distinct,
                )
            )
    return found
