"""One bot per data directory, whatever files were left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from market_maker.core.errors import AnotherInstanceError, UnusableError
from market_maker.runtime.lock import Holder, InstanceLock, holder_of, start_ticks


@pytest.mark.scenario("SC83")
def test_a_second_instance_is_refused_by_the_number_and_mode_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "data" / "lock"
    first = InstanceLock(path, "live", now_ns=5)
    with pytest.raises(AnotherInstanceError, match=rf"pid {os.getpid()}, mode live.*--data-dir"):
        InstanceLock(path, "sim", now_ns=6)
    holder = holder_of(path)
    assert holder == Holder(os.getpid(), start_ticks(os.getpid()), "live", 5)
    assert holder.is_alive()
    first.release()
    first.release()
    assert holder_of(path) is None
    InstanceLock(path, "sim", now_ns=7).release()


def test_asking_who_holds_the_lock_does_not_take_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder_of(path) is None
    path.write_text("")
    assert holder_of(path) is None
    lock = InstanceLock(path, "sim", now_ns=0)
    assert holder_of(path) is not None
    with pytest.raises(AnotherInstanceError):
        InstanceLock(path, "sim", now_ns=0)
    lock.release()


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"pid": 1}'])
def test_a_file_left_behind_is_harmless(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)
    lock = InstanceLock(path, "sim", now_ns=0)
    holder = holder_of(path)
    assert holder is not None
    assert holder.pid == os.getpid()
    lock.release()


@pytest.mark.scenario("SC84")
def test_a_process_that_reuses_the_number_is_not_taken_for_the_holder() -> None:
    pid = os.getpid()
    assert Holder(pid, start_ticks(pid), "sim", 0).is_alive()
    assert not Holder(pid, start_ticks(pid) + 1, "sim", 0).is_alive()
    assert not Holder(2**22 + 1, 5, "sim", 0).is_alive()


_HOLDER = """
import sys
from pathlib import Path
from market_maker.runtime.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]), "paper", 0)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        holder = holder_of(path)
        assert holder is not None
        assert (holder.pid, holder.mode) == (process.pid, "paper")
        assert holder.is_alive()
        with pytest.raises(AnotherInstanceError, match=str(process.pid)):
            InstanceLock(path, "sim", 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not holder.is_alive()
    InstanceLock(path, "sim", 0).release()


def test_an_unwritable_directory_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableError, match="--data-dir"):
        InstanceLock(tmp_path / "file" / "lock", "sim", 0)
