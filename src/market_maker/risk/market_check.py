"""What is wrong in one market now, and the halts and kills that follow.

Owns error bursts, position differences and what the venue said about money and liquidation. Halts
that it raises it also clears, except where an operator must. Missing data never escalates: only
what a venue positively said can. Refuses to know orders to be sent.
"""

from __future__ import annotations

from market_maker.config.risk import RiskConfig
from market_maker.core.events import (
    BalanceReport,
    PositionReport,
    RejectReason,
    RequestOutcome,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.reasons import HaltReason, KillReason
from market_maker.ledger.ledger import Ledger
from market_maker.risk.account import AccountRisk, Breach
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.rates import Lane
from market_maker.risk.watch import ErrorBurst, PositionDifference

OWNED_HALTS = (
    HaltReason.OVER_LIMIT,
    HaltReason.MARGIN,
    HaltReason.UNKNOWN_ORDERS,
    HaltReason.ERROR_BURST,
    HaltReason.RATE_LIMITED,
    HaltReason.MARKET_CLOSED,
)
"""Halts that open again by themselves when their breach is gone."""

CLOSED_PAUSE_NS = 10 * NANOS
"""How long a venue that refused an order as closed is not asked again."""


class MarketCheck:
    """Judges one market on every call."""

    __slots__ = (
        "_account",
        "_balance",
        "_closed_until_ns",
        "_config",
        "_errors",
        "_gate",
        "_instrument",
        "_kill",
        "_ledger",
        "_liquidation_price2",
        "_position_ns",
        "_refused_credentials",
        "difference",
    )

    def __init__(
        self,
        config: RiskConfig,
        instrument: Instrument,
        ledger: Ledger,
        account: AccountRisk,
        gate: Gate,
        kill: KillSwitch,
    ) -> None:
        """Start with nothing known against the market."""
        self._instrument = instrument
        self._ledger = ledger
        self._account = account
        self._gate = gate
        self._kill = kill
        self._errors = ErrorBurst(config)
        self.difference = PositionDifference(config)
        self._balance: BalanceReport | None = None
        self._liquidation_price2: int | None = None
        self._position_ns = 0
        self._refused_credentials = ""
        self._closed_until_ns = 0
        self._config = config

    def configure(self, config: RiskConfig) -> None:
        """Take new thresholds; what was counted stays."""
        self._config = config
        self._errors.configure(config)
        self.difference.configure(config)

    @property
    def killed(self) -> bool:
        """Whether the market's or the account's kill switch is engaged."""
        return self._kill.engaged or self._account.kill.engaged

    def on_outcome(self, outcome: RequestOutcome) -> None:
        """Count errors; refused credentials stop everything, a closed market waits."""
        self._errors.on_outcome(outcome)
        if outcome.reason is RejectReason.BAD_CREDENTIALS:
            self._refused_credentials = outcome.detail or "the venue refused our credentials"
        elif outcome.reason is RejectReason.MARKET_CLOSED:
            self._closed_until_ns = outcome.recv_ns + CLOSED_PAUSE_NS

    def on_balance(self, report: BalanceReport) -> None:
        """Note the account's money; an older report never replaces a newer one."""
        if self._balance is None or report.dated_ns >= self._balance.dated_ns:
            self._balance = report

    def on_position(self, report: PositionReport) -> None:
        """Note the liquidation price of the newest report; a venue that gives none proves nothing."""
        if report.dated_ns < self._position_ns:
            return
        self._position_ns = report.dated_ns
        self._liquidation_price2 = report.liquidation_price2 if report.qty else None

    def near_liquidation(self, mid2: int) -> bool:
        """Whether the venue's liquidation price is nearer than allowed."""
        price2 = self._liquidation_price2
        if price2 is None or mid2 <= 0:
            return False
        return 1e4 * abs(price2 - mid2) / mid2 < self._config.min_liquidation_distance_bps

    def is_emergency(self, position: int, hard_limit: int) -> bool:
        """Whether a position is so far over its limit that it must be reduced at once."""
        return abs(position) > hard_limit * self._config.emergency_ratio

    def breaches(
        self, now_ns: int, hard_limit: int, mid2: int, feed_age_ns: int
    ) -> tuple[Breach, ...]:
        """Everything that is broken now."""
        found = list(self._account.breaches())
        found += self._order_breaches(now_ns)
        found += self._money_breaches(now_ns, mid2)
        position = self._ledger.position
        if mid2 > 0 and self.is_emergency(position, hard_limit):
            detail = f"{self._base(position)} against {self._base(hard_limit)}"
            found.append(Breach(HaltReason.OVER_LIMIT, None, detail))
        if self.difference.confirmed:
            detail = f"venue minus ours: {self._base(self.difference.difference, '+')}"
            reason = HaltReason.UNEXPLAINED_POSITION
            found.append(Breach(reason, KillReason.UNEXPLAINED_POSITION, detail))
        if feed_age_ns > self._config.feed_dead_s * NANOS:
            detail = f"no market data for {feed_age_ns / NANOS:.0f} s"
            found.append(Breach(HaltReason.FEED_DOWN, KillReason.FEED_DEAD, detail))
        return tuple(found)

    def enforce(self, breaches: tuple[Breach, ...], now_ns: int) -> None:
        """Close and open the gate and engage kill switches."""
        for breach in breaches:
            if breach.halt is not None:
                self._gate.close(breach.halt, now_ns, breach.detail)
            if breach.kill is not None:
                switch = self._account.kill if breach.account_wide else self._kill
                switch.engage(breach.kill, now_ns, breach.detail)
        halts = [breach.halt for breach in breaches]
        for reason in OWNED_HALTS:
            if reason not in halts:
                self._gate.open(reason, now_ns)
        if self.killed:
            self._gate.close(HaltReason.KILLED, now_ns, "the kill switch is engaged")

    def explained(self, now_ns: int) -> None:
        """An operator settled a position difference and refused credentials."""
        self.difference.report(0)
        self._refused_credentials = ""
        self._gate.open(HaltReason.UNEXPLAINED_POSITION, now_ns)

    def _base(self, qty: int, sign: str = "") -> str:
        """A quantity of quanta as people write it."""
        instrument = self._instrument
        return f"{qty * instrument.qty_quantum * instrument.contract_size:{sign}} {instrument.sized_in}"

    def _order_breaches(self, now_ns: int) -> list[Breach]:
        config = self._config
        found = []
        unknown = len(self._ledger.unknown_orders(now_ns))
        if unknown >= config.unknown_halt_count:
            kill = KillReason.UNKNOWN_ORDERS if unknown >= config.unknown_kill_count else None
            found.append(Breach(HaltReason.UNKNOWN_ORDERS, kill, f"{unknown} orders"))
        errors = self._errors.count(now_ns)
        if errors >= config.error_halt_count:
            kill = KillReason.ERROR_BURST if errors >= config.error_kill_count else None
            detail = f"{errors} errors in {config.error_window_s:g} s"
            found.append(Breach(HaltReason.ERROR_BURST, kill, detail))
        if self._refused_credentials:
            found.append(
                Breach(
                    HaltReason.ERROR_BURST,
                    KillReason.CREDENTIALS,
                    self._refused_credentials,
                    account_wide=True,
                )
            )
        paused_ns = self._account.rates.paused_ns(Lane.ORDER, now_ns)
        if paused_ns:
            detail = f"retry after {paused_ns / 1e9:.1f} s"
            found.append(Breach(HaltReason.RATE_LIMITED, None, detail))
        if now_ns < self._closed_until_ns:
            detail = "the venue takes no orders"
            found.append(Breach(HaltReason.MARKET_CLOSED, None, detail))
        return found

    def _money_breaches(self, now_ns: int, mid2: int) -> list[Breach]:
        config = self._config
        if self._ledger.position and self.near_liquidation(mid2):
            return [Breach(HaltReason.MARGIN, None, "near the venue's liquidation price")]
        report = self._balance
        if report is None:
            return []
        age_ns = now_ns - report.recv_ns
        if age_ns > config.balance_stale_s * NANOS:
            return [Breach(HaltReason.MARGIN, None, f"balance unknown for {age_ns / NANOS:.0f} s")]
        allowed = config.max_margin_utilisation * config.emergency_ratio
        if report.margin_used > allowed * max(0, report.equity):
            return [Breach(HaltReason.MARGIN, None, "margin use beyond its limit")]
        return []
