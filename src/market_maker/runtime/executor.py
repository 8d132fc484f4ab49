"""Carries approved commands to the venue and brings outcomes back as events.

The only holder of a venue's order methods. It decides nothing: a request that ends without
a clear answer, or with an exception, becomes an UNKNOWN outcome and so keeps its
reservation until the reconciler resolves it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import RequestKind, RequestOutcome, Result
from market_maker.venues.base import Venue


class Executor:
    """Sends orders and cancels of one market.

    `deliver` is the strategy's `step`; `on_ack(kind, seconds)` observes request latencies. A
    request without an answer after `deadline_s` is UNKNOWN, whatever the adapter promises.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        deliver: Callable[[RequestOutcome], None],
        on_ack: Callable[[RequestKind, float], None],
        deadline_s: float,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._deliver = deliver
        self._on_ack = on_ack
        self._deadline_s = deadline_s

    async def send(self, order: Approved) -> RequestOutcome:
        """Submit or amend; the outcome has been applied when this returns."""
        call = self._venue.amend if order.kind is RequestKind.AMEND else self._venue.submit
        return await self._request(order.kind, order.client_id, call(order))

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Cancel one order; the outcome has been applied when this returns."""
        return await self._request(
            RequestKind.CANCEL, request.client_id, self._venue.cancel(request)
        )

    async def cancel_all(self) -> RequestOutcome:
        """Cancel everything in this market at the venue; order states follow by stream or query."""
        return await self._request(RequestKind.CANCEL, "", self._venue.cancel_all())

    async def _request(
        self, kind: RequestKind, client_id: str, call: Awaitable[RequestOutcome]
    ) -> RequestOutcome:
        started_ns = self._clock.monotonic_ns()
        try:
            async with asyncio.timeout(self._deadline_s):
                outcome = await call
        except TimeoutError:
            outcome = self._unknown(kind, client_id, f"no answer in {self._deadline_s:g} s")
        except asyncio.CancelledError:
            self._deliver(self._unknown(kind, client_id, "request cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not look like an answer
            outcome = self._unknown(kind, client_id, f"{type(error).__name__}: {error}")
        else:
            self._on_ack(kind, (self._clock.monotonic_ns() - started_ns) / 1e9)
        self._deliver(outcome)
        return outcome

    def _unknown(self, kind: RequestKind, client_id: str, detail: str) -> RequestOutcome:
        return RequestOutcome(
            recv_ns=self._clock.now_ns(),
            kind=kind,
            client_id=client_id,
            result=Result.UNKNOWN,
            detail=detail,
        )
