"""Each order's life as DEBUG lines that share the order's id."""

from __future__ import annotations

from market_maker.core.commands import LevelId
from market_maker.core.side import Side
from market_maker.telemetry.logs import order_logger


class OrderLog:
    """Writes one line per event of an order of one market."""

    def __init__(self, market: str, *, enabled: bool) -> None:
        """`enabled` spares the work where DEBUG lines are not written."""
        self._market = market
        self._enabled = enabled

    def __call__(
        self, client_id: str, side: Side, level: LevelId | None, event: str, detail: str
    ) -> None:
        """Write one line."""
        if self._enabled:
            name = str(level.index) if level is not None else "exit"
            order_logger(self._market, client_id, side.label, name).debug(
                f"order_{event}", detail=detail
            )
