"""What the mid did after our fills, per side and horizon.

A markout compares the price of a fill with the mid a horizon later, from our side, in bps of the
mid at the fill; its adverse part leaves out the half-spread earned. Means are weighted by notional,
standard errors treat fills within one horizon's length as one observation, because they share
moves. A horizon that has not passed is missing, not zero. Diagnostics: floats, never money.
"""

from __future__ import annotations

import math
from collections import deque

import msgspec

from market_maker.core.side import SIDES, Side

MAX_CLOSED = 4096
"""Closed windows kept until somebody drains them; the oldest are dropped."""

_NEVER_NS = 1 << 62


class Window(msgspec.Struct, frozen=True, gc=False):
    """A fill whose markouts are still open."""

    side: Side
    filled_ns: int
    price2: int
    mid2: int
    notional: float
    client_id: str


class ClosedMarkout(msgspec.Struct, frozen=True, gc=False):
    """One fill marked out at one horizon; positive is good for us."""

    side: Side
    horizon_ns: int
    filled_ns: int
    markout_bps: float
    adverse_bps: float
    notional: float
    client_id: str


class Markout(msgspec.Struct, frozen=True, gc=False):
    """Mean markout of one side at one horizon; None where there is nothing to average.

    `adverse_bps` is the mean move of the mid against us (negative is bad), without the
    half-spread earned.
    """

    side: Side
    horizon_ns: int
    mean_bps: float | None
    adverse_bps: float | None
    n: int
    standard_error_bps: float | None


class MarkoutSums(msgspec.Struct):
    """Weighted sums of one side and horizon; `block_*` belong to the cluster being filled."""

    n: int = 0
    weight: float = 0.0
    markout: float = 0.0
    adverse: float = 0.0
    block: int = -1
    block_weight: float = 0.0
    block_markout: float = 0.0
    blocks: int = 0
    sum_ww: float = 0.0
    sum_wm: float = 0.0
    sum_mm: float = 0.0

    def add(self, block: int, weight: float, markout_bps: float, adverse_bps: float) -> None:
        """Count one closed window of a cluster."""
        if block != self.block:
            self._close_block()
            self.block = block
        self.n += 1
        self.weight += weight
        self.markout += weight * markout_bps
        self.adverse += weight * adverse_bps
        self.block_weight += weight
        self.block_markout += weight * markout_bps

    def _close_block(self) -> None:
        weight, markout = self.block_weight, self.block_markout
        if weight:
            self.blocks += 1
            self.sum_ww += weight * weight
            self.sum_wm += weight * markout
            self.sum_mm += markout * markout
            self.block_weight = self.block_markout = 0.0

    def reading(self, side: Side, horizon_ns: int) -> Markout:
        """Mean and standard error so far."""
        if self.n == 0:
            return Markout(side, horizon_ns, None, None, 0, None)
        mean = self.markout / self.weight
        weight, markout = self.block_weight, self.block_markout
        blocks = self.blocks + (1 if weight else 0)
        error = None
        if blocks >= 2:
            ww = self.sum_ww + weight * weight
            wm = self.sum_wm + weight * markout
            mm = self.sum_mm + markout * markout
            variance = max(0.0, mm - 2.0 * mean * wm + mean * mean * ww)
            error = math.sqrt(variance * blocks / (blocks - 1)) / self.weight
        return Markout(side, horizon_ns, mean, self.adverse / self.weight, self.n, error)


class MarkoutState(msgspec.Struct):
    """Everything markouts remember, for snapshots: per horizon, its sums and open windows."""

    horizons_ns: list[int]
    sums: list[list[MarkoutSums]]
    open: list[list[Window]]


class Markouts:
    """Marks fills out at several horizons."""

    __slots__ = ("_closed", "_horizons_ns", "_open", "_sums", "next_close_ns")

    def __init__(self, horizons_ns: tuple[int, ...], state: MarkoutState | None = None) -> None:
        """Use ascending horizons; a snapshot of other horizons starts over."""
        self._horizons_ns = horizons_ns
        self._closed: deque[ClosedMarkout] = deque(maxlen=MAX_CLOSED)
        if state is not None and tuple(state.horizons_ns) == horizons_ns:
            self._sums = state.sums
            self._open = [deque(windows) for windows in state.open]
        else:
            self._sums = [[MarkoutSums() for _ in SIDES] for _ in horizons_ns]
            self._open = [deque() for _ in horizons_ns]
        self.next_close_ns = _NEVER_NS
        self._find_next_close()

    def fill(self, window: Window) -> None:
        """Open the windows of one fill."""
        for windows in self._open:
            windows.append(window)
        self.next_close_ns = min(self.next_close_ns, window.filled_ns + self._horizons_ns[0])

    def close_windows(self, now_ns: int, mid2: int) -> None:
        """Close every window whose horizon has passed, at the mid that still holds."""
        for index, horizon_ns in enumerate(self._horizons_ns):
            windows = self._open[index]
            while windows and windows[0].filled_ns + horizon_ns < now_ns:
                self._close(index, windows.popleft(), mid2)
        self._find_next_close()

    def readings(self) -> tuple[Markout, ...]:
        """Every side and horizon, sides first."""
        return tuple(
            self._sums[index][which].reading(side, horizon_ns)
            for which, side in enumerate(SIDES)
            for index, horizon_ns in enumerate(self._horizons_ns)
        )

    def drain(self) -> tuple[ClosedMarkout, ...]:
        """Windows closed since the last call, in the order in which they closed."""
        closed = tuple(self._closed)
        self._closed.clear()
        return closed

    def state(self) -> MarkoutState:
        """Everything worth keeping across a restart."""
        return MarkoutState(
            list(self._horizons_ns), self._sums, [list(windows) for windows in self._open]
        )

    def _close(self, index: int, window: Window, mid2: int) -> None:
        horizon_ns = self._horizons_ns[index]
        scale = 1e4 * window.side / window.mid2
        markout_bps = scale * (mid2 - window.price2)
        adverse_bps = scale * (mid2 - window.mid2)
        sums = self._sums[index][0 if window.side is Side.BUY else 1]
        block = window.filled_ns // horizon_ns
        sums.add(block, window.notional, markout_bps, adverse_bps)
        self._closed.append(
            ClosedMarkout(
                window.side,
                horizon_ns,
                window.filled_ns,
                markout_bps,
                adverse_bps,
                window.notional,
                window.client_id,
            )
        )

    def _find_next_close(self) -> None:
        self.next_close_ns = min(
            (
                windows[0].filled_ns + horizon_ns
                for horizon_ns, windows in zip(self._horizons_ns, self._open, strict=True)
                if windows
            ),
            default=_NEVER_NS,
        )
