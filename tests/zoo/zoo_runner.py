"""Runs one planted bug, or none, against its fault profile: `zoo_runner.py NAME [options]`.

One process, one bug: modules are imported once. Prints one line of JSON a seed that broke a statement,
and stops at the first that broke one of the bug's own, unless all seeds are asked for. With `--control` nothing is planted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from planting import Bug, plant
from zoo_bugs import ZOO

if TYPE_CHECKING:
    from market_maker.app.simulation.seed_run import Options

SEEDS = 60
DURATION_S = 30.0

INTENSITY = 4.0
"""How much more often faults strike than in a simulation of everything at once."""

_FILES = (
    Path(__file__).parents[1] / "simulation" / "brisk.toml",
    Path(__file__).with_name("crowded.toml"),
)


def options_for(bug: Bug) -> Options:
    """The simulation that a bug is put into."""
    from market_maker.app.simulation.seed_run import Options
    from market_maker.config.load import load
    from market_maker.venues.faulty.faults import parse_faults

    flags = {tuple(key.split(".")): (key, value) for key, value in bug.keys.items()}
    return Options(
        settings=load(files=_FILES, flags=flags).settings,
        markets=("SOL-USD",),
        faults=parse_faults(bug.faults),
        duration_s=DURATION_S,
        certain=True,
        intensity=INTENSITY,
    )


def judge(seed: int, options: Options) -> dict[str, str]:
    """Statements that break under one seed, each with what was found first.

    An exception that nobody caught breaks something as well: it stands under its own name.
    """
    from market_maker.app.simulation.seed_run import SeedRun

    try:
        report = SeedRun(seed, options).run()
    except Exception as error:  # noqa: BLE001 - whatever a bug raises, it was found
        return {type(error).__name__: str(error)}
    return {each.statement: str(each) for each in reversed(report.violations)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ZOO)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--all", action="store_true", help="do not stop at the first")
    parser.add_argument("--control", action="store_true", help="plant nothing")
    given = parser.parse_args()
    bug = ZOO[given.name]
    if not given.control:
        plant(bug)
    options = options_for(bug)
    for seed in range(1, given.seeds + 1):
        broken = judge(seed, options)
        if broken:
            sys.stdout.write(json.dumps({"seed": seed, "broken": broken}) + "\n")
            if not given.all and set(broken) & set(bug.breaks):
                return


if __name__ == "__main__":
    main()
