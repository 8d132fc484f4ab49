"""What a journal line says, and how it is read back.

A line is one JSON object whose `type` names the record: an event as it arrived, an order
intent (`Approved`, `CancelRequest`) as it was about to be sent, or one of the records below.
Some are calls, which a replay makes again, others what came of them, which it must come to
by itself. Refuses to know where lines are kept.
"""

from __future__ import annotations

from typing import Final

import msgspec

from market_maker.core.commands import Approved, CancelRequest, LevelId, Proposal
from market_maker.core.events import Event
from market_maker.core.instrument import Instrument
from market_maker.core.reasons import DecisionReason, HaltReason, KillReason
from market_maker.risk.account import AccountImage
from market_maker.risk.kill_switch import Latch

JOURNAL_FORMAT: Final = 2
"""Grows when old journals can no longer be replayed."""


class SessionStarted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """First record of a session: everything that a replay needs besides the calls.

    `settings` are the market's own as far as decisions depend on them, `ledger` its books and
    `account` the memory of losses as they were opened, `latches` its kill switch; `amends` says
    whether the venue can amend.
    """

    now_ns: int
    version: str
    mode: str
    market: str
    epoch: int
    seed: int
    config_digest: str
    instrument: Instrument
    format: int = 0
    amends: bool = True
    settings: msgspec.Raw = msgspec.Raw(b"{}")
    ledger: msgspec.Raw = msgspec.Raw(b"{}")
    account: msgspec.Raw = msgspec.Raw(b"{}")
    latches: tuple[Latch, ...] = ()


class SegmentStarted(msgspec.Struct, frozen=True, gc=False, tag=True):
    """First line of every file: its place, and what the session lost before it."""

    epoch: int
    segment: int
    records_before: int
    dropped_before: int


class LevelsAsked(msgspec.Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """Calls of `decide`, in order, since the record before; the ladder is priced in the first.

    A bid is its index, an ask -1 minus its index. `since_ns` are the times of the calls after
    `now_ns`, left out where that is the time of all.
    """

    now_ns: int
    levels: tuple[int, ...]
    since_ns: tuple[int, ...] = ()


class DecisionMade(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A `decide` call that led to a command.

    For a quote `mid2` is the mid it was priced from and `parts` its breakdown in micro-quanta.
    """

    now_ns: int
    level: LevelId
    version: int
    reason: DecisionReason
    command: Approved | CancelRequest
    mid2: int = 0
    parts: tuple[int, ...] = ()


class ExitAsked(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Somebody asked for an order that reduces the position."""

    now_ns: int
    proposal: Proposal


class AccountSeen(msgspec.Struct, frozen=True, tag=True):
    """What other markets had done to the account when this one came back to it."""

    image: AccountImage


class Reconfigured(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A reload gave the market other settings or rules."""

    now_ns: int
    settings: msgspec.Raw
    instrument: Instrument


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
    """The kill switch was engaged for a reason, or released (no reason).

    `account` says whether it is the account's or this market's own; a release of the
    account's releases both, and if that was engaged for a loss, what was lost is `forgiven`.
    """

    now_ns: int
    reason: KillReason | None
    detail: str = ""
    account: bool = True
    forgiven: bool = False


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
    | LevelsAsked
    | DecisionMade
    | ExitAsked
    | AccountSeen
    | Reconfigured
    | HoldsCounted
    | CallMade
    | GateChanged
    | KillChanged
    | SessionEnded
)

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def decode_record(line: bytes) -> Record:
    """One line without its end; raises DecodeError or ValueError for anything else."""
    return _decoder.decode(line)


class Prefix(msgspec.Struct, frozen=True):
    """The readable beginning of a journal file.

    `valid_bytes` is where the first unreadable line begins; `torn` says that there is one.
    """

    records: tuple[Record, ...]
    valid_bytes: int
    torn: bool


def read_prefix(content: bytes, start: int = 0) -> Prefix:
    """Decode lines from an offset up to the first that is incomplete or damaged."""
    records = []
    while (end := content.find(b"\n", start)) >= 0:
        try:
            records.append(decode_record(content[start:end]))
        except (msgspec.DecodeError, ValueError):
            break
        start = end + 1
    return Prefix(tuple(records), start, torn=start < len(content))
