"""Questions to a venue, asked at the pace that it allows.

The one place that awaits a query. Owns their deadline and obeys a retry-after for the whole account:
until it has passed no market asks anything, and then the same question is asked again, so that a
small budget slows a pass down and never fails it. Refuses to know what an answer means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from market_maker.core.clock import Clock
from market_maker.core.errors import QueryFailedError
from market_maker.core.instrument import NANOS
from market_maker.risk.rates import RateBudget

_TRIES = 20
"""Times that one question is put before a venue that always asks for a pause counts as failing."""

_T = TypeVar("_T")
_Question = Callable[[], Coroutine[Any, Any, _T]]


class Queries:
    """One market's questions; the pause is shared through the account's rates."""

    def __init__(self, rates: RateBudget, clock: Clock, deadline_s: float) -> None:
        self._rates = rates
        self._clock = clock
        self._deadline_s = deadline_s

    async def ask(self, question: _Question[_T]) -> _T:
        """The answer; raises QueryFailedError where there was none."""
        for _ in range(_TRIES - 1):
            await self._pause()
            try:
                return await self._put(question)
            except QueryFailedError as error:
                if not error.retry_after_ns:
                    raise
        await self._pause()
        return await self._put(question)

    async def ask_now(self, question: _Question[_T]) -> _T:
        """As `ask`, for somebody who waits: a pause is a failure that says how long it lasts."""
        paused_ns = self._rates.queries_paused_ns(self._clock.now_ns())
        if paused_ns:
            msg = f"the venue takes no queries for another {paused_ns / NANOS:.1f} s"
            raise QueryFailedError(msg, paused_ns)
        return await self._put(question)

    async def _pause(self) -> None:
        # Another market may be told to wait longer while this one waits.
        for _ in range(_TRIES):
            paused_ns = self._rates.queries_paused_ns(self._clock.now_ns())
            if not paused_ns:
                return
            await asyncio.sleep(paused_ns / NANOS)
        msg = "the venue keeps asking queries to wait"
        raise QueryFailedError(msg)

    async def _put(self, question: _Question[_T]) -> _T:
        try:
            async with asyncio.timeout(self._deadline_s):
                return await question()
        except TimeoutError:
            msg = f"no answer in {self._deadline_s:g} s"
            raise QueryFailedError(msg) from None
        except QueryFailedError as error:
            if error.retry_after_ns:
                self._rates.pause_queries(self._clock.now_ns() + error.retry_after_ns)
            raise
