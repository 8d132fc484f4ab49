"""What the executions that a bot heard of must have done to its books.

Owns a second reckoning of the position: it moves by each execution once, when the bot hears of it
for the first time. Refuses to judge orders. What the books adopt on an operator's word begins
the reckoning anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from market_maker.core.events import Event, Fill
from market_maker.core.instrument import MONEY_SCALE, Payoff
from market_maker.ledger.ledger import Ledger
from market_maker.venues.simulated.exchange import SimulatedExchange


class FillAudit:
    """One market's executions in one session."""

    def __init__(self) -> None:
        """Begin with the books as they are when first looked at."""
        self._held: int | None = None
        self._new: Fill | None = None
        self._heard: dict[str, None] = {}

    def hear(self, event: Event, ledger: Ledger) -> None:
        """Note what the bot is about to hear."""
        if isinstance(event, Fill):
            self._heard[event.trade_id] = None
            self._new = None if ledger.has_counted(event.trade_id) else event

    def adopted(self) -> None:
        """The books follow the venue from here on."""
        self._held = None

    def moved_wrongly(self, ledger: Ledger) -> str:
        """How the position moved otherwise than the last event says; empty if it did not."""
        held = ledger.position - ledger.opening_position
        before, new = self._held, self._new
        self._held, self._new = held, None
        if before is None:
            return ""
        told = new.side * new.qty if new is not None and ledger.has_counted(new.trade_id) else 0
        return "" if held == before + told else f"position moved {held - before}, told of {told}"

    def strangers(self, executed: Collection[str]) -> list[str]:
        """Executions that the bot heard of and that never were."""
        return [trade_id for trade_id in self._heard if trade_id not in executed]


def wrong_sums(
    ledger: Ledger, exchange: SimulatedExchange, symbol: str, *, money: bool
) -> Iterator[str]:
    """S14: how cash and position differ from the sums of what the exchange executed."""
    total = sum(fill.side * fill.qty for fill in exchange.fills(symbol))
    if ledger.position != total:
        yield f"position {ledger.position}, fills {total}"
    if not money:
        return
    value = Payoff(exchange.instrument(symbol)).value(ledger.position, ledger.mid2)
    capital = int(exchange.config.capital) * MONEY_SCALE
    change = exchange.cash - capital + value
    if change != ledger.equity_change:
        yield f"cash is {change - ledger.equity_change} off"
