"""The commands that an exchange's future depends on, and its state at a checkpoint.

Owns the stored form of both. Refuses to know how a command is executed. What always holds:
executing the commands of a log on the state of its checkpoint gives the exchange that wrote
them; money travels as text or JSON because it does not fit 64 bits.
"""

from __future__ import annotations

import msgspec

from market_maker.core.events import Fill, Payment
from market_maker.core.instrument import Instrument
from market_maker.core.side import Side
from market_maker.venues.simulated.orders import Order
from market_maker.venues.simulated.rules import OrderRequest


class Advance(msgspec.Struct, frozen=True, gc=False, tag="t", array_like=True):
    """Run every market to `until_ns`."""

    until_ns: int


class BeginSession(msgspec.Struct, frozen=True, gc=False, tag="s", array_like=True):
    """From now on market time passes: `numerator` of it per `denominator` of wall time."""

    wall_ns: int
    numerator: int
    denominator: int


class Configure(msgspec.Struct, frozen=True, gc=False, tag="k", array_like=True):
    """Replace the account's terms (budgets, speed); `config` is JSON."""

    config: str


class ListMarket(msgspec.Struct, frozen=True, gc=False, tag="l", array_like=True):
    """Open a market, or change the terms of one that is open; `config` is JSON."""

    symbol: str
    config: str


class Place(msgspec.Struct, frozen=True, gc=False, tag="p", array_like=True):
    """Submit an order."""

    symbol: str
    request: OrderRequest


class Amend(msgspec.Struct, frozen=True, gc=False, tag="a", array_like=True):
    """Change price or total quantity of an order."""

    symbol: str
    client_id: str
    price: int
    qty: int


class Cancel(msgspec.Struct, frozen=True, gc=False, tag="c", array_like=True):
    """Cancel one order."""

    symbol: str
    client_id: str
    venue_id: str


class CancelAll(msgspec.Struct, frozen=True, gc=False, tag="x", array_like=True):
    """Cancel every order of a market and tag; `forced` (an operator) passes the rate limit."""

    symbol: str
    forced: bool
    tag: str = ""


class ArmDeadMan(msgspec.Struct, frozen=True, gc=False, tag="d", array_like=True):
    """Cancel every order of a market and tag unless renewed within `timeout_ns`; 0 disarms."""

    symbol: str
    timeout_ns: int
    tag: str = ""


class PlaceShadow(msgspec.Struct, frozen=True, gc=False, tag="h", array_like=True):
    """Queue an order that nobody sees."""

    symbol: str
    side: Side
    price: int
    qty: int


class CancelShadow(msgspec.Struct, frozen=True, gc=False, tag="g", array_like=True):
    """Take a shadow order out of its queue."""

    symbol: str
    number: int


class ForeignTrade(msgspec.Struct, frozen=True, gc=False, tag="f", array_like=True):
    """Somebody else trades this account, or an ended order of ours fills beyond its quantity.

    `qty` is positive; `client_id` names the order.
    """

    symbol: str
    side: Side
    price: int
    qty: int
    client_id: str = ""


class Transfer(msgspec.Struct, frozen=True, gc=False, tag="m", array_like=True):
    """Deposit (or withdraw) money, an integer in text."""

    amount: str


class ChangeRules(msgspec.Struct, frozen=True, gc=False, tag="r", array_like=True):
    """Replace a market's instrument, its JSON given, as venues do without asking."""

    symbol: str
    instrument: str


class SetMaintenance(msgspec.Struct, frozen=True, gc=False, tag="o", array_like=True):
    """Close a market for new orders and amendments, or open it again."""

    symbol: str
    closed: bool


Command = (
    Advance
    | BeginSession
    | Configure
    | ListMarket
    | Place
    | Amend
    | Cancel
    | CancelAll
    | ArmDeadMan
    | PlaceShadow
    | CancelShadow
    | ForeignTrade
    | Transfer
    | ChangeRules
    | SetMaintenance
)

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Command).decode


class MarketState(msgspec.Struct):
    """One market at a checkpoint; its core is a blob of its own."""

    symbol: str
    config: str
    instrument: Instrument
    genesis_ns: int
    qty: int
    book_seq: int
    trades: int
    executions: int
    payments: int
    closed: bool
    funding_level: float
    funding_step: int
    orders: list[Order]
    fills: list[Fill]
    payment_history: list[Payment]
    shadows: dict[int, list[tuple[int, int, int]]]
    last_ns: list[int]
    dead_men: dict[str, int] = {}


class ExchangeState(msgspec.Struct):
    """An exchange at a checkpoint; big integers survive because JSON has no word size."""

    seed: int
    config: str
    now_ns: int
    session: int
    session_ns: int
    wall_ns: int
    numerator: int
    denominator: int
    cash: int
    numbers: int
    next_tick_ns: int
    buckets: dict[str, int]
    markets: list[MarketState]


encode_state = msgspec.json.Encoder().encode
decode_state = msgspec.json.Decoder(ExchangeState).decode
encode_instrument = msgspec.json.Encoder().encode
decode_instrument = msgspec.json.Decoder(Instrument).decode
