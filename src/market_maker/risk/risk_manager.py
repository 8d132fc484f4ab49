"""Every order passes here: it is approved and reserved in one step, or refused with a reason.

The only maker of `Approved`. Checks run in a fixed order: may we trade, is the order well formed, is
its slot free, is the book good, is its price sane, is its size sane, do worst-case limits hold,
is there rate left. Limits judge the position plus everything that may still fill. Reducing exits skip what
limits opening, never the lot and never the far side's limit. Refuses to know why an order is
wanted; never reads a clock.
"""

from __future__ import annotations

from market_maker.config.risk import RiskConfig
from market_maker.core.commands import Approved, CancelRequest, Proposal
from market_maker.core.events import BalanceReport, PositionReport, RequestKind, RequestOutcome
from market_maker.core.instrument import Instrument
from market_maker.core.readings import FundingReading, InventoryReading
from market_maker.core.reasons import Refusal, Zone
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.ledger.orders import OrderRecord
from market_maker.market.market_view import MarketView
from market_maker.risk.account import AccountRisk, Breach
from market_maker.risk.exits import exit_proposal, exit_size
from market_maker.risk.gate import Gate
from market_maker.risk.inventory import InventoryZones, inventory_ratio
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.limits import LimitRules, Limits
from market_maker.risk.market_check import MarketCheck
from market_maker.risk.order_checks import OrderChecks, Refused
from market_maker.risk.rates import Lane, lane_of


class RiskManager:
    """The risk manager of one market."""

    __slots__ = (
        "_account",
        "_check",
        "_checks",
        "_config",
        "_gate",
        "_grid",
        "_instrument",
        "_ledger",
        "_limits",
        "_limits_key",
        "_rules",
        "_scales",
        "_zones",
    )

    def __init__(
        self,
        config: RiskConfig,
        instrument: Instrument,
        ledger: Ledger,
        account: AccountRisk,
        gate: Gate,
        kill: KillSwitch | None = None,
    ) -> None:
        """Guard one market; `kill` is its own switch, by default the account's."""
        self._instrument = instrument
        self._ledger = ledger
        self._account = account
        self._gate = gate
        self._zones = InventoryZones(config)
        self._check = MarketCheck(config, instrument, ledger, account, gate, kill or account.kill)
        self._scales = (1.0, 1.0)
        account.register(instrument.symbol, instrument.settle, ledger.trading_pnl)
        self.configure(config, instrument)

    def configure(self, config: RiskConfig, instrument: Instrument) -> None:
        """Take new settings or new rules of the instrument; memory stays."""
        self._config = config
        self._instrument = instrument
        self._grid = Grid(instrument)
        self._rules = LimitRules(config, instrument)
        self._checks = OrderChecks(config, instrument, self._grid, self._rules)
        self._zones.configure(config)
        self._check.configure(config)
        self._limits = Limits(0, 0, 0, 0, Refusal.MAX_POSITION, Refusal.MAX_POSITION)
        self._limits_key: tuple[object, ...] = ()

    # Orders ---------------------------------------------------------------------------------

    def approve(self, proposal: Proposal, view: MarketView, now_ns: int) -> Approved | Refused:
        """Approve and reserve an order in one step, or say why not."""
        exits = proposal.reduce_only
        record: OrderRecord | None = None
        refused = None if exits else self._may_open()
        refused = refused or self._checks.form(proposal)
        if refused is not None:
            return refused
        if proposal.kind is RequestKind.AMEND:
            record = self._ledger.order(proposal.client_id)
        refused = (
            self._slot(proposal, record)
            or self._checks.book(proposal, view)
            or self._checks.crossing(proposal, view, self._ledger.own_touch())
            or self._checks.size(proposal, record, self._ledger.position)
            or self._reduces(proposal, record)
            or self._exposure(proposal, record, view)
            or self._rate(now_ns)
        )
        if refused is not None:
            return refused
        client_id = proposal.client_id if record is not None else self._ledger.new_client_id()
        approved = Approved(
            self._account.next_token(),
            now_ns,
            proposal.kind,
            client_id,
            proposal.side,
            proposal.price,
            proposal.qty,
            proposal.post_only,
            proposal.reduce_only,
            proposal.time_in_force,
            proposal.level,
        )
        self._ledger.reserve(approved)
        self._note_use(view.mid2)
        return approved

    def approve_cancel(self, client_id: str, now_ns: int) -> CancelRequest | Refused:
        """Use the cancel lane for one order and note that its cancel is on the way."""
        record = self._ledger.order(client_id)
        if record is None or not record.live:
            return Refused(Refusal.UNKNOWN_ORDER, f"{client_id} is not live")
        refused = self._rate(now_ns, Lane.CANCEL)
        if refused is not None:
            return refused
        self._ledger.cancel_requested(client_id, now_ns)
        return CancelRequest(client_id, record.venue_id)

    def approve_orphan_cancel(
        self, client_id: str, venue_id: str, now_ns: int
    ) -> CancelRequest | Refused:
        """Use the cancel lane for an order that rests at the venue although our books closed it."""
        refused = self._rate(now_ns, Lane.CANCEL)
        return refused if refused is not None else CancelRequest(client_id, venue_id)

    def approve_dead_man(self, now_ns: int) -> int:
        """Use the cancel lane to arm or disarm the dead man's switch; how long to wait, 0 if now."""
        return self._account.rates.take(Lane.CANCEL, now_ns)

    def approve_cancel_all(self, now_ns: int) -> int:
        """Use the cancel lane for a mass cancel; how long to wait, 0 if it may leave now."""
        wait = self._account.rates.take(Lane.CANCEL, now_ns)
        if wait == 0:
            for record in self._ledger.live_orders():
                self._ledger.cancel_requested(record.client_id, now_ns)
        return wait

    # Inventory ------------------------------------------------------------------------------

    def inventory(
        self,
        view: MarketView,
        funding: FundingReading | None = None,
        regime_scale: float = 1.0,
    ) -> InventoryReading:
        """Position against its limits; volatility tightens both, funding the side it punishes."""
        if funding is not None:
            scale = regime_scale * min(1.0, funding.max_position_scale)
            long_pays = funding.rate_per_hour > 0
            self._scales = (scale, regime_scale) if long_pays else (regime_scale, scale)
        ledger = self._ledger
        self._account.on_pnl(self._instrument.symbol, ledger.trading_pnl, view.recv_ns)
        limits = self._limits_at(view.mid2)
        return self._zones.reading(ledger.position, limits, self._others_ratio(limits, view.mid2))

    @property
    def killed(self) -> bool:
        """Whether the market's or the account's kill switch is engaged."""
        return self._check.killed

    @property
    def books_transfers(self) -> bool:
        """Whether transfers of the account belong into this market's books."""
        return self._account.is_home(self._instrument.symbol)

    @property
    def zone(self) -> Zone:
        """Inventory zone as of the last reading."""
        return self._zones.zone

    @property
    def limits(self) -> Limits:
        """Limits in force, as of the last mid that was judged."""
        return self._limits

    def reduction_proposal(self, view: MarketView, last_price: float = 0.0) -> Proposal | None:
        """Exit for a position far beyond its limit, down to the configured target."""
        position = self._ledger.position
        hard = self._limits_at(view.mid2).hard(position)
        if not self._check.is_emergency(position, hard):
            return None
        target = int(hard * self._config.emergency_target_ratio)
        return self._exit(target, view, last_price, self._config.exit_slippage_bps)

    @property
    def dust(self) -> int:
        """The position, where it is too small for any order to leave; 0 otherwise."""
        position = self._ledger.position
        return 0 if exit_size(position, 0, 0, self._grid) else position

    def flatten_proposal(
        self, view: MarketView, last_price: float, slippage_bps: float
    ) -> Proposal | None:
        """Exit from the whole position; `last_price` in quanta serves when the book is empty."""
        return self._exit(0, view, last_price, slippage_bps)

    # What the venue and the reconciler say --------------------------------------------------

    def on_outcome(self, outcome: RequestOutcome) -> None:
        """Obey a retry-after and count errors."""
        if outcome.retry_after_ns > 0:
            until_ns = outcome.recv_ns + outcome.retry_after_ns
            self._account.rates.pause(lane_of(outcome.kind), until_ns)
        self._check.on_outcome(outcome)

    def on_balance(self, report: BalanceReport) -> None:
        """Let the venue's money cap what we believe."""
        self._account.on_balance(report)
        self._check.on_balance(report)

    def on_position(self, report: PositionReport) -> None:
        """Note the venue's liquidation price."""
        self._check.on_position(report)

    def on_difference(self, difference: int) -> None:
        """Take one comparison of positions by the reconciler; 0 when they agree."""
        self._check.difference.report(difference)

    def explained(self, now_ns: int) -> None:
        """An operator settled a position difference or refused credentials (`rearm`)."""
        self._check.explained(now_ns)

    def check(self, view: MarketView, now_ns: int, feed_age_ns: int = 0) -> tuple[Breach, ...]:
        """Everything that is broken now, in this market or in the account."""
        self._account.on_pnl(self._instrument.symbol, self._ledger.trading_pnl, now_ns)
        self._note_use(self._ledger.mid2)
        hard = self._limits_at(view.mid2).hard(self._ledger.position)
        return self._check.breaches(now_ns, hard, self._ledger.mid2, feed_age_ns)

    def enforce(self, view: MarketView, now_ns: int, feed_age_ns: int = 0) -> tuple[Breach, ...]:
        """Check, then close and open the gate and engage kill switches accordingly."""
        breaches = self.check(view, now_ns, feed_age_ns)
        self._check.enforce(breaches, now_ns)
        return breaches

    # Inside ---------------------------------------------------------------------------------

    def _may_open(self) -> Refused | None:
        if self._check.killed:
            return Refused(Refusal.KILLED, "the kill switch is engaged")
        if not self._gate.is_open:
            return Refused(Refusal.GATE_CLOSED, ", ".join(self._gate.reasons))
        return None

    def _slot(self, proposal: Proposal, record: OrderRecord | None) -> Refused | None:
        if proposal.kind is RequestKind.AMEND:
            if record is None or record.side is not proposal.side:
                return Refused(Refusal.UNKNOWN_ORDER, f"{proposal.client_id} cannot be amended")
            if record.status is not OrderStatus.OPEN or record.level != proposal.level:
                return Refused(Refusal.LEVEL_OCCUPIED, f"{record.client_id} {record.status}")
            return None
        if proposal.level is None:
            if proposal.reduce_only:
                return None
            return Refused(Refusal.LEVEL_OCCUPIED, "only exits may go without a level")
        holder = self._ledger.order_at(proposal.level)
        if holder is None:
            return None
        return Refused(Refusal.LEVEL_OCCUPIED, f"{holder.client_id} {holder.status}")

    def _reduces(self, proposal: Proposal, record: OrderRecord | None) -> Refused | None:
        """Whether an exit is one: no more than the position that no other exit takes back."""
        if not proposal.reduce_only:
            return None
        position = self._ledger.position
        reducible = abs(position) - self._exits_in_flight(proposal.side, record)
        if position * proposal.side < 0 and proposal.qty <= reducible:
            return None
        return Refused(Refusal.NOT_REDUCING, f"{proposal.qty} of {reducible} to reduce")

    def _exposure(
        self, proposal: Proposal, record: OrderRecord | None, view: MarketView
    ) -> Refused | None:
        """Worst-case position after the order against the limit of its side."""
        ledger = self._ledger
        mid2 = view.mid2 if view.valid else ledger.mid2
        if mid2 <= 0:
            return None if proposal.reduce_only else Refused(Refusal.BOOK_INVALID, "no mid")
        added = proposal.qty
        if record is not None:
            if proposal.qty < record.qty:
                # It only gives exposure back, and counts whole until the venue agreed.
                return None
            added = max(0, max(proposal.qty, record.cumulative) - record.seen - record.reserved)
        limits = self._limits_at(mid2)
        if not proposal.reduce_only:
            refused = self._building(proposal.side, limits)
            if refused is not None:
                return refused
        if proposal.side is Side.BUY:
            worst = ledger.worst_long + added
            limit = limits.hard_long if proposal.reduce_only else limits.long
            reason = limits.long_reason
        else:
            worst = added - ledger.worst_short
            limit = limits.hard_short if proposal.reduce_only else limits.short
            reason = limits.short_reason
        return Refused(reason, f"worst case {worst} against {limit}") if worst > limit else None

    def _building(self, side: Side, limits: Limits) -> Refused | None:
        """Whether the side that enlarges the position may still be quoted."""
        position = self._ledger.position
        if position * side <= 0:
            return None
        zone = self._zones.judge(position, limits)
        if zone is Zone.RED or zone is Zone.OVER:
            return Refused(Refusal.ZONE, f"inventory is {zone.value}: only reducing orders")
        if self._check.near_liquidation(self._ledger.mid2):
            return Refused(Refusal.LIQUIDATION, "too near to the venue's liquidation price")
        return None

    def _rate(self, now_ns: int, lane: Lane = Lane.ORDER) -> Refused | None:
        wait_ns = self._account.rates.take(lane, now_ns)
        if wait_ns == 0:
            return None
        paused = self._account.rates.paused_ns(lane, now_ns) > 0
        reason = Refusal.RETRY_AFTER if paused else Refusal.ORDER_RATE
        return Refused(reason, f"{lane.value} lane free in {wait_ns / 1e6:.0f} ms", wait_ns)

    def _exits_in_flight(self, side: Side, but: OrderRecord | None = None) -> int:
        return sum(
            record.reserved
            for record in self._ledger.live_orders()
            if record.reduce_only and record.side is side and record is not but
        )

    def _exit(
        self, target: int, view: MarketView, last_price: float, slippage_bps: float
    ) -> Proposal | None:
        position = self._ledger.position
        side = Side.SELL if position > 0 else Side.BUY
        qty = exit_size(position, target, self._exits_in_flight(side), self._grid)
        return exit_proposal(position, qty, view, last_price, slippage_bps, self._grid)

    def _limits_at(self, mid2: int) -> Limits:
        """Limits at a mid, or at the last one known; computed once per change of inputs."""
        mid2 = mid2 if mid2 > 0 else self._ledger.mid2
        account = self._account.view(self._instrument.symbol)
        key = (mid2, account.equity, account.other_margin, self._scales)
        if key != self._limits_key and mid2 > 0:
            self._limits = self._rules.evaluate(mid2, account, *self._scales)
            self._limits_key = key
        return self._limits

    def _others_ratio(self, limits: Limits, mid2: int) -> float:
        """What the account's other markets hold, as a share of this one's limit."""
        if mid2 <= 0 or not self._account.shared:
            return 0.0
        others = self._account.other_exposure(self._instrument.symbol)
        return inventory_ratio(others, self._rules.exposure(limits.side(others), mid2))

    def _note_use(self, mid2: int) -> None:
        """Tell the other markets what this one holds, and binds in its worst case."""
        if mid2 > 0 and self._account.shared:
            ledger = self._ledger
            worst = max(ledger.worst_long, -ledger.worst_short)
            margin = self._rules.margin(worst, mid2)
            exposure = self._rules.exposure(ledger.position, mid2)
            self._account.set_use(self._instrument.symbol, margin, exposure)
