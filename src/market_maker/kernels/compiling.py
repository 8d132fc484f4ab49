"""How the fill engine's kernels are compiled: once, cached, without the interpreter's lock.

They only read and write arrays that they are given, so numba need not count references to them. On
the fill engine's path that counting costs four times as much as the work.
"""

from __future__ import annotations

from typing import Any, Final

from numba import njit

_OPTIONS: Final[dict[str, Any]] = {"cache": True, "nogil": True, "_nrt": False}


def kernel(signature: object) -> Any:  # noqa: ANN401 - what numba makes of a function has no type
    """Compile a function that allocates nothing, for one signature, as text or as numba's own."""
    return njit(signature, **_OPTIONS)
