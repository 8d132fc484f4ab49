"""DET1 amid all faults: a seed gives the same journals in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from simulation_digest import digests

import market_maker

_SCRIPT = Path(__file__).with_name("simulation_digest.py")
_SOURCE = Path(market_maker.__file__).parents[1]


def _digests_elsewhere(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(_SCRIPT)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(_SOURCE)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_seed_gives_the_same_journals_in_every_process() -> None:
    here = digests()
    assert len(set(here)) == len(here)
    assert _digests_elsewhere("1") == here
    assert _digests_elsewhere("31337") == here
