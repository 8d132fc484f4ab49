"""The documented command still measures: what a component asks for changes under benchmarks too.

Only the quick ones, and never what they measured.
"""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("name", "measured"),
    [("ledger", "an order's life"), ("journal", "journal digest only")],
)
def test_a_benchmark_runs_to_its_end(name: str, measured: str) -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("run.py"), name],
        capture_output=True,
        check=False,
        text=True,
    )
    assert measured in done.stdout, done.stderr
