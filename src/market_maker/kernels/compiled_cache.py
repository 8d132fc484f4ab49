"""Where compiled kernels are kept: one directory for each state of the kernels' sources.

Numba notices that a cached function's own file changed, not that one it calls into did, and would
go on running the old callee. So the directory's name is a digest of all kernels: any change
compiles all of them anew, and nothing stale can be found.

Owns that name, and the few directories of earlier states beside it. A directory that the user names
(NUMBA_CACHE_DIR) stays the place; without one it is ours beside the sources where that can
be written, and elsewhere whatever numba chooses.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

PREFIX = "kernels-"
KEPT = 3
"""Directories that stay: this state's and those used last, so that two versions can share a place."""


def digest_of(sources: Iterable[Path]) -> str:
    """One name for the exact text of all sources."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(sources):
        text = source.read_bytes()
        digest.update(f"{source.name}:{len(text)}:".encode() + text)
    return digest.hexdigest()


def cache_directory(package: Path, chosen: str) -> Path | None:
    """Where to keep what `package` compiles to, made if need be; None leaves the choice to numba."""
    base = Path(chosen) if chosen else package / "__pycache__"
    directory = base / f"{PREFIX}{digest_of(package.glob('*.py'))}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        os.utime(directory)
    except OSError:
        return None
    if not os.access(directory, os.W_OK | os.X_OK):
        return None
    _forget_old(base, directory)
    return directory


def _forget_old(base: Path, current: Path) -> None:
    """Remove all but the last used; another process may be doing the same."""
    with contextlib.suppress(OSError):
        others = [path for path in base.glob(f"{PREFIX}*") if path.is_dir() and path != current]
        others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in others[KEPT - 1 :]:
            shutil.rmtree(path, ignore_errors=True)
