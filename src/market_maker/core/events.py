"""Everything that can happen to the bot, as frozen values.

Events come from venues and timers; they are journalled before they are applied and are
the only way in which state changes. Prices and sizes are integer quanta, money is an
integer count of 1e-18 settlement currency. `recv_ns` is our clock when the event reached
us, `venue_ns` the venue's own time (0 where it gives none).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members
from market_maker.core.side import Side


@plain_members
class Feed(StrEnum):
    """Streams whose health is tracked one by one."""

    BOOK = "book"
    TRADES = "trades"
    FUNDING = "funding"
    PRIVATE = "private"
    BEST = "best"


@plain_members
class OrderState(StrEnum):
    """What a venue says about an order."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


@plain_members
class Liquidity(StrEnum):
    """Whether a fill rested or took."""

    MAKER = "maker"
    TAKER = "taker"


@plain_members
class RequestKind(StrEnum):
    """What we asked of the venue."""

    SUBMIT = "submit"
    AMEND = "amend"
    CANCEL = "cancel"


@plain_members
class Result(StrEnum):
    """The three outcomes of a request; accepted and rejected need positive evidence."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@plain_members
class RejectReason(StrEnum):
    """Why a venue refused or ended an order, mapped from its own codes by an allowlist."""

    NONE = "none"
    POST_ONLY = "post_only"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    BELOW_MINIMUM = "below_minimum"
    OFF_GRID = "off_grid"
    PRICE_BAND = "price_band"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_ID = "duplicate_id"
    RATE_LIMIT = "rate_limit"
    MARKET_CLOSED = "market_closed"
    TOO_MANY_ORDERS = "too_many_orders"
    INVALID = "invalid"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    DEAD_MAN = "dead_man"
    LIQUIDATION = "liquidation"
    BAD_CREDENTIALS = "bad_credentials"
    NOT_SENT = "not_sent"
    OTHER = "other"


class BookSnapshot(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Full depth; levels are (price, qty) from the best outwards."""

    recv_ns: int
    venue_ns: int
    seq: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BookDelta(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Changed levels as (side sign, price, new total qty; 0 = gone), applying on `prev_seq`."""

    recv_ns: int
    venue_ns: int
    prev_seq: int
    seq: int
    changes: tuple[tuple[int, int, int], ...]


class TradePrint(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A public trade; `side` is the aggressor's."""

    recv_ns: int
    venue_ns: int
    trade_id: str
    side: Side
    price: int
    qty: int


class BestQuote(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Best bid and offer from a stream of their own; a side without orders has price and qty 0.

    `seq` counts as the book's does, 0 where the venue numbers the two streams apart.
    """

    recv_ns: int
    venue_ns: int
    seq: int
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


class FundingUpdate(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Predicted funding `rate` per `interval_s` (positive: longs pay), next paid at `next_ns`.

    `mark_price2` is the mark in half quanta of price.
    """

    recv_ns: int
    rate: float
    interval_s: int
    next_ns: int
    mark_price2: int


class FeedStatus(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A stream came up (subscribed, synchronised or answering) or went down."""

    recv_ns: int
    feed: Feed
    up: bool
    detail: str = ""


class Heartbeat(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A stream is alive although nothing changed."""

    recv_ns: int
    feed: Feed


class OrderUpdate(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An order's state as a stream or a query reports it; `filled` is cumulative."""

    recv_ns: int
    venue_ns: int
    client_id: str
    venue_id: str
    state: OrderState
    side: Side
    price: int
    qty: int
    filled: int
    reason: RejectReason = RejectReason.NONE


class Fill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """One execution of ours; `fee` is money, negative for a rebate."""

    recv_ns: int
    venue_ns: int
    trade_id: str
    client_id: str
    venue_id: str
    side: Side
    price: int
    qty: int
    fee: int
    liquidity: Liquidity


class FundingPayment(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Funding paid (`amount` negative) or received on a position, each `payment_id` once."""

    recv_ns: int
    venue_ns: int
    payment_id: str
    amount: int


class Transfer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Money that entered (or left, if negative) the account, each `transfer_id` once.

    It belongs to no market: a venue may report it with every market of the account.
    """

    recv_ns: int
    venue_ns: int
    transfer_id: str
    amount: int


class PositionReport(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The venue's signed position; `liquidation_price2` in half quanta, None where not given."""

    recv_ns: int
    venue_ns: int
    qty: int
    liquidation_price2: int | None = None

    @property
    def dated_ns(self) -> int:
        """When it was true: by the venue's clock, or by ours where the venue does not say."""
        return self.venue_ns or self.recv_ns


class BalanceReport(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Account money: `equity` with unrealised profit, `free` for new orders, `margin_used`."""

    recv_ns: int
    venue_ns: int
    equity: int
    free: int
    margin_used: int

    @property
    def dated_ns(self) -> int:
        """When it was true: by the venue's clock, or by ours where the venue does not say."""
        return self.venue_ns or self.recv_ns


class RequestOutcome(msgspec.Struct, frozen=True, gc=False, tag=True):
    """How a request ended. `retry_after_ns` is how long its class must pause, 0 if it need not.

    For an amendment `price` and `qty` are what was asked for.
    """

    recv_ns: int
    kind: RequestKind
    client_id: str
    result: Result
    venue_id: str = ""
    reason: RejectReason = RejectReason.NONE
    price: int = 0
    qty: int = 0
    retry_after_ns: int = 0
    detail: str = ""


class Timer(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Time passed: staleness, dwell and deadlines are judged at `recv_ns`."""

    recv_ns: int


Payment = FundingPayment | Transfer
"""Money that moved without a trade."""

MarketEvent = BookSnapshot | BookDelta | TradePrint | BestQuote | FundingUpdate
PrivateEvent = (
    OrderUpdate | Fill | FundingPayment | Transfer | PositionReport | BalanceReport | RequestOutcome
)
Event = (
    BookSnapshot
    | BookDelta
    | TradePrint
    | BestQuote
    | FundingUpdate
    | OrderUpdate
    | Fill
    | FundingPayment
    | Transfer
    | PositionReport
    | BalanceReport
    | RequestOutcome
    | FeedStatus
    | Heartbeat
    | Timer
)
