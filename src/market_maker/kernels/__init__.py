"""Compiled formulas and state machines over arrays; no domain types.

Whoever imports a kernel comes through here first, so the cache is in place before anything compiles.
"""

from pathlib import Path

import numba

from market_maker.kernels.compiled_cache import cache_directory

_directory = cache_directory(Path(__file__).parent, vars(numba.config)["CACHE_DIR"])
if _directory is not None:
    numba.config.CACHE_DIR = str(_directory)  # type: ignore[attr-defined]  # made at run time
