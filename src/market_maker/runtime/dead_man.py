"""Keeps the venue's dead-man's switch armed; quoting without it is a halt.

Refuses to know why it would fire. It always holds that arming uses the cancels' lane, and that a
switch which nobody confirmed for its own timeout closes the gate.
"""

from __future__ import annotations

import asyncio

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import RejectReason, RequestKind, RequestOutcome, Result
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason
from market_maker.runtime.strategy import Strategy
from market_maker.venues.base import Venue


class DeadMan:
    """One market's dead-man's switch."""

    def __init__(
        self,
        venue: Venue,
        strategy: Strategy,
        clock: Clock,
        config: RuntimeConfig,
        deadline_s: float,
    ) -> None:
        """Arm it at `venue`, which may not have one."""
        self._venue = venue
        self._strategy = strategy
        self._clock = clock
        self._config = config
        self._deadline_s = deadline_s

    @property
    def used(self) -> bool:
        """Whether the venue has one and the settings want it."""
        return self._venue.capabilities.dead_man and self._config.dead_man_timeout_s > 0

    async def run(self) -> None:
        """Arm it again and again."""
        strategy, clock = self._strategy, self._clock
        timeout_s = self._config.dead_man_timeout_s
        confirmed_ns = clock.monotonic_ns()
        pause_s = self._config.resync_backoff_s
        strategy.halt(HaltReason.DEAD_MAN_UNARMED, clock.now_ns(), "not confirmed yet")
        while True:
            armed = await self.arm(timeout_s)
            now_ns = clock.monotonic_ns()
            if armed:
                confirmed_ns = now_ns
                strategy.clear(HaltReason.DEAD_MAN_UNARMED, clock.now_ns())
            elif now_ns - confirmed_ns > timeout_s * NANOS:
                detail = f"not confirmed for {timeout_s:g} s"
                strategy.halt(HaltReason.DEAD_MAN_UNARMED, clock.now_ns(), detail)
            pause_s = self._config.resync_backoff_s if armed else min(2 * pause_s, timeout_s / 3)
            await asyncio.sleep(timeout_s / 3 if armed else pause_s)

    async def arm(self, timeout_s: float) -> bool:
        """Arm it, or with 0 disarm it; True only if the venue confirmed."""
        if self._strategy.arm_dead_man(self._clock.now_ns()):
            return False
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._venue.arm_dead_man(timeout_s)
        except QueryFailedError as error:
            if error.retry_after_ns:
                self._strategy.step(_refused(error, self._clock.now_ns()))
            return False
        except Exception:  # noqa: BLE001 - whatever an adapter raises, nobody confirmed
            return False


def _refused(error: QueryFailedError, now_ns: int) -> RequestOutcome:
    """A pause asked for, as the answer to a request of the class that arming belongs to."""
    return RequestOutcome(
        recv_ns=now_ns,
        kind=RequestKind.CANCEL,
        client_id="",
        result=Result.REJECTED,
        reason=RejectReason.RATE_LIMIT,
        detail=str(error),
        retry_after_ns=error.retry_after_ns,
    )
