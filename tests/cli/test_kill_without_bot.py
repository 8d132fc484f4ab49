"""`kill` when no bot answers: the latch goes to disk and the orders go from the venue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.core.reasons import KillReason
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.lock import InstanceLock
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import SqliteStore

if TYPE_CHECKING:
    from tests.cli.conftest import Run

HOLDER = """
import sys, time
from pathlib import Path
from market_maker.runtime.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]), "sim", 1)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def paths(tmp_path: Path) -> DataPaths:
    made = DataPaths(tmp_path, Mode.SIM, ("SOL-USD",))
    made.ensure()
    return made


def _latched(paths: DataPaths, market: str = "") -> set[KillReason]:
    store = SqliteStore(paths.state_file)
    try:
        return set(KillSwitch(StateStore(store).latches(market)).reasons)
    finally:
        store.close()


def test_the_latch_is_set_and_nothing_rests(run: Run, paths: DataPaths, tmp_path: Path) -> None:
    done = run("kill", "--data-dir", tmp_path, "--json")
    assert (done.code, done.json()["by"]) == (0, "command")
    assert _latched(paths) == {KillReason.COMMAND}
    assert not paths.kill_file.exists()


def test_only_the_named_market_is_latched(run: Run, paths: DataPaths, tmp_path: Path) -> None:
    assert run("kill", "--data-dir", tmp_path, "--market", "SOL-USD").code == 0
    assert _latched(paths) == set()
    assert _latched(paths, "SOL-USD") == {KillReason.COMMAND}


def test_a_state_that_cannot_be_written_exits_8(run: Run, paths: DataPaths, tmp_path: Path) -> None:
    paths.state_file.mkdir()
    done = run("kill", "--data-dir", tmp_path)
    assert done.code == 8
    assert "restart" in done.err


def test_a_bot_that_hangs_gets_a_sign_and_force_ends_it(
    run: Run, paths: DataPaths, tmp_path: Path
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(paths.lock_file)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    run("kill", "--data-dir", tmp_path)
    assert paths.kill_file.exists()
    assert holder.poll() is None
    done = run("kill", "--data-dir", tmp_path, "--force")
    holder.stdout.close()
    assert holder.wait(10) == -9
    assert done.code == 0
    InstanceLock(paths.lock_file, "sim", 1).release()
