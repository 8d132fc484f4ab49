"""Socket paths that fit: the kernel takes no more than 107 bytes.

A deep data directory is reached through an open descriptor of it, so the socket still lies
where its user expects it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from market_maker.core.errors import UnusableError

_LONGEST: Final = 107


@contextlib.contextmanager
def fitting_path(path: Path) -> Iterator[str]:
    """Give a name for `path` that a socket call accepts, valid inside the block."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        if not short.exists():
            msg = f"the path {path} is too long for a socket: choose a shorter --data-dir"
            raise UnusableError(msg)
        yield str(short / path.name)
    finally:
        os.close(folder)
