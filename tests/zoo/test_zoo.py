"""Every planted bug is caught by the fault simulation; without a bug the same faults find nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planting import SOURCES, Bug, Edit, StalePlantError, mutated
from zoo_bugs import ZOO
from zoo_runner import judge, options_for

_RUNNER = Path(__file__).with_name("zoo_runner.py")
_GIVE_UP_S = 300.0
_CONTROL_SEEDS = range(1, 4)

_PROFILES = list({(bug.faults, str(bug.keys)): bug for bug in ZOO.values()}.values())


@pytest.mark.parametrize("bug", ZOO.values(), ids=ZOO)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    run = subprocess.run(
        [sys.executable, str(_RUNNER), bug.name],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=_GIVE_UP_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    broken = [json.loads(line)["broken"] for line in run.stdout.splitlines()]
    assert broken, f"{bug.name} escaped: {bug.mistake}"
    assert set(broken[-1]) & set(bug.breaks), broken


@pytest.mark.parametrize("bug", _PROFILES, ids=[bug.name for bug in _PROFILES])
def test_the_same_faults_find_nothing_without_a_bug(bug: Bug) -> None:
    options = options_for(bug)
    assert [judge(seed, options) for seed in _CONTROL_SEEDS] == [{} for _ in _CONTROL_SEEDS]


@pytest.mark.parametrize("bug", ZOO.values(), ids=ZOO)
def test_every_plant_fits_the_source_of_today(bug: Bug) -> None:
    sources = mutated(bug)
    assert not any(".kernels." in name for name in sources), "a planted kernel compiles anew"
    for name, source in sources.items():
        compile(source, name, "exec")


def test_a_snippet_that_is_gone_is_an_error() -> None:
    gone = Edit("ledger.fills", "a line that nobody ever wrote\n", "")
    bug = Bug(name="gone", mistake="", edits=(gone,), faults="none", breaks=())
    with pytest.raises(StalePlantError):
        mutated(bug)
