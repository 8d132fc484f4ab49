"""Any recording, whichever layout it has: ours or a plain one of others.

Owns which is which. Refuses to join files and to judge them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from market_maker.ticks.foreign import Given, Opened, check_parquet, read_foreign
from market_maker.ticks.parquet_file import is_ours, read_file


def open_recording(path: Path, given: Given, *, text: bool = True) -> Opened:
    """Read one file; raises TicksFileError."""
    check_parquet(path)
    if not is_ours(path):
        return read_foreign(path, given)
    info, ticks = read_file(path, text=text)
    return Opened(info, ticks, None, None, np.empty(0, np.int64))
