"""The statements of DESIGN.md section 6 on one virtual run, as `simulate` checks them.

What must hold is the product's audit alone; this puts it at both ends of a test's bot. The bot
survives exceptions at its wire, so a test asks at the end what did not hold.
"""

from __future__ import annotations

from market_maker.app.simulation import audit as product
from market_maker.app.simulation.tap import Tap
from market_maker.app.virtual import VirtualRun
from market_maker.runtime.journal import DigestJournal
from market_maker.venues.base import Venue


class Audit:
    """Watches the sessions of one exchange.

    A run is given `wrap` and `journal` and then watched; what came before a session that follows a
    crash is in `past`.
    """

    def __init__(self) -> None:
        self.inner = product.Audit()

    @property
    def run(self) -> VirtualRun:
        return self.inner.run

    @property
    def events(self) -> int:
        return self.inner.events

    @property
    def orders(self) -> int:
        return self.inner.orders

    @property
    def broken(self) -> list[str]:
        return [str(violation) for violation in self.inner.violations]

    @property
    def journals(self) -> dict[str, DigestJournal]:
        """What the session journalled for each market."""
        return {symbol: market.journal for symbol, market in self.inner.taps.items()}

    @property
    def past(self) -> dict[str, bytes]:
        """The lines of the journals."""
        return {symbol: journal.lines for symbol, journal in self.journals.items()}

    def watch(self, run: VirtualRun) -> VirtualRun:
        self.inner.watch(run)
        return run

    def wrap(self, venue: Venue, symbol: str) -> Venue:
        return Tap(self.inner.market(symbol), venue)

    def journal(self, symbol: str) -> DigestJournal:
        return self.inner.journal(symbol)

    def check_end(self, provoked: str = "") -> None:
        """The session is over: everything held, books agree exactly, nothing rests.

        `provoked` is a statement that the test broke on purpose and that must have been noticed.
        """
        for symbol, market in self.inner.taps.items():
            market.check()
            market.check_fills()
            assert market.disagreements() == ()
            assert not market.strategy.parts.ledger.live_orders()
            assert not self.run.exchange.open_orders(symbol)
        self.check_held(provoked)

    def check_held(self, provoked: str = "") -> None:
        for market in self.inner.taps.values():
            market.check()
            market.check_session_end()
        broken = [v for v in self.inner.violations if v.statement != provoked]
        assert broken == [], (self.inner.broken, self.broken[:5])
        assert bool(provoked) == bool(self.inner.violations)
        assert self.run.loop.unhandled == [], self.run.loop.unhandled
