"""Prints the table of `docs/bug-zoo.md`: in how many seeds each bug is caught, and by what.

Takes minutes: `python tests/zoo/measure.py [SEEDS]`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from planting import SOURCES, Bug
from zoo_bugs import ZOO

_SEEDS = sys.argv[1] if len(sys.argv) > 1 else "20"
_RUNNER = Path(__file__).with_name("zoo_runner.py")


def row(bug: Bug) -> str:
    """One bug's line of the table."""
    run = subprocess.run(
        [sys.executable, str(_RUNNER), bug.name, "--all", "--seeds", _SEEDS],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    seeds = [json.loads(line) for line in run.stdout.splitlines()]
    count = Counter(statement for seed in seeds for statement in seed["broken"])
    broken = ", ".join(f"{statement} ({n})" for statement, n in count.most_common(3))
    faults = ", ".join(f"`{fault}`" for fault in bug.faults.split(","))
    return f"| `{bug.name}` | {bug.mistake} | {faults} | {len(seeds)} of {_SEEDS} | {broken} |"


def main() -> None:
    """Print every row."""
    sys.stdout.write("| bug | mistake | faults | caught | by |\n|---|---|---|---|---|\n")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(row, ZOO.values()):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
