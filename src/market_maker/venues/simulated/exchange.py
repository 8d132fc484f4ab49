"""The embedded exchange: one account over several markets, in its own time, durable.

Owns the store and the order "write, then do". Synchronous; it refuses to know loops, latencies
and the bot, and so it is the oracle that tests ask for the truth.

What always holds: a command is in the store before it is executed, so nothing that was answered or
published is ever untrue after a crash; market time stands still while nobody advances it; wall
time is monotone across sessions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import (
    BalanceReport,
    BookSnapshot,
    Fill,
    FundingUpdate,
    OrderState,
    OrderUpdate,
    Payment,
    PositionReport,
)
from market_maker.core.instrument import Instrument
from market_maker.core.side import Side
from market_maker.venues.simulated import command_log as log
from market_maker.venues.simulated.listed_market import Item, ListedMarket
from market_maker.venues.simulated.machine import Machine, Reply
from market_maker.venues.simulated.market import MarketCore
from market_maker.venues.simulated.markets import listing
from market_maker.venues.simulated.rules import OrderRequest
from market_maker.venues.simulated.store import FileStore, Store, StoreFailedError

_PREFIX: Final = "seed-"


class SimulatedExchange:
    """See the module's description; times are nanoseconds since the exchange's genesis."""

    def __init__(self, machine: Machine, store: Store | None = None) -> None:
        """Take over a machine whose state the store holds; without a store nothing is kept."""
        self._machine = machine
        self._store = store
        self._logged = 0
        self._released = False

    @classmethod
    def open(
        cls, config: SimulatedConfig, seed: int, store: Store | None = None
    ) -> SimulatedExchange:
        """Continue what the store holds under `config`, or start over if it holds nothing.

        Capital and market model belong to the exchange: other ones are refused.
        """
        if store is None:
            return cls(Machine(config, seed))
        exchange = cls.recover(store)
        if exchange is None:
            exchange = cls(Machine(config, seed), store)
            exchange.checkpoint()
        elif exchange.seed != seed:
            raise UnusableError(f"the stored exchange has seed {exchange.seed}, not {seed}")
        exchange.configure(config)
        return exchange

    @classmethod
    def recover(cls, store: Store) -> SimulatedExchange | None:
        """The exchange exactly as it was left, None if the store holds none."""
        blobs, records = store.load()
        if not blobs:
            return None
        machine = Machine.restore(blobs)
        for record in records:
            machine.execute(log.decode(record))
            for market in machine.markets.values():
                market.outbox.clear()
        return cls(machine, store)

    # -- time and sessions --------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """How far the exchange has been advanced."""
        return self._machine.now_ns

    @property
    def seed(self) -> int:
        """What names the market."""
        return self._machine.seed

    @property
    def config(self) -> SimulatedConfig:
        """The account's terms."""
        return self._machine.config

    @property
    def session(self) -> int:
        """How many sessions have begun, this one included."""
        return self._machine.session

    def wall_ns(self, exchange_ns: int) -> int:
        """Wall time of a moment of this session."""
        return self._machine.wall_ns(exchange_ns)

    def begin_session(self, wall_ns: int) -> Fraction:
        """Let market time go on from `wall_ns` (or later, if it was there); market per wall time."""
        speed = Fraction(self.config.speed).limit_denominator(1_000)
        wall_ns = max(wall_ns, self.wall_ns(self.now_ns))
        self._commit(log.BeginSession(wall_ns, speed.numerator, speed.denominator))
        return speed

    def advance(self, until_ns: int) -> None:
        """Run every market to `until_ns`; earlier than now does nothing."""
        if until_ns > self.now_ns:
            self._commit(log.Advance(until_ns))

    # -- markets ------------------------------------------------------------------------

    @property
    def symbols(self) -> tuple[str, ...]:
        """Markets that are open, in order of opening."""
        return tuple(self._machine.markets)

    def configure(self, config: SimulatedConfig) -> None:
        """Take over the account's terms; its capital cannot change."""
        if config.capital != self.config.capital:
            raise UnusableError(
                f"this exchange was opened with a capital of {self.config.capital}; set "
                "venue.simulated.capital back, or start over with --fresh"
            )
        if config != self.config:
            self._commit(log.Configure(config.model_dump_json()))

    def list_market(self, symbol: str, config: SimulatedConfig | None = None) -> Instrument:
        """Open a market, or change the terms of an open one; its model cannot change."""
        listed = listing(symbol)
        config = config or self.config
        market = self._machine.markets.get(symbol)
        if market is not None and listed.model(market.config.market) != listed.model(config.market):
            raise UnusableError(
                f"{symbol} was opened with another venue.simulated.market; set it back, or "
                "start over with --fresh"
            )
        if market is None or market.config != config:
            self._commit(log.ListMarket(symbol, config.model_dump_json()))
        return self._market(symbol).instrument

    def market_config(self, symbol: str) -> SimulatedConfig | None:
        """The terms of a market, None if it is not open."""
        market = self._machine.markets.get(symbol)
        return None if market is None else market.config

    def instrument(self, symbol: str) -> Instrument:
        """A market's rules now."""
        return self._market(symbol).instrument

    def drain(self, symbol: str) -> list[Item]:
        """Everything published since the last call, in order for each stream."""
        market = self._market(symbol)
        items, market.outbox = market.outbox, []
        return items

    # -- requests -----------------------------------------------------------------------

    def submit(self, symbol: str, request: OrderRequest) -> Reply:
        """Place an order."""
        return self._commit(log.Place(symbol, request))

    def amend(self, symbol: str, client_id: str, price: int, qty: int) -> Reply:
        """Change an order; its queue place survives if only its size falls."""
        return self._commit(log.Amend(symbol, client_id, price, qty))

    def cancel(self, symbol: str, client_id: str, venue_id: str = "") -> Reply:
        """Cancel one order."""
        return self._commit(log.Cancel(symbol, client_id, venue_id))

    def cancel_all(self, symbol: str, tag: str = "", *, forced: bool = False) -> Reply:
        """Cancel every order of a market, or of one tag there; `forced` passes the rate limit."""
        return self._commit(log.CancelAll(symbol, forced, tag))

    def arm_dead_man(self, symbol: str, timeout_ns: int, tag: str = "") -> Reply:
        """Cancel every order of a market, or of one tag there, unless called again in time.

        0 disarms the switch of that tag.
        """
        return self._commit(log.ArmDeadMan(symbol, timeout_ns, tag))

    # -- queries ------------------------------------------------------------------------

    def take_query(self) -> int:
        """Take a token for a query; 0, or how long the caller must wait."""
        return self._machine.queries.take(self.now_ns)

    def open_orders(self, symbol: str) -> tuple[OrderUpdate, ...]:
        """Every open order of a market, oldest first."""
        return tuple(order.report() for order in self._market(symbol).records.open.values())

    def resting(self, symbol: str) -> list[tuple[str, Side, int]]:
        """Client id, side and price of every open order: the oracle's short word."""
        open_orders = self._market(symbol).records.open.values()
        return [(order.client_id, order.side, order.price) for order in open_orders]

    def order(self, symbol: str, client_id: str) -> OrderUpdate | None:
        """One order, None if it was never seen or is forgotten."""
        order = self._market(symbol).records.find(client_id)
        return None if order is None else order.report()

    def fills(self, symbol: str, since_ns: int = 0) -> tuple[Fill, ...]:
        """Executions at or after a wall time, oldest first."""
        return tuple(f for f in self._market(symbol).records.fills if f.venue_ns >= since_ns)

    def payments(self, symbol: str, since_ns: int = 0) -> tuple[Payment, ...]:
        """A market's funding and the account's transfers at or after a wall time, oldest first."""
        return tuple(p for p in self._market(symbol).records.payments if p.venue_ns >= since_ns)

    def position_report(self, symbol: str) -> PositionReport:
        """Position and liquidation price."""
        return self._market(symbol).position_report(self.now_ns)

    def balance_report(self) -> BalanceReport:
        """The account's money."""
        return next(iter(self._machine.markets.values())).balance_report(self.now_ns)

    def snapshot(self, symbol: str) -> BookSnapshot:
        """The whole book."""
        return self._market(symbol).snapshot(self.now_ns)

    def funding_update(self, symbol: str) -> FundingUpdate:
        """Predicted funding and mark."""
        return self._market(symbol).funding_update(self.now_ns)

    # -- the oracle ---------------------------------------------------------------------

    @property
    def cash(self) -> int:
        """Cash of the account (see `account`)."""
        return self._machine.account.cash

    @property
    def equity(self) -> int:
        """Worth of the account at the marks."""
        return self._machine.account.equity

    def position(self, symbol: str) -> int:
        """Signed quanta held."""
        return self._market(symbol).line.qty

    def worst_case(self, symbol: str) -> tuple[int, int]:
        """Positions if every open buy, or every open sell, filled."""
        market = self._market(symbol)
        qty = market.line.qty
        buys, sells = market.records.totals()
        return qty + buys, qty - sells

    def best(self, symbol: str) -> tuple[int, int]:
        """Best bid and ask, 0 where a side is empty."""
        core = self._market(symbol).core
        return core.best_bid, core.best_ask

    def mark_price2(self, symbol: str) -> int:
        """Mark price in half quanta."""
        return self._market(symbol).line.mark_price2

    def queue_ahead(self, symbol: str, client_id: str) -> int:
        """Quantity before an open order at its price, -1 if it is not open."""
        market = self._market(symbol)
        order = market.records.find_open(client_id)
        return -1 if order is None else market.core.queue_ahead(order.number)

    def core(self, symbol: str) -> MarketCore:
        """The market's core, for its private truth."""
        return self._market(symbol).core

    def place_shadow(self, symbol: str, side: Side, price: int, qty: int) -> int:
        """Queue an order that nobody sees; its number, 0 if it would cross."""
        reply = self._commit(log.PlaceShadow(symbol, side, price, qty))
        return int(reply.venue_id) if reply.accepted else 0

    def cancel_shadow(self, symbol: str, number: int) -> None:
        """Take a shadow out of its queue and forget its fills."""
        self._commit(log.CancelShadow(symbol, number))

    def shadow_fills(self, symbol: str, number: int) -> tuple[tuple[int, int, int], ...]:
        """Fills of a shadow as (exchange time, price, qty)."""
        return tuple(self._market(symbol).shadows.get(number, ()))

    # -- what happens without our doing ---------------------------------------------------

    def foreign_trade(self, symbol: str, side: Side, price: int, qty: int) -> None:
        """Let somebody else trade the account, at the taker fee."""
        self._commit(log.ForeignTrade(symbol, side, price, qty))

    def overfill(self, symbol: str, client_id: str, qty: int) -> None:
        """Let an order that has ended fill by `qty` more, as venues with a fault of their own do."""
        order = self._market(symbol).records.find(client_id)
        if order is None or order.state is OrderState.OPEN:
            msg = f"no ended order {client_id}"
            raise ValueError(msg)
        self._commit(log.ForeignTrade(symbol, order.side, order.price, qty, client_id))

    def transfer(self, amount: int) -> None:
        """Deposit money, or withdraw it."""
        self._commit(log.Transfer(str(amount)))

    def change_rules(self, instrument: Instrument) -> None:
        """Change tick, lot, minimums, fees or margin terms of an open market."""
        text = log.encode_instrument(instrument).decode()
        self._commit(log.ChangeRules(instrument.symbol, text))

    def set_maintenance(self, symbol: str, *, closed: bool) -> None:
        """Close a market for new orders, or open it again; cancels always pass."""
        self._commit(log.SetMaintenance(symbol, closed))

    # -- durability ---------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Write the whole state, so that recovery starts here."""
        if self._store is None:
            return
        self._store.checkpoint(self.state())
        self._logged = 0

    def state(self) -> list[bytes]:
        """The whole state as a checkpoint holds it."""
        return self._machine.state()

    def close(self) -> None:
        """Checkpoint and release the store."""
        self.checkpoint()
        self.abandon()

    def abandon(self) -> None:
        """Release the store without a word, as the death of the process would."""
        self._released = True
        if self._store is not None:
            self._store.close()
            self._store = None

    def _commit(self, command: log.Command) -> Reply:
        if self._released:
            raise StoreFailedError("the exchange is closed")
        if self._store is None:
            return self._machine.execute(command)
        self._store.append(log.encode(command))
        reply = self._machine.execute(command)
        self._logged += 1
        if self._logged % self.config.checkpoint_records == 0:
            # The log is complete without it: a full disk must not turn done into failed.
            with contextlib.suppress(StoreFailedError):
                self.checkpoint()
        return reply

    def _market(self, symbol: str) -> ListedMarket:
        return self._machine.markets[symbol]


def open_exchange(
    config: SimulatedConfig,
    seed: int,
    markets: Mapping[str, SimulatedConfig],
    directory: Path | None = None,
    *,
    fresh: bool = False,
) -> SimulatedExchange:
    """Open the exchange of a seed, in memory or under `directory`, with its markets listed.

    `config` is the account's, `markets` gives each market's own. Raises AnotherInstanceError
    while another process has it open.
    """
    for symbol in markets:
        listing(symbol)
    store = None if directory is None else FileStore(directory / f"{_PREFIX}{seed}", fresh=fresh)
    try:
        exchange = SimulatedExchange.open(config, seed, store)
        for symbol, terms in markets.items():
            exchange.list_market(symbol, terms)
    except BaseException:
        if store is not None:
            store.close()
        raise
    return exchange


def cancel_everything(directory: Path) -> int:
    """Cancel every order of every exchange under `directory`; how many remain (none, or it raises).

    For when the bot is dead. Raises AnotherInstanceError while a process holds an exchange:
    a bot that hangs must be ended first.
    """
    remaining = 0
    for path in sorted(directory.glob(f"{_PREFIX}*")):
        store = FileStore(path)
        try:
            exchange = SimulatedExchange.recover(store)
            if exchange is None:
                continue
            for symbol in exchange.symbols:
                exchange.cancel_all(symbol, forced=True)
                remaining += len(exchange.open_orders(symbol))
            exchange.close()
        finally:
            store.close()
    return remaining
