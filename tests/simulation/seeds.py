"""Settings and seeds of the simulation tests."""

from __future__ import annotations

import tomllib
from pathlib import Path

from market_maker.app.simulation.seed_run import Options, SeedReport, SeedRun
from market_maker.config.schema import Settings
from market_maker.venues.faulty.faults import parse_faults

SOL = "SOL-USD"

BRISK = Settings.model_validate(
    tomllib.loads(Path(__file__).with_name("brisk.toml").read_text(encoding="utf-8"))
)
"""A bot that trades far more than the default one."""

ONCE_FAILED = (
    38,
    43,
    65,
    80,
    117,
    173,
    314,
    341,
    360,
    522,
    602,
    1369,
    10239,
    10251,
    20204,
    100185,
    200043,
    200226,
    200966,
    302880,
    313461,
)
"""Seeds that broke a rule, or the audit's idea of one, at some time."""


def simulate(
    seed: int,
    faults: str = "all",
    *,
    settings: Settings = BRISK,
    duration_s: float = 60.0,
    markets: tuple[str, ...] = (SOL,),
    certain: bool = False,
) -> SeedReport:
    """Run one seed."""
    options = Options(
        settings=settings,
        markets=markets,
        faults=parse_faults(faults),
        duration_s=duration_s,
        certain=certain,
    )
    return SeedRun(seed, options).run()


def told(report: SeedReport) -> list[str]:
    """What broke, readable in a failing test."""
    return [f"seed {report.seed}", *map(str, report.violations[:5])] if report.broken else []
