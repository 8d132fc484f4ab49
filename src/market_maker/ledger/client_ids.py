"""Client order ids: `{tag}-{epoch:x}-{counter:x}`.

The tag names the bot, the epoch its session; both together make ids unique for ever and let
a restarted bot recognise its own orders without any record of them. Never longer than 32
characters, which every supported venue takes.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

MAX_LENGTH = 32

_TAG = re.compile(r"[A-Za-z0-9]{1,10}")
_CLIENT_ID = re.compile(r"([A-Za-z0-9]{1,10})-([0-9a-f]+)-([0-9a-f]+)")


class ClientId(msgspec.Struct, frozen=True, gc=False):
    """The parts of one of our ids."""

    tag: str
    epoch: int
    counter: int


def parse_client_id(text: str) -> ClientId | None:
    """Split an id of our form; None for anybody else's."""
    match = _CLIENT_ID.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        return None
    return ClientId(match[1], int(match[2], 16), int(match[3], 16))


def market_tag(tag: str, symbol: str) -> str:
    """Tag of one market's client ids: the account's, then four characters of the market's own."""
    return tag + hashlib.blake2b(symbol.encode(), digest_size=2).hexdigest()


class ClientIds:
    """Makes the ids of one session and recognises those of one tag."""

    __slots__ = ("_next", "_prefix", "epoch", "tag")

    def __init__(self, tag: str, epoch: int) -> None:
        """Start counting; the epoch must be greater than that of any earlier session."""
        if _TAG.fullmatch(tag) is None or epoch < 0:
            msg = f"instance tag {tag!r} must be 1 to 10 letters or digits, epoch not negative"
            raise ValueError(msg)
        self.tag = tag
        self.epoch = epoch
        self._prefix = f"{tag}-{epoch:x}-"
        self._next = 0

    def new(self) -> str:
        """Next id of this session."""
        self._next += 1
        client_id = f"{self._prefix}{self._next:x}"
        if len(client_id) > MAX_LENGTH:
            msg = f"client id {client_id} is longer than {MAX_LENGTH} characters"
            raise ValueError(msg)
        return client_id

    def is_ours(self, client_id: str) -> bool:
        """Whether this bot made the id, in this or an earlier session."""
        parsed = parse_client_id(client_id)
        return parsed is not None and parsed.tag == self.tag
