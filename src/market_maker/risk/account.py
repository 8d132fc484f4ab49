"""What all markets of an account share: capital, losses, margin, rates, kill switch.

Losses are judged on trading profit summed over markets, without deposits: against its peak
(drawdown) and against the start of the UTC day. Peak and day start survive restarts and reloads;
only a new day moves the day start. One settlement currency. Refuses to know orders and markets.
"""

from __future__ import annotations

import msgspec

from market_maker.config.risk import RiskConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import BalanceReport
from market_maker.core.instrument import NANOS
from market_maker.core.reasons import HaltReason, KillReason
from market_maker.core.units import money_to_decimal
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.risk.limits import Account
from market_maker.risk.rates import RateBudget

DAY_NS = 86_400 * NANOS

_OTHERS = ""
"""Stands for all other markets where only one of them is rebuilt."""

LOSS_LIMITS = frozenset({KillReason.DRAWDOWN, KillReason.DAILY_LOSS})
"""What only an operator's rearm forgives; one for another reason leaves losses as they are."""


class Breach(msgspec.Struct, frozen=True, gc=False):
    """A limit that is broken now: what to halt, what to kill, whose it is."""

    halt: HaltReason | None
    kill: KillReason | None
    detail: str
    account_wide: bool = False
    exit_process: bool = False


class AccountState(msgspec.Struct):
    """Memory of losses, as money relative to the capital the account started with."""

    pnl: dict[str, int] = {}
    offset: dict[str, int] = {}
    peak: int = 0
    day: int = 0
    day_start: int = 0


class AccountImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account as a market finds it after others used it.

    Values are absolute, `sent_ns` and `orders_ns` the requests that others sent meanwhile;
    what the others hold is None while the market is alone.
    """

    total: int
    peak: int
    day: int
    day_start: int
    token: int
    shortfall: int = 0
    balance_ns: int = 0
    other_margin: int | None = None
    other_exposure: int | None = None
    paused_ns: tuple[int, ...] = ()
    sent_ns: tuple[int, ...] = ()
    orders_ns: tuple[int, ...] = ()
    latches: tuple[Latch, ...] = ()


_Mark = tuple[int, int, int, int, int]


class AccountRisk:
    """Shared by the risk managers of every market.

    `holder` is the market that used it last. Whoever finds another one there asks `enter` what
    changed; a market that is alone never has to.
    """

    __slots__ = (
        "_balance_ns",
        "_changes",
        "_config",
        "_exposure",
        "_left",
        "_margin",
        "_settle",
        "_shortfall",
        "_state",
        "_token",
        "_total",
        "capital",
        "holder",
        "kill",
        "rates",
    )

    def __init__(
        self, config: RiskConfig, capital: int, kill: KillSwitch, state: bytes | None = None
    ) -> None:
        """Start with `capital` as money, or continue the memory of an earlier session."""
        self._config = config
        self.capital = capital
        self.kill = kill
        self.rates = RateBudget(
            config.requests_per_window,
            int(config.request_window_s * NANOS),
            config.cancel_reserve,
        )
        self._state = AccountState() if state is None else _decode(state)
        self._total = sum(self._state.pnl.values())
        self._margin: dict[str, int] = {}
        self._exposure: dict[str, int] = {}
        self._shortfall = 0
        self._balance_ns = 0
        self._settle = ""
        self._token = 0
        self.holder = ""
        self._changes = 0
        self._left: dict[str, _Mark] = {}

    def enter(self, symbol: str) -> AccountImage | None:
        """Make a market the holder; what others changed since it last was, None if nothing."""
        mark = self._mark()
        self._left[self.holder] = mark
        self.holder = symbol
        known = self._left.get(symbol)
        if known == mark:
            return None
        taken, ordered = (known[2], known[3]) if known is not None else (0, 0)
        sent_ns, orders_ns = self.rates.since(taken, ordered)
        state = self._state
        return AccountImage(
            total=self._total,
            peak=state.peak,
            day=state.day,
            day_start=state.day_start,
            token=self._token,
            shortfall=self._shortfall,
            balance_ns=self._balance_ns,
            other_margin=self.view(symbol).other_margin if self.shared else None,
            other_exposure=self.other_exposure(symbol) if self.shared else None,
            paused_ns=self.rates.pauses,
            sent_ns=sent_ns,
            orders_ns=orders_ns,
            latches=tuple(self.kill.reasons.values()),
        )

    def adopt(self, image: AccountImage) -> None:
        """Become what a recorded session's market found."""
        state = self._state
        self._total = image.total
        state.peak, state.day, state.day_start = image.peak, image.day, image.day_start
        self._token = image.token
        self._shortfall = image.shortfall
        self._balance_ns = image.balance_ns
        if image.other_margin is not None:
            self._margin[_OTHERS] = image.other_margin
        if image.other_exposure is not None:
            self._exposure[_OTHERS] = image.other_exposure
        self.rates.adopt(image.sent_ns, image.orders_ns, image.paused_ns)
        for latch in image.latches:
            self.kill.engage(latch.reason, latch.since_ns, latch.detail)
        if not image.latches and self.kill.engaged:
            self.kill.release(max(latch.since_ns for latch in self.kill.reasons.values()))

    def _mark(self) -> _Mark:
        rates = self.rates
        return self._changes, self.kill.version, rates.taken, rates.ordered, rates.paused

    def configure(self, config: RiskConfig) -> None:
        """Take new limits; the memory of losses stays."""
        self._config = config
        self.rates.configure(
            config.requests_per_window,
            int(config.request_window_s * NANOS),
            config.cancel_reserve,
        )

    def register(self, symbol: str, settle: str, pnl: int) -> None:
        """Add a market whose books stand at `pnl`; books that start over continue ours."""
        if self._settle and settle != self._settle:
            msg = f"{symbol} settles in {settle}, the account in {self._settle}: use two accounts"
            raise UnusableError(msg)
        self._settle = settle
        self._changes += 1
        self._margin[symbol] = self._exposure[symbol] = 0
        known = self._state.pnl.setdefault(symbol, 0)
        if pnl == 0:
            self._state.offset[symbol] = known
        self._state.offset.setdefault(symbol, 0)

    def is_home(self, symbol: str) -> bool:
        """Whether a market's books also hold what belongs to the account: the first one's do."""
        return symbol == next(iter(self._margin))

    def next_token(self) -> int:
        """Token of one approved order, unique in this session."""
        self._changes += 1
        self._token += 1
        return self._token

    def on_pnl(self, symbol: str, pnl: int, now_ns: int) -> None:
        """Take a market's trading profit since its opening."""
        state = self._state
        day = now_ns // DAY_NS
        if day > state.day:
            self._changes += 1
            state.day = day
            state.day_start = self._total
        value = pnl + state.offset[symbol]
        known = state.pnl[symbol]
        if value != known:
            self._changes += 1
            state.pnl[symbol] = value
            self._total += value - known
            state.peak = max(state.peak, self._total)

    def on_balance(self, report: BalanceReport) -> None:
        """Let the venue's equity cap ours where it is lower; an older report changes nothing."""
        if report.dated_ns < self._balance_ns:
            return
        shortfall = max(0, self.equity - report.equity)
        if shortfall != self._shortfall or report.dated_ns != self._balance_ns:
            self._changes += 1
        self._shortfall = shortfall
        self._balance_ns = report.dated_ns

    @property
    def shared(self) -> bool:
        """Whether several markets share the margin."""
        return len(self._margin) > 1

    def set_use(self, symbol: str, margin: int, exposure: int) -> None:
        """Note the margin that a market binds in its worst case, and its position's value."""
        if margin != self._margin[symbol] or exposure != self._exposure[symbol]:
            self._changes += 1
            self._margin[symbol] = margin
            self._exposure[symbol] = exposure

    def other_exposure(self, symbol: str) -> int:
        """Signed value of what all other markets hold, as money."""
        return sum(self._exposure.values()) - self._exposure[symbol]

    def view(self, symbol: str) -> Account:
        """The account as the limits of one market see it."""
        margin = self._margin
        others = sum(margin.values()) - margin[symbol] if self.shared else 0
        return Account(self.capital, self.equity - self._shortfall, others)

    @property
    def pnl(self) -> int:
        """Trading profit over all markets since the account's memory began."""
        return self._total

    @property
    def equity(self) -> int:
        """Capital plus trading profit, as money."""
        return self.capital + self._total

    @property
    def drawdown(self) -> int:
        """Fall of the profit from its peak, as money."""
        return self._state.peak - self._total

    @property
    def daily_loss(self) -> int:
        """Loss since the start of the UTC day, as money; negative is a gain."""
        return self._state.day_start - self._total

    @property
    def max_drawdown(self) -> int:
        """Drawdown that engages the kill switch, as money."""
        return _share(self.capital, self._config.max_drawdown)

    @property
    def max_daily_loss(self) -> int:
        """Daily loss that engages the kill switch, as money."""
        return _share(self.capital, self._config.max_daily_loss)

    def breaches(self) -> tuple[Breach, ...]:
        """Loss limits that are broken now."""
        found = []
        for kill, loss, limit in (
            (KillReason.DRAWDOWN, self.drawdown, self.max_drawdown),
            (KillReason.DAILY_LOSS, self.daily_loss, self.max_daily_loss),
        ):
            if loss >= limit:
                detail = f"{money_to_decimal(loss):.2f} of at most {money_to_decimal(limit):.2f}"
                leave = self._config.on_breach == "exit"
                found.append(Breach(None, kill, detail, account_wide=True, exit_process=leave))
        return tuple(found)

    def forgive(self, now_ns: int) -> None:
        """Start judging losses from here: an operator released a loss latch knowingly."""
        self._changes += 1
        self._state.peak = self._total
        self._state.day = now_ns // DAY_NS
        self._state.day_start = self._total

    def snapshot(self) -> bytes:
        """Memory that a restart must not forget."""
        return msgspec.json.encode(self._state)


def _share(capital: int, share: float) -> int:
    return capital * int(share * 1_000_000) // 1_000_000


def _decode(data: bytes) -> AccountState:
    try:
        return msgspec.json.decode(data, type=AccountState)
    except msgspec.DecodeError as error:
        msg = f"account memory cannot be read: {error}"
        raise UnusableError(msg) from error
