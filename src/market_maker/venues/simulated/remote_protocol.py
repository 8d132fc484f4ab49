"""The words between a bot and an exchange that runs in a process of its own.

Owns the messages and their bytes: one JSON object a line (money exceeds 64 bits, which JSON can
say). Sans-IO: bytes in, messages out. What always holds: a line that is too long, cut short or
not exactly one known message raises `ProtocolError` and never yields half a message.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

import msgspec

from market_maker.core.errors import VenueUnavailableError
from market_maker.core.events import Event, Fill, OrderUpdate
from market_maker.venues.simulated.rules import OrderRequest

VERSION: Final = 1
LONGEST_LINE: Final = 64_000_000
"""Bytes of the longest message: the history of a long session in one answer."""


class ProtocolError(VenueUnavailableError):
    """Bytes that no peer of ours would send: the connection cannot be trusted any more."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    """Open a connection for one market; first message of a client.

    `tag` names the client's orders: what it cancels by the dozen or guards by a dead-man's switch is only
    what carries the tag. Without one it means every order of the market.
    """

    version: int
    market: str
    tag: str


class Place(msgspec.Struct, frozen=True, tag=True):
    """Send a new order."""

    order: OrderRequest


class Change(msgspec.Struct, frozen=True, tag=True):
    """Change price or total quantity of an open order."""

    client_id: str
    price: int
    qty: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel one order."""

    client_id: str
    venue_id: str


class CancelAll(msgspec.Struct, frozen=True, tag=True):
    """Cancel every order of the client."""


class ArmDeadMan(msgspec.Struct, frozen=True, tag=True):
    """Arm the client's dead-man's switch; 0 disarms."""

    timeout_s: float


class AskInstrument(msgspec.Struct, frozen=True, tag=True):
    """Ask for the market's rules."""


class AskOpenOrders(msgspec.Struct, frozen=True, tag=True):
    """Ask for every open order of the account in the market."""


class AskOrder(msgspec.Struct, frozen=True, tag=True):
    """Ask for one order."""

    client_id: str


class AskFills(msgspec.Struct, frozen=True, tag=True):
    """Ask for executions at or after a venue time."""

    since_ns: int


class AskPayments(msgspec.Struct, frozen=True, tag=True):
    """Ask for funding payments at or after a venue time."""

    since_ns: int


class AskPosition(msgspec.Struct, frozen=True, tag=True):
    """Ask for the position."""


class AskBalance(msgspec.Struct, frozen=True, tag=True):
    """Ask for the account's money."""


class AskTime(msgspec.Struct, frozen=True, tag=True):
    """Ask for the exchange's clock."""


class Subscribe(msgspec.Struct, frozen=True, tag=True):
    """Start every stream, or market data alone, from a snapshot.

    Events that belong to an earlier `round` of market data are void.
    """

    round: int
    market_data_only: bool


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Ask for a sign of life."""


class AskTruth(msgspec.Struct, frozen=True, tag=True):
    """Ask for the exchange's own books, past all delays; served only to tests (`--oracle`)."""


Call = (
    Hello
    | Place
    | Change
    | Cancel
    | CancelAll
    | ArmDeadMan
    | AskInstrument
    | AskOpenOrders
    | AskOrder
    | AskFills
    | AskPayments
    | AskPosition
    | AskBalance
    | AskTime
    | Subscribe
    | Ping
    | AskTruth
)


class Request(msgspec.Struct, frozen=True):
    """A numbered call; a client never uses a number twice on a connection."""

    id: int
    call: Call


class Answer(msgspec.Struct, frozen=True, tag=True):
    """What a call returned; its type follows from the call."""

    id: int
    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag=True):
    """A call that the exchange did not carry out, and why."""

    id: int
    message: str
    retry_after_ns: int = 0


class Told(msgspec.Struct, frozen=True, tag=True):
    """One event of a stream."""

    round: int
    event: Event


Message = Answer | Failure | Told


class Welcome(msgspec.Struct, frozen=True):
    """The answer to `Hello`: which embedded market this is, and where the exchange keeps itself."""

    seed: int
    home: str


class Truth(msgspec.Struct, frozen=True):
    """One market by the exchange's own books; the worst case is the position if a side fills whole."""

    now_ns: int
    cash: int
    position: int
    worst_long: int
    worst_short: int
    open_orders: tuple[OrderUpdate, ...]
    fills: tuple[Fill, ...]


_M = TypeVar("_M")


class Lines(Generic[_M]):
    """Turns bytes into messages of one type, in whatever pieces they arrive."""

    __slots__ = ("_buffer", "_decode", "_searched")

    def __init__(self, decoder: msgspec.json.Decoder[_M]) -> None:
        """Start at the beginning of a line."""
        self._decode = decoder.decode
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[_M]:
        """Messages that are complete now; raises ProtocolError for anything else than a message."""
        buffer = self._buffer
        buffer += data
        messages = []
        start = 0
        while (end := buffer.find(b"\n", max(start, self._searched))) >= 0:
            try:
                messages.append(self._decode(bytes(buffer[start:end])))
            except (msgspec.DecodeError, ValueError) as error:
                raise ProtocolError(f"unreadable message: {error}") from error
            start = end + 1
        del buffer[:start]
        self._searched = len(buffer)
        if len(buffer) > LONGEST_LINE:
            raise ProtocolError(f"a message of more than {LONGEST_LINE} bytes")
        return messages


_encode = msgspec.json.Encoder().encode
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_messages: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def requests() -> Lines[Request]:
    """What a server reads with."""
    return Lines(_requests)


def messages() -> Lines[Message]:
    """What a client reads with."""
    return Lines(_messages)


def line(message: Request | Message) -> bytes:
    """The bytes of one message."""
    return _encode(message) + b"\n"


def answer(number: int, value: object) -> bytes:
    """The bytes of an answer."""
    return line(Answer(number, msgspec.Raw(_encode(value))))
