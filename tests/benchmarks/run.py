"""Runs every benchmark of this folder and prints one table: `python tests/benchmarks/run.py [name ...]`.

A benchmark is a file `bench_*.py` with a function `rows()`. Names choose among them, by default all
run, baselines first. Exits 1 if a target is missed.
"""

import importlib
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

_FOLDER = Path(__file__).parent
sys.path.insert(0, str(_FOLDER.parents[1]))

from tests.benchmarks._table import Row  # noqa: E402 - the line above makes it importable


def _chosen(names: list[str]) -> list[str]:
    found = sorted(path.stem for path in _FOLDER.glob("bench_*.py"))
    wanted = [f"bench_{name.removeprefix('bench_')}" for name in names] or found
    unknown = [name for name in wanted if name not in found]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(found)}")
    return sorted({"bench_baselines", *wanted}, key=lambda name: (name != "bench_baselines", name))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _line(row: Row) -> tuple[str, str, str, str, str]:
    target, verdict = "", ""
    if row.target is not None:
        target = f"{'<=' if row.at_most else '>='} {_number(row.target)} {row.unit}"
        verdict = "yes" if row.passed else "NO"
    return row.name, f"{_number(row.value)} {row.unit}", target, verdict, row.baseline


def main(names: list[str]) -> int:
    """Measure and print."""
    python = f"Python {platform.python_version()}, {platform.machine()}"
    table = Table("what", "measured", "target", "met", "same-run baseline", title=python)
    missed = 0
    progress = Console(stderr=True)
    for name in _chosen(names):
        progress.print(f"{name} ...")
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            table.add_row(*_line(row))
            missed += not row.passed
    Console(width=150 if not sys.stdout.isatty() else None).print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
