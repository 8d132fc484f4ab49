"""What an earlier session may have left under way at the venue, from its journal.

The ledger's snapshot is up to a period old when a process is killed; what was decided since is only
in the journal, where it was written before it was sent. Owns reading the journal back and giving
orders and evidence to the ledger. Always holds: after `recover` the books reserve for every
order of the journal that may still be at the venue. A line that was cut short at the end of a file
was never acted on; damage anywhere else is counted, because it may hide an order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from market_maker.core.commands import Approved
from market_maker.core.errors import UnusableError
from market_maker.core.events import Fill, FundingPayment, OrderUpdate, RequestOutcome, Transfer
from market_maker.ledger.ledger import Ledger
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.runtime.journal import journal_files
from market_maker.runtime.journal_records import CallMade, DecisionMade, Record, read_prefix

_FIRST_TAIL: Final = 1_000_000
_GROWTH: Final = 4
_TIMES: Final = ("recv_ns", "now_ns", "approved_ns")


class Past(msgspec.Struct, frozen=True):
    """Records after a moment, oldest first; `damaged` counts the stretches that cannot be read."""

    records: tuple[Record, ...] = ()
    damaged: int = 0


class Recovered(msgspec.Struct, frozen=True):
    """What was taken back: `questions` are orders whose fate the venue must tell."""

    recalled: int
    questions: int


def recover(ledger: Ledger, past: Past, now_ns: int) -> Recovered:
    """Bring books up to the last word of the session before; what is open becomes a question.

    Everything is evidence that the ledger takes twice without harm, so that the moment of its
    snapshot need not be met exactly.
    """
    recalled = 0
    for record in past.records:
        match record:
            case DecisionMade(command=Approved() as sent) | (Approved() as sent):
                recalled += ledger.recall(sent)
            case OrderUpdate() | RequestOutcome() | Fill() | FundingPayment() | Transfer():
                ledger.apply(record)
            case CallMade(name="absence", arguments=found) if found["proved"]:
                order = ledger.order(str(found["client_id"]))
                if order is not None and order.live:
                    ledger.absent(order.client_id, now_ns)
            case _:
                pass  # neither creates an order nor tells what became of one
    for order in ledger.live_orders():
        if order.status is not OrderStatus.OPEN:
            ledger.lost(order.client_id, now_ns)
    return Recovered(recalled, len(ledger.unknown_orders(now_ns)))


def no_past(_symbol: str, _since_ns: int) -> Past:
    """The past of a bot that has none, or whose last session ended in order."""
    return Past()


def past_of_folder(folder: Path, since_ns: int) -> Past | None:
    """What the journal files of a market say after a moment; None if there are no files."""
    files = journal_files(folder)
    parts: list[Past] = []
    for path in reversed(files):
        try:
            part, reached = _tail(path, since_ns)
        except OSError as error:
            raise UnusableError(f"the journal {path} cannot be read: {error.strerror}") from error
        parts.append(part)
        if reached:
            break
    if not files:
        return None
    records = tuple(record for part in reversed(parts) for record in part.records)
    return Past(records, sum(part.damaged for part in parts))


def past_of(content: bytes, since_ns: int) -> Past:
    """What the lines of a journal say after a moment."""
    records, damaged = _readable(content)
    return Past(tuple(record for record in records if _when(record) > since_ns), damaged)


def _tail(path: Path, since_ns: int) -> tuple[Past, bool]:
    """The end of a file as far back as needed, and whether it reaches further back than that."""
    size = path.stat().st_size
    length = _FIRST_TAIL
    with path.open("rb") as file:
        while True:
            file.seek(max(0, size - length))
            content = file.read()
            if length < size:
                content = content[content.find(b"\n") + 1 :]
            records, damaged = _readable(content)
            reached = any(0 < _when(record) <= since_ns for record in records)
            if reached or length >= size:
                kept = tuple(record for record in records if _when(record) > since_ns)
                return Past(kept, damaged), reached
            length *= _GROWTH


def _readable(content: bytes) -> tuple[list[Record], int]:
    """Every record that can be read, and how often something between them cannot."""
    records: list[Record] = []
    damaged = start = 0
    while True:
        prefix = read_prefix(content, start)
        records += prefix.records
        end = content.find(b"\n", prefix.valid_bytes)
        if end < 0:
            return records, damaged
        damaged += 1
        start = end + 1


def _when(record: Record) -> int:
    """When a record was made, 0 for one that does not say."""
    for name in _TIMES:
        when = getattr(record, name, None)
        if isinstance(when, int):
            return when
    return 0
