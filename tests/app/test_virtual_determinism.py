"""DET1 for the whole bot: seed, code and settings decide every record, in every process."""

import os
import subprocess
import sys
from pathlib import Path

from virtual_digest import digests

import market_maker

_SCRIPT = Path(__file__).with_name("virtual_digest.py")
_SOURCE = Path(market_maker.__file__).parents[1]


def _digests_elsewhere(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(_SCRIPT)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(_SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_one_seed_gives_one_journal_in_every_process() -> None:
    here = digests()
    assert len(set(here)) == 4
    assert _digests_elsewhere("1") == here
    assert _digests_elsewhere("42") == here
