"""What must always hold, checked against the exchange's own books at every event and request.

`Audit` stands at the wire of a virtual run: everything that reaches the bot and everything that
the bot sends passes it. It reads the bot's public state and the exchange as an oracle, changes
neither, and keeps every statement of DESIGN.md section 6 that did not hold: the bot survives
exceptions at its wire, so a test asks for them at the end.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import Event, Fill, OrderUpdate, RequestKind, RequestOutcome
from market_maker.core.instrument import NANOS, Instrument, Payoff
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.ledger.order_lifecycle import TERMINAL
from market_maker.runtime.strategy import Strategy
from market_maker.venues.base import Sink, Venue


class Audit:
    """Watches every market of one session; `ids` keeps client ids over several sessions."""

    def __init__(self, ids: set[str] | None = None) -> None:
        self.run: VirtualRun
        self.taps: dict[str, Tap] = {}
        self.tokens: set[int] = set()
        self.ids = set() if ids is None else ids
        self.sent: deque[tuple[int, bool]] = deque()
        self.events = 0
        self.requests = 0
        self.broken: list[str] = []

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """Keep what did not hold, with when and where."""
        try:
            yield
        except AssertionError as error:
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            where = frame.tb_lineno if frame is not None else 0
            self.broken.append(f"{self.run.loop.time():.3f} s, line {where}: {error}")

    def watch(self, run: VirtualRun) -> VirtualRun:
        self.run = run
        return run

    def wrap(self, venue: Venue, symbol: str) -> Venue:
        self.taps[symbol] = Tap(self, venue, symbol)
        return self.taps[symbol]

    def count(self, *, order: bool) -> None:
        """S12: no window holds more requests than allowed, orders never use the cancels' share."""
        risk = self.run.settings.risk
        now_ns = self.run.clock.now_ns()
        self.requests += 1
        self.sent.append((now_ns, order))
        while self.sent[0][0] <= now_ns - int(risk.request_window_s * NANOS):
            self.sent.popleft()
        assert len(self.sent) <= risk.requests_per_window, self.sent
        orders = sum(1 for sent in self.sent if sent[1])
        assert orders <= risk.requests_per_window * (1 - risk.cancel_reserve), self.sent

    def check_end(self) -> None:
        """The session is over: everything held, books agree exactly, nothing rests."""
        self.check_held()
        for tap in self.taps.values():
            tap.check()
            tap.agree()
            assert not self.run.exchange.open_orders(tap.symbol)
        self.check_held()

    def check_held(self) -> None:
        assert self.broken == [], (len(self.broken), self.broken[:5])
        assert self.run.loop.unhandled == [], self.run.loop.unhandled


class Tap(Relay):
    """One market's wire."""

    def __init__(self, audit: Audit, inner: Venue, symbol: str) -> None:
        super().__init__(inner)
        self.audit = audit
        self.symbol = symbol
        self.streamed: set[str] = set()
        self.queried: set[str] = set()
        self.streamed_qty = 0
        self.pulled_qty = 0
        self.largest_limit = 0
        self.last_ns = 0
        self.inherited = (0, 0)
        self.synced = False
        self.closed: set[str] = set()
        self.seen: dict[str, int] = {}

    @property
    def strategy(self) -> Strategy:
        return self.audit.run.bot.markets[self.symbol].bot.strategy

    @property
    def instrument(self) -> Instrument:
        return self.strategy.parts.market.instrument

    # What reaches the bot ---------------------------------------------------------------------

    async def open(self, sink: Sink) -> None:
        exchange = self.audit.run.exchange
        self.inherited = exchange.worst_case(self.symbol)

        def tapped(event: Event) -> None:
            if isinstance(event, Fill):
                self.note(event, streamed=True)
            sink(event)
            self.audit.events += 1
            with self.audit.judging():
                assert event.recv_ns >= self.last_ns, "S17: time went back"
                self.last_ns = event.recv_ns
                if isinstance(event, OrderUpdate | Fill):
                    self.check_lives()
            self.check()

        await self.inner.open(tapped)

    async def fills(self, since_ns: int) -> tuple[Fill, ...]:
        fills = await self.inner.fills(since_ns)
        for fill in fills:
            self.note(fill, streamed=False)
        return fills

    def note(self, fill: Fill, *, streamed: bool) -> None:
        """Count a fill once for the stream, and once for everything that was ever told."""
        signed = fill.side * fill.qty
        if fill.trade_id not in self.streamed and fill.trade_id not in self.queried:
            self.pulled_qty += signed
        if not streamed:
            self.queried.add(fill.trade_id)
        elif fill.trade_id not in self.streamed:
            self.streamed.add(fill.trade_id)
            self.streamed_qty += signed

    def check(self) -> None:
        """Statements that hold at every instant."""
        with self.audit.judging():
            self._check_now()

    def _check_now(self) -> None:
        exchange, ledger = self.audit.run.exchange, self.strategy.parts.ledger
        limits = self.strategy.parts.risk.limits
        self.largest_limit = max(self.largest_limit, limits.hard_long, limits.hard_short)
        worst_long, worst_short = exchange.worst_case(self.symbol)
        # What an earlier session left may be unknown until the gate opens for the first time.
        self.synced |= self.strategy.parts.gate.is_open or self.inherited == (0, 0)
        if self.synced:
            assert ledger.worst_long >= worst_long, "S2"
            assert ledger.worst_short <= worst_short, "S2"
        assert worst_long <= max(self.largest_limit, self.inherited[0]), "S1"
        assert worst_short >= min(-self.largest_limit, self.inherited[1]), "S1"
        self.check_own_book()
        pnl = ledger.pnl()
        assert pnl.total == ledger.equity_change, "S13"

    def check_own_book(self) -> None:
        """S7 and S8, on our books and on the exchange's."""
        ledger = self.strategy.parts.ledger
        bid, ask = ledger.own_touch()
        assert not bid or not ask or bid < ask, "S8"
        levels = [order.level for order in ledger.live_orders() if order.level is not None]
        assert len(levels) == len(set(levels)), "S7"
        bids, asks = [0], [1 << 62]
        for order in self.audit.run.exchange.open_orders(self.symbol):
            (bids if order.side is Side.BUY else asks).append(order.price)
            record = ledger.order(order.client_id)
            assert record is not None or not self.synced, "L2: an orphan"
            assert record is None or record.live, "S6: closed for us, open for the exchange"
        assert max(bids) < min(asks), "S8 at the exchange"

    def check_lives(self) -> None:
        """S4, S5, S6 and S14: fills count once, closed orders stay closed."""
        ledger = self.strategy.parts.ledger
        for client_id in self.closed:
            record = ledger.order(client_id)
            assert record is None or record.status in TERMINAL, "S6"
        self.closed = {i for i in self.closed if ledger.order(i) is not None}
        for client_id in tuple(self.seen):
            record = ledger.order(client_id)
            if record is None:
                del self.seen[client_id]
                continue
            assert record.seen >= self.seen[client_id], "S5: fills decreased"
            # An amendment downwards may meet an order that has filled more already.
            most = max(record.qty, record.alt_qty, *(qty for _, qty in record.past), 0)
            assert record.seen <= most + record.overfilled, "S5"
            self.seen[client_id] = record.seen
            if record.status in TERMINAL:
                self.closed.add(client_id)
        held = ledger.position - ledger.opening_position
        assert held in {self.streamed_qty, self.pulled_qty}, "S14"

    def agree(self) -> None:
        """Nothing is under way: position and money equal the exchange's exactly."""
        exchange, ledger = self.audit.run.exchange, self.strategy.parts.ledger
        assert ledger.position == exchange.position(self.symbol)
        assert not ledger.live_orders()
        mine = sorted(self.streamed | self.queried)
        assert mine == sorted(fill.trade_id for fill in exchange.fills(self.symbol)), "S4"
        if len(exchange.symbols) == 1 and ledger.opening_position == 0:
            value = Payoff(self.instrument).value(ledger.position, ledger.mid2)
            capital = exchange.config.capital * 10**18
            assert exchange.cash - int(capital) + value == ledger.equity_change, "S14: cash"

    # What the bot sends -----------------------------------------------------------------------

    async def submit(self, order: Approved) -> RequestOutcome:
        with self.audit.judging():
            assert order.kind is RequestKind.SUBMIT
            assert order.client_id not in self.audit.ids, "S15"
            self.audit.ids.add(order.client_id)
            self.seen[order.client_id] = 0
        with self.audit.judging():
            self._judge(order)
        outcome = await self.inner.submit(order)
        self.check()
        return outcome

    async def amend(self, order: Approved) -> RequestOutcome:
        with self.audit.judging():
            assert order.kind is RequestKind.AMEND
            self._judge(order)
        outcome = await self.inner.amend(order)
        self.check()
        return outcome

    async def cancel(self, request: CancelRequest) -> RequestOutcome:
        with self.audit.judging():
            self.audit.count(order=False)
        return await self.inner.cancel(request)

    async def arm_dead_man(self, timeout_s: float) -> bool:
        with self.audit.judging():
            self.audit.count(order=False)
        return await self.inner.arm_dead_man(timeout_s)

    async def cancel_all(self) -> RequestOutcome:
        with self.audit.judging():
            self.audit.count(order=False)
        return await self.inner.cancel_all()

    def _judge(self, order: Approved) -> None:
        """S1, S3, S9, S10 and S11, at the instant of sending."""
        self.audit.count(order=True)
        assert order.token not in self.audit.tokens, "S3: a token used twice"
        self.audit.tokens.add(order.token)
        parts, view = self.strategy.parts, self.strategy.view
        record = parts.ledger.order(order.client_id)
        assert record is not None, "S3: not reserved"
        amends = order.kind is RequestKind.AMEND
        terms = (record.alt_price, record.alt_qty) if amends else (record.price, record.qty)
        assert (order.token, order.side, order.level, order.price, order.qty) == (
            record.token,
            record.side,
            record.level,
            *terms,
        ), "S3"
        grid = Grid(self.instrument)
        assert min(order.price, order.qty) > 0, "S10"
        assert grid.on_grid(order.price, order.qty), "S10"
        if order.post_only:
            assert view.valid, "S10"
            assert order.side * (order.price - self._far_touch(order.side)) < 0, "S9"
        if not (order.reduce_only and order.level is None):
            assert parts.gate.is_open, "S11"
            assert not self.audit.run.bot.account.kill.engaged, "S11"
        self._judge_limit(order, enlarges=not amends or order.qty > record.qty)

    def _judge_limit(self, order: Approved, *, enlarges: bool) -> None:
        ledger, limits = self.strategy.parts.ledger, self.strategy.parts.risk.limits
        if not enlarges or order.reduce_only:
            return
        if order.side is Side.BUY:
            assert ledger.worst_long <= limits.hard_long, "S1"
        else:
            assert -ledger.worst_short <= limits.hard_short, "S1"

    def _far_touch(self, side: Side) -> int:
        view = self.strategy.view
        return view.touch_ask if side is Side.BUY else view.touch_bid
