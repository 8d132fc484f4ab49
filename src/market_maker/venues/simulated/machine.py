"""The embedded exchange as a state machine: commands in, replies and published items out.

Owns the account, its markets, request budgets and the account's timers (margin checks, whole
seconds, dead-man's switch). Refuses to know files, loops, latencies and the bot. What always
holds: the same commands on the same state give the same state and the same items, bit for bit;
market time moves by `Advance` only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import RejectReason, Transfer
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.randomness import stream_seed
from market_maker.core.side import Side
from market_maker.core.units import money_from_decimal
from market_maker.venues.simulated import command_log as log
from market_maker.venues.simulated.account import Account, Line
from market_maker.venues.simulated.funding import Funding
from market_maker.venues.simulated.listed_market import ListedMarket
from market_maker.venues.simulated.market import MarketCore
from market_maker.venues.simulated.markets import instrument as make_instrument
from market_maker.venues.simulated.markets import listing
from market_maker.venues.simulated.orders import Order, Records
from market_maker.venues.simulated.rate_limit import RequestClass, TokenBucket

_TICK_NS: Final = 250_000_000
_RATE: Final = 10**12


class Reply(msgspec.Struct, frozen=True):
    """The exchange's answer to a command; `retry_after_ns` only with RATE_LIMIT."""

    reason: RejectReason = RejectReason.NONE
    venue_id: str = ""
    retry_after_ns: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the command was carried out."""
        return self.reason is RejectReason.NONE


_DONE: Final = Reply()
_NOT_FOUND: Final = Reply(RejectReason.UNKNOWN_ORDER)


class Machine:
    """See the module's description; times are nanoseconds since the exchange's genesis."""

    def __init__(self, config: SimulatedConfig, seed: int) -> None:
        """Open an exchange with a new account and no markets."""
        self.seed = seed
        self.now_ns = 0
        self.session = 0
        self.account = Account(money_from_decimal(config.capital))
        self.markets: dict[str, ListedMarket] = {}
        self._clock = log.BeginSession(0, 1, 1)
        self._session_ns = 0
        self._next_tick_ns = _TICK_NS
        self._numbers = 0
        self._set_config(config)
        self._handlers: dict[type, Callable[[Any], Reply]] = {
            log.Advance: self._advance,
            log.BeginSession: self._begin_session,
            log.Configure: self._configure,
            log.ListMarket: self._list_market,
            log.Place: self._place,
            log.Amend: self._amend,
            log.Cancel: self._cancel,
            log.CancelAll: self._cancel_all,
            log.ArmDeadMan: self._arm_dead_man,
            log.PlaceShadow: self._place_shadow,
            log.CancelShadow: self._cancel_shadow,
            log.ForeignTrade: self._foreign_trade,
            log.Transfer: self._transfer,
            log.ChangeRules: self._change_rules,
            log.SetMaintenance: self._set_maintenance,
        }

    def execute(self, command: log.Command) -> Reply:
        """Carry out one command."""
        return self._handlers[type(command)](command)

    def wall_ns(self, exchange_ns: int) -> int:
        """Wall time of a moment of this session."""
        clock = self._clock
        passed = exchange_ns - self._session_ns
        return clock.wall_ns + passed * clock.denominator // clock.numerator

    # -- checkpoints --------------------------------------------------------------------

    def state(self) -> list[bytes]:
        """Everything the future depends on: the exchange, then each market's core."""
        state = log.ExchangeState(
            seed=self.seed,
            config=self.config.model_dump_json(),
            now_ns=self.now_ns,
            session=self.session,
            session_ns=self._session_ns,
            wall_ns=self._clock.wall_ns,
            numerator=self._clock.numerator,
            denominator=self._clock.denominator,
            cash=self.account.cash,
            numbers=self._numbers,
            next_tick_ns=self._next_tick_ns,
            buckets={str(name): bucket.full_ns for name, bucket in self._buckets.items()},
            markets=[_market_state(market) for market in self.markets.values()],
        )
        return [log.encode_state(state), *(m.core.dump() for m in self.markets.values())]

    @classmethod
    def restore(cls, blobs: Sequence[bytes]) -> Machine:
        """The machine that `state` described."""
        state = log.decode_state(blobs[0])
        machine = cls(SimulatedConfig.model_validate_json(state.config), state.seed)
        machine.now_ns = state.now_ns
        machine.session = state.session
        machine.account.cash = state.cash
        machine._session_ns = state.session_ns
        machine._clock = log.BeginSession(state.wall_ns, state.numerator, state.denominator)
        machine._numbers = state.numbers
        machine._next_tick_ns = state.next_tick_ns
        for name, full_ns in state.buckets.items():
            machine._buckets[RequestClass(name)].full_ns = full_ns
        for kept, blob in zip(state.markets, blobs[1:], strict=True):
            machine._restore_market(kept, blob)
        return machine

    def _restore_market(self, kept: log.MarketState, blob: bytes) -> None:
        config = SimulatedConfig.model_validate_json(kept.config)
        try:
            core = MarketCore.load(listing(kept.symbol).model(config.market), blob)
        except ValueError as error:
            raise UnusableError(
                f"the stored market {kept.symbol} is of another version ({error}); "
                "start over with --fresh"
            ) from error
        self.account.lines[kept.symbol] = Line(kept.instrument, kept.qty)
        funding = Funding(
            config, self.seed, kept.symbol, level=kept.funding_level, step=kept.funding_step
        )
        records = Records(kept.orders, kept.fills, kept.payment_history)
        market = self._open(kept.instrument, config, core, kept.genesis_ns, funding, records)
        market.book_seq = kept.book_seq
        market.trades = kept.trades
        market.executions = kept.executions
        market.payments = kept.payments
        market.closed = kept.closed
        market.dead_men = kept.dead_men
        market.shadows = kept.shadows
        market.last_ns = kept.last_ns

    # -- terms --------------------------------------------------------------------------

    def _set_config(self, config: SimulatedConfig) -> None:
        self.config = config
        full_ns = self.now_ns
        self.queries = TokenBucket(config.query_rate_per_s, config.query_burst, full_ns)
        self._buckets = {
            RequestClass.ORDER: TokenBucket(config.order_rate_per_s, config.order_burst, full_ns),
            RequestClass.CANCEL: TokenBucket(
                config.cancel_rate_per_s, config.cancel_burst, full_ns
            ),
        }

    def _configure(self, command: log.Configure) -> Reply:
        self._set_config(SimulatedConfig.model_validate_json(command.config))
        return _DONE

    def _list_market(self, command: log.ListMarket) -> Reply:
        config = SimulatedConfig.model_validate_json(command.config)
        instrument = make_instrument(command.symbol, config)
        market = self.markets.get(command.symbol)
        if market is not None:
            market.set_rules(instrument, config)
            return _DONE
        seed = stream_seed(self.seed, f"market/{command.symbol}") >> 1
        core = MarketCore(listing(command.symbol).model(config.market), seed)
        self.account.lines[command.symbol] = Line(instrument)
        funding = Funding(config, self.seed, command.symbol)
        funding.advance(self.now_ns)
        self._open(instrument, config, core, self.now_ns, funding, Records())
        return _DONE

    def _open(
        self,
        instrument: Instrument,
        config: SimulatedConfig,
        core: MarketCore,
        genesis_ns: int,
        funding: Funding,
        records: Records,
    ) -> ListedMarket:
        market = ListedMarket(
            instrument, config, core, genesis_ns, self.account, funding, records, self.wall_ns
        )
        self.markets[instrument.symbol] = market
        return market

    # -- time ---------------------------------------------------------------------------

    def _begin_session(self, command: log.BeginSession) -> Reply:
        self._clock = command
        self._session_ns = self.now_ns
        self.session += 1
        return _DONE

    def _advance(self, command: log.Advance) -> Reply:
        markets = self.markets.values()
        while self.now_ns < command.until_ns:
            stop_ns = min(command.until_ns, self._next_tick_ns)
            for market in markets:
                if market.dead_men:
                    stop_ns = min(stop_ns, *market.dead_men.values())
            for market in markets:
                market.advance(stop_ns)
            self.now_ns = stop_ns
            for market in markets:
                for tag in [t for t, at_ns in market.dead_men.items() if at_ns <= stop_ns]:
                    del market.dead_men[tag]
                    market.cancel_all(stop_ns, RejectReason.DEAD_MAN, tag)
            if stop_ns == self._next_tick_ns:
                self._tick(stop_ns)
        return _DONE

    def _tick(self, now_ns: int) -> None:
        self._next_tick_ns = now_ns + _TICK_NS
        if now_ns % NANOS == 0:
            for market in self.markets.values():
                market.tick(now_ns)
        if self.account.must_liquidate:
            self._liquidate(now_ns)

    def _liquidate(self, now_ns: int) -> None:
        """Cancel everything and take every perpetual position over at its mark, for a fee.

        The fee takes no more than what is left; a deficit is the insurance fund's.
        """
        account = self.account
        for market in self.markets.values():
            market.cancel_all(now_ns, RejectReason.LIQUIDATION)
        for market in self.markets.values():
            line = market.line
            if line.is_spot or not line.qty:
                continue
            half = line.mark_price2
            price = half // 2 if line.qty > 0 else -(-half // 2)
            rate = int(market.config.liquidation_fee_rate * _RATE)
            fee = -(-line.payoff.notional(line.qty, price) * rate // _RATE)
            self._numbers += 1
            name = f"liquidation-{self._numbers}"
            fee = min(fee, max(0, account.margin_balance))
            market.trade_outside(now_ns, name, name, -line.qty, price, fee)
        account.cash += max(0, -account.margin_balance)

    # -- requests -----------------------------------------------------------------------

    def _place(self, command: log.Place) -> Reply:
        if wait_ns := self._buckets[RequestClass.ORDER].take(self.now_ns):
            return Reply(RejectReason.RATE_LIMIT, retry_after_ns=wait_ns)
        self._numbers += 1
        market = self.markets[command.symbol]
        outcome = market.place(self.now_ns, self._numbers, command.request)
        if isinstance(outcome, Order):
            return Reply(venue_id=outcome.venue_id)
        return Reply(outcome)

    def _amend(self, command: log.Amend) -> Reply:
        if wait_ns := self._buckets[RequestClass.ORDER].take(self.now_ns):
            return Reply(RejectReason.RATE_LIMIT, retry_after_ns=wait_ns)
        market = self.markets[command.symbol]
        order = market.records.find_open(command.client_id)
        if order is None:
            return _NOT_FOUND
        reason = market.amend(self.now_ns, order, command.price, command.qty)
        return Reply(reason, order.venue_id)

    def _cancel(self, command: log.Cancel) -> Reply:
        if wait_ns := self._buckets[RequestClass.CANCEL].take(self.now_ns):
            return Reply(RejectReason.RATE_LIMIT, retry_after_ns=wait_ns)
        market = self.markets[command.symbol]
        order = market.records.find_open(command.client_id, command.venue_id)
        if order is None:
            return _NOT_FOUND
        market.cancel(self.now_ns, order, RejectReason.NONE)
        return Reply(venue_id=order.venue_id)

    def _cancel_all(self, command: log.CancelAll) -> Reply:
        if not command.forced:
            wait_ns = self._buckets[RequestClass.CANCEL].take(self.now_ns)
            if wait_ns:
                return Reply(RejectReason.RATE_LIMIT, retry_after_ns=wait_ns)
        self.markets[command.symbol].cancel_all(self.now_ns, RejectReason.NONE, command.tag)
        return _DONE

    def _arm_dead_man(self, command: log.ArmDeadMan) -> Reply:
        market = self.markets[command.symbol]
        market.dead_men.pop(command.tag, None)
        if command.timeout_ns > 0:
            market.dead_men[command.tag] = self.now_ns + command.timeout_ns
        return _DONE

    # -- shadows and what happens without our doing -----------------------------------------

    def _place_shadow(self, command: log.PlaceShadow) -> Reply:
        self._numbers += 1
        market = self.markets[command.symbol]
        if market.place_shadow(self._numbers, command.side, command.price, command.qty):
            return Reply(venue_id=str(self._numbers))
        return Reply(RejectReason.POST_ONLY)

    def _cancel_shadow(self, command: log.CancelShadow) -> Reply:
        self.markets[command.symbol].cancel_shadow(command.number)
        return _DONE

    def _foreign_trade(self, command: log.ForeignTrade) -> Reply:
        market = self.markets[command.symbol]
        fee = market.line.fee(command.qty, command.price, maker=False)
        self._numbers += 1
        signed = command.qty if command.side is Side.BUY else -command.qty
        name = venue_id = f"foreign-{self._numbers}"
        order = market.records.find(command.client_id) if command.client_id else None
        if order is not None:
            name, venue_id = order.client_id, order.venue_id
            order.filled += command.qty
        market.trade_outside(self.now_ns, name, venue_id, signed, command.price, fee)
        return _DONE

    def _transfer(self, command: log.Transfer) -> Reply:
        amount = int(command.amount)
        self.account.cash += amount
        self._numbers += 1
        transfer = Transfer(0, self.wall_ns(self.now_ns), f"transfer-{self._numbers}", amount)
        for market in self.markets.values():
            market.pay(self.now_ns, transfer)
            market.report(self.now_ns)
        return _DONE

    def _change_rules(self, command: log.ChangeRules) -> Reply:
        market = self.markets[command.symbol]
        market.set_rules(log.decode_instrument(command.instrument), market.config)
        return _DONE

    def _set_maintenance(self, command: log.SetMaintenance) -> Reply:
        self.markets[command.symbol].closed = command.closed
        return _DONE


def _market_state(market: ListedMarket) -> log.MarketState:
    records = market.records
    return log.MarketState(
        symbol=market.instrument.symbol,
        config=market.config.model_dump_json(),
        instrument=market.instrument,
        genesis_ns=market.genesis_ns,
        qty=market.line.qty,
        book_seq=market.book_seq,
        trades=market.trades,
        executions=market.executions,
        payments=market.payments,
        closed=market.closed,
        dead_men=market.dead_men,
        funding_level=market.funding.level,
        funding_step=market.funding.step,
        orders=records.all(),
        fills=list(records.fills),
        payment_history=list(records.payments),
        shadows=market.shadows,
        last_ns=market.last_ns,
    )
