"""The `/status` document: what the bot is, does and owes at one instant, as frozen values.

One document serves HTTP, the control socket, `status`, `why`, the gauges and the live view,
so that they cannot disagree. Prices, sizes and money are exact decimals (strings in JSON);
measurements are floats. Times ending `_s` that name an instant are Unix seconds.

Refuses to know where its values come from. A level's `breakdown` sums exactly to its target price
minus `mid_price`; the parts of `pnl` sum exactly to `total`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from market_maker.core.readings import Readings
from market_maker.core.reasons import BookVerdict, BotState, HaltReason, KillReason, Resting, Zone


class Limit(StrEnum):
    """Limits that are shown with their use; the name ends in the unit."""

    POSITION_BASE = "position_base"
    NOTIONAL_QUOTE = "notional_quote"
    DRAWDOWN_QUOTE = "drawdown_quote"
    DAILY_LOSS_QUOTE = "daily_loss_quote"
    MARGIN_RATIO = "margin_ratio"


class LimitUse(msgspec.Struct, frozen=True):
    """A limit in force and how much of it is used, in the limit's own unit."""

    limit: float
    used: float

    @property
    def ratio(self) -> float:
        """Share in use; a limit of zero counts as full."""
        return self.used / self.limit if self.limit > 0 else 1.0


class KillStatus(msgspec.Struct, frozen=True):
    """The kill switch of the account or of one market."""

    engaged: bool = False
    reasons: tuple[KillReason, ...] = ()
    since_s: float = 0.0
    detail: str = ""


class HaltStatus(msgspec.Struct, frozen=True):
    """One reason why the gate is closed, what it does to resting orders and what ends it."""

    reason: HaltReason
    since_s: float
    detail: str
    resting: Resting
    clears: str


class BookStatus(msgspec.Struct, frozen=True):
    """Top of book without our own orders; prices are zero where a side is empty."""

    verdict: BookVerdict
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal
    mid_price: Decimal
    spread_bps: float


class PositionStatus(msgspec.Struct, frozen=True):
    """What we hold, and the worst case if every order that may be open fills."""

    base: Decimal
    notional_quote: Decimal
    ratio: float
    zone: Zone
    worst_long_base: Decimal
    worst_short_base: Decimal
    liquidation_price: Decimal | None = None


class OpenOrderStatus(msgspec.Struct, frozen=True):
    """One order that rests (`resting`), is in flight or is not yet resolved."""

    client_id: str
    venue_id: str
    side: str
    level: int | None
    state: str
    resting: bool
    price: Decimal
    qty: Decimal
    filled_qty: Decimal
    age_s: float


class LevelStatus(msgspec.Struct, frozen=True):
    """One slot of the ladder: what it wants, what rests, and why it did what it did last.

    `target_price` is None where the level is not to be quoted at all, `resting_price` where
    nothing rests. `breakdown` names the parts of target price minus mid.
    """

    side: str
    level: int
    target_price: Decimal | None
    target_qty: Decimal
    resting_price: Decimal | None
    resting_qty: Decimal
    action: str
    reason: str
    detail: str
    breakdown: dict[str, Decimal]


class PnlStatus(msgspec.Struct, frozen=True):
    """P&L by cause; build it with `pnl_of`, so that `total` is exactly the sum of the parts."""

    spread_capture: Decimal
    adverse_selection: Decimal
    inventory_carry: Decimal
    funding: Decimal
    fees: Decimal
    external: Decimal
    total: Decimal

    def parts(self) -> dict[str, Decimal]:
        """The parts by name, without the total."""
        return {name: getattr(self, name) for name in PNL_PARTS}


PNL_PARTS = tuple(name for name in PnlStatus.__struct_fields__ if name != "total")


def pnl_of(
    *,
    spread_capture: Decimal,
    adverse_selection: Decimal,
    inventory_carry: Decimal,
    funding: Decimal,
    fees: Decimal,
    external: Decimal,
) -> PnlStatus:
    """P&L from its parts."""
    parts = (spread_capture, adverse_selection, inventory_carry, funding, fees, external)
    return PnlStatus(*parts, total=sum(parts, Decimal(0)))


class MarkoutStatus(msgspec.Struct, frozen=True):
    """Mean move of the mid in favour of our fills after a horizon, with its standard error."""

    side: str
    horizon_s: float
    mean_bps: float
    standard_error_bps: float
    fills: int


class FeedHealth(msgspec.Struct, frozen=True):
    """One stream: when it last spoke; both times are None before its first message."""

    up: bool
    last_update_s: float | None
    age_s: float | None


class MarketStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one market; `book`, `readings` and prices are None before the first book.

    `fills` counts those of this session; `pnl` and `equity_quote` go back to the market's first.
    """

    market: str
    base: str
    quote: str
    engine: str
    state: BotState
    halts: tuple[HaltStatus, ...]
    kill_switch: KillStatus
    book: BookStatus | None
    fair_price: float | None
    position: PositionStatus
    open_orders: tuple[OpenOrderStatus, ...]
    unknown_orders: int
    levels: tuple[LevelStatus, ...]
    fills: int
    equity_quote: Decimal
    pnl: PnlStatus
    readings: Readings | None
    volatility_horizons_s: tuple[float, ...]
    statistics: dict[str, float]
    markouts: tuple[MarkoutStatus, ...]
    feeds: dict[str, FeedHealth]
    limits: dict[Limit, LimitUse]


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the markets share: money now, since the UTC day began, and down from its peak."""

    currency: str
    equity_quote: Decimal
    day_pnl_quote: Decimal
    drawdown_quote: Decimal
    max_daily_loss_quote: Decimal
    max_drawdown_quote: Decimal


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The process, its account and its markets.

    `as_of_s` dates the document, so a reader can see that a hung bot's status is old.
    `rate_tokens` are requests that each lane may still send now.
    """

    version: str
    mode: str
    venue: str
    state: BotState
    kill_switch: KillStatus
    started_s: float
    as_of_s: float
    clock_offset_s: float
    rate_tokens: dict[str, float]
    account: AccountStatus | None = None
    markets: dict[str, MarketStatus]
    log_tail: tuple[str, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Status)


def encode(status: Status) -> bytes:
    """One line of JSON."""
    return _encoder.encode(status)


def decode(document: bytes) -> Status:
    """Read what `encode` wrote; raises `msgspec.ValidationError` for anything else."""
    return _decoder.decode(document)


def killed_markets(status: Status) -> tuple[str, ...]:
    """Markets whose own kill switch is engaged while the account's is not."""
    if status.kill_switch.engaged:
        return ()
    return tuple(name for name, market in status.markets.items() if market.kill_switch.engaged)


def process_state(markets: dict[str, MarketStatus]) -> BotState:
    """The state that describes the process: its least healthy market's."""
    states = [market.state for market in markets.values()]
    return max(states, key=_SEVERITY.index, default=BotState.STARTING)


_SEVERITY = (
    BotState.QUOTING,
    BotState.STARTING,
    BotState.SYNCING,
    BotState.HALTED,
    BotState.KILLED,
    BotState.STOPPING,
    BotState.STOPPED,
)
