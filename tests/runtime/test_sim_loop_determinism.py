"""DET1 for the loop: one seed, one order, in every process, hash seed and Python version."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import market_maker

_SCRIPT = Path(__file__).with_name("sim_digest.py")
_SOURCE = Path(market_maker.__file__).parents[1]


def _digests(python: str, hash_seed: str) -> list[str]:
    done = subprocess.run(
        [python, "-W", "error", str(_SCRIPT)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(_SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def reference() -> list[str]:
    return _digests(sys.executable, "0")


def test_three_modes_give_three_different_runs(reference: list[str]) -> None:
    assert len(set(reference)) == 3


@pytest.mark.parametrize("hash_seed", ["1", "random"])
def test_hash_seeds_and_processes_do_not_change_the_order(
    reference: list[str], hash_seed: str
) -> None:
    assert _digests(sys.executable, hash_seed) == reference


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_python_versions_do_not_change_the_order(reference: list[str], version: str) -> None:
    python = shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"no python{version} on the path")
    if subprocess.run([python, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"python{version} does not run")
    assert _digests(python, "random") == reference
