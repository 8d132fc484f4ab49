"""Turns successive `Status` documents into the few log lines that an operator needs.

A line for every change of state, halt or kill switch, for a post-only order that took, and one health line per market and period. Refuses to look at
anything but the documents; their own time decides, so there is no clock here.
"""

from __future__ import annotations

import structlog

from market_maker.core.reasons import HaltReason
from market_maker.telemetry.snapshot import KillStatus, MarketStatus, Status

_PLANNED = frozenset(
    {HaltReason.STARTING, HaltReason.SYNCING, HaltReason.STOPPING, HaltReason.KILLED}
)
"""Halts that the change of state already tells."""

_LEAKS = "post_only_taker_fills"


class Reporter:
    """Compares each status with the one before."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger, health_line_s: float) -> None:
        """Write to this logger; the first status is a change from nothing."""
        self._logger = logger
        self._health_line_s = health_line_s
        self._previous: Status | None = None
        self._health_due_s = 0.0

    def observe(self, status: Status) -> None:
        """Log what changed since the last call."""
        previous = self._previous
        self._previous = status
        if previous is None:
            self._health_due_s = status.as_of_s + self._health_line_s
        was = previous.kill_switch if previous is not None else KillStatus()
        _report_kill_switch(self._logger, was, status.kill_switch)
        for name, market in status.markets.items():
            before = previous.markets.get(name) if previous is not None else None
            self._report_market(before, market)
        if status.as_of_s >= self._health_due_s:
            self._health_due_s = status.as_of_s + self._health_line_s
            for market in status.markets.values():
                self._report_health(market)

    def _report_market(self, before: MarketStatus | None, market: MarketStatus) -> None:
        logger = self._logger.bind(market=market.market)
        known = {halt.reason for halt in before.halts} if before is not None else set()
        for halt in market.halts:
            if halt.reason not in known | _PLANNED:
                logger.warning(
                    "halted", reason=halt.reason.value, detail=halt.detail, clears=halt.clears
                )
        leaked = market.statistics.get(_LEAKS, 0.0)
        if before is not None and leaked > before.statistics.get(_LEAKS, 0.0):
            share = market.statistics.get("post_only_taker_share", 0.0)
            logger.warning("post_only_order_took", fills=int(leaked), notional_share=f"{share:.4%}")
        was_killed = before.kill_switch if before is not None else KillStatus()
        _report_kill_switch(logger, was_killed, market.kill_switch)
        if before is None or before.state is not market.state:
            was = before.state.value if before is not None else ""
            logger.info("state_changed", state=market.state.value, was=was)

    def _report_health(self, market: MarketStatus) -> None:
        self._logger.info(
            "health",
            market=market.market,
            state=market.state.value,
            position_base=str(market.position.base),
            pnl_quote=f"{market.pnl.total:.4f}",
            equity_quote=f"{market.equity_quote:.2f}",
            open_orders=len(market.open_orders),
            fills=market.fills,
            halts=[halt.reason.value for halt in market.halts],
        )


def _report_kill_switch(
    logger: structlog.typing.FilteringBoundLogger, was: KillStatus, now: KillStatus
) -> None:
    if now.engaged and not was.engaged:
        reasons = [reason.value for reason in now.reasons]
        logger.error("kill_switch_engaged", reasons=reasons, detail=now.detail)
    elif was.engaged and not now.engaged:
        logger.warning("kill_switch_released")
