"""Compiled kernels are never older than their sources, and old ones do not pile up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import market_maker.kernels as package
from market_maker.kernels.compiled_cache import KEPT, PREFIX, cache_directory, digest_of

CALLEE = "from numba import njit\n\n\n@njit('int64()', cache=True)\ndef callee():\n    return {}\n"
CALLER = (
    "from numba import njit\nfrom callee import callee\n\n\n"
    "@njit('int64()', cache=True)\ndef caller():\n    return callee()\n"
)
SCRIPT = """
import sys
from pathlib import Path
import numba
from market_maker.kernels.compiled_cache import cache_directory
numba.config.CACHE_DIR = str(cache_directory(Path(sys.argv[1]), sys.argv[2]))
sys.path.insert(0, sys.argv[1])
from caller import caller
print(caller(), sum(caller.stats.cache_hits.values()))
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A package of two kernels, one calling the other."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "callee.py").write_text(CALLEE.format(1))
    (folder / "caller.py").write_text(CALLER)
    return folder


def test_a_changed_callee_reaches_its_unchanged_caller(sources: Path, tmp_path: Path) -> None:
    def called() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(sources), str(tmp_path / "cache")],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout.split()

    assert called() == ["1", "0"]
    assert called() == ["1", "1"], "unchanged kernels come from the cache"
    (sources / "callee.py").write_text(CALLEE.format(2))
    assert called() == ["2", "0"]


def test_any_byte_and_any_name_changes_the_digest(sources: Path) -> None:
    before = digest_of(sources.glob("*.py"))
    assert digest_of(sources.glob("*.py")) == before
    (sources / "caller.py").rename(sources / "other.py")
    renamed = digest_of(sources.glob("*.py"))
    (sources / "other.py").write_text(CALLER + " ")
    assert len({before, renamed, digest_of(sources.glob("*.py"))}) == 3


def test_the_kernels_use_it() -> None:
    folder = Path(package.__file__).parent
    assert Path(vars(numba.config)["CACHE_DIR"]).name == f"{PREFIX}{digest_of(folder.glob('*.py'))}"


def test_the_users_directory_is_the_place(sources: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "mine"
    directory = cache_directory(sources, str(chosen))
    assert directory is not None
    assert directory.parent == chosen
    beside = cache_directory(sources, "")
    assert beside is not None
    assert beside.parent == sources / "__pycache__"


def test_what_cannot_be_written_is_left_to_numba(sources: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert cache_directory(sources, str(blocked / "cache")) is None


def test_only_the_last_used_states_are_kept(sources: Path, tmp_path: Path) -> None:
    base = tmp_path / "cache"
    mine = base / "notes"
    mine.mkdir(parents=True)
    directories = []
    for state in range(KEPT + 3):
        (sources / "callee.py").write_text(CALLEE.format(state))
        directory = cache_directory(sources, str(base))
        assert directory is not None
        os.utime(directory, ns=(state * 10**9, state * 10**9))
        directories.append(directory)
    assert [path for path in directories if path.exists()] == directories[-KEPT:]
    assert mine.is_dir()
