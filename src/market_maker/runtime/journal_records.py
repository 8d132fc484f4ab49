"""What a journal line says, and how it is read back.

A line is one JSON object whose `type` names the record: an event as it arrived, an order
intent (`Approved`, `CancelRequest`) as it was about to be sent, or one of the records below.
Refuses to know where lines are kept.
"""

from __future__ import annotations

import msgspec

from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.events import Event
from market_maker.core.instrument import Instrument
from market_maker.core.reasons import DecisionReason, HaltReason, KillReason


class SessionStarted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """First record of a session: everything that a replay needs besides the calls."""

    now_ns: int
    version: str
    mode: str
    market: str
    epoch: int
    seed: int
    config_digest: str
    instrument: Instrument


class SegmentStarted(msgspec.Struct, frozen=True, gc=False, tag=True):
    """First line of every file: its place, and what the session lost before it."""

    epoch: int
    segment: int
    records_before: int
    dropped_before: int


class DecisionMade(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A `decide` call that led to a command."""

    now_ns: int
    level: LevelId
    version: int
    reason: DecisionReason
    command: Approved | CancelRequest


class HoldsCounted(msgspec.Struct, frozen=True, tag=True):
    """How often each level held, by reason, since the record before."""

    now_ns: int
    counts: dict[str, int]


class CallMade(msgspec.Struct, frozen=True, tag=True):
    """Any other call that may have changed state, by name and arguments."""

    now_ns: int
    name: str
    arguments: dict[str, str | int | float | bool | None]


class GateChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A halt reason arose or cleared."""

    now_ns: int
    reason: HaltReason
    closed: bool
    detail: str = ""


class KillChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The kill switch was engaged for a reason, or released (no reason)."""

    now_ns: int
    reason: KillReason | None
    detail: str = ""


class SessionEnded(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Last record of a session that was stopped; `clean` if nothing was left behind."""

    now_ns: int
    clean: bool
    detail: str = ""


Record = (
    Event
    | Approved
    | CancelRequest
    | SessionStarted
    | SegmentStarted
    | DecisionMade
    | HoldsCounted
    | CallMade
    | GateChanged
    | KillChanged
    | SessionEnded
)

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Prefix(msgspec.Struct, frozen=True):
    """The readable beginning of a journal file.

    `valid_bytes` is where the first unreadable line begins; `torn` says that there is one.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    torn: bool


def read_prefix(content: bytes) -> Prefix:
    """Decode lines up to the first that is incomplete or damaged."""
    records = []
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        try:
            records.append(_decoder.decode(content[start:end]))
        except (msgspec.DecodeError, ValueError):
            break
        start = end + 1
    return Prefix(tuple(records), start, torn=start < len(content))
