"""Time as the bot sees it: integer nanoseconds from an injected clock.

Owns the protocols only; the wall clock lives in `app`, virtual time in `runtime.sim_loop`.
`now_ns` dates things; ages come from `monotonic_ns`, which never goes back.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Where every timestamp comes from."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch (UTC)."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back; only differences mean something."""
        ...
