"""The bot's side of the wire: everything that is sent passes here and is judged.

Owns nothing but the venue behind it. It changes no message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from market_maker.app.simulation.audit import MarketAudit
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import QueryFailedError
from market_maker.core.events import (
    BalanceReport,
    Fill,
    OrderUpdate,
    Payment,
    PositionReport,
    RequestOutcome,
)
from market_maker.core.instrument import Instrument
from market_maker.venues.base import Capabilities, Sink, Venue

_T = TypeVar("_T")


class Tap:
    """Implements `Venue` by asking another one."""

    def __init__(self, market: MarketAudit, inner: Venue) -> None:
        """Judge what passes as `market`'s."""
        self._market = market
        self._inner = inner

    @property
    def name(self) -> str:
        """The venue's own."""
        return self._inner.name

    @property
    def capabilities(self) -> Capabilities:
        """The venue's own."""
        return self._inner.capabilities

    async def load_instrument(self) -> Instrument:
        """Fetch the market's rules."""
        return await self._inner.load_instrument()

    async def open(self, sink: Sink) -> None:
        """Subscribe."""
        await self._inner.open(sink)

    async def resubscribe(self) -> None:
        """Rebuild the market data."""
        await self._inner.resubscribe()

    async def close(self) -> None:
        """Let go."""
        await self._inner.close()

    async def submit(self, order: Approved) -> RequestOutcome:
        """Judge and send a new order."""
        self._market.sending(order)
        outcome = await self._inner.submit(order)
        self._market.audit.pace.answered(outcome, order=True)
        return outcome

    async def amend(self, order: Approved) -> RequestOutcome:
        """Judge and send an amendment."""
        self._market.sending(order)
        outcome = await self._inner.amend(order)
        self._market.audit.pace.answered(outcome, order=True)
        return outcome

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        """Count and send a cancel."""
        self._market.cancelling()
        outcome = await self._inner.cancel(request)
        self._market.audit.pace.answered(outcome, order=False)
        return outcome

    async def cancel_all(self) -> RequestOutcome:
        """Count and send a mass cancel."""
        self._market.cancelling()
        outcome = await self._inner.cancel_all()
        self._market.audit.pace.answered(outcome, order=False)
        return outcome

    async def open_orders(self) -> tuple[OrderUpdate, ...]:
        """Ask for open orders."""
        return await self._ask(self._inner.open_orders)

    async def order(self, client_id: str) -> OrderUpdate | None:
        """Ask for one order."""
        return await self._ask(partial(self._inner.order, client_id))

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        """Ask for executions."""
        return await self._ask(partial(self._inner.fills, since_ns))

    async def payments(self, since_ns: int) -> tuple[Payment, ...]:
        """Ask for funding payments."""
        return await self._ask(partial(self._inner.payments, since_ns))

    async def position(self) -> PositionReport:
        """Ask for the position."""
        return await self._ask(self._inner.position)

    async def balance(self) -> BalanceReport:
        """Ask for the money."""
        return await self._ask(self._inner.balance)

    async def server_time_ns(self) -> int:
        """Ask for the time."""
        return await self._ask(self._inner.server_time_ns)

    async def arm_dead_man(self, timeout_s: float) -> bool:
        """Arm the dead-man's switch, or judge and disarm it."""
        self._market.cancelling()
        if not timeout_s:
            self._market.disarming()
        try:
            return await self._inner.arm_dead_man(timeout_s)
        except QueryFailedError as error:
            self._market.audit.pace.pause(error.retry_after_ns, order=False)
            raise

    async def _ask(self, question: Callable[[], Awaitable[_T]]) -> _T:
        self._market.audit.pace.asking()
        try:
            return await question()
        except QueryFailedError as error:
            self._market.audit.pace.refused(error)
            raise
