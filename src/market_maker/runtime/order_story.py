"""One order's life, as a session's journal proves it.

Owns which records concern an order: those that name it by our id or by the venue's, and the halts,
kills and mass cancels that fell into its life. Refuses to guess: what is not in the journal is not
told.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.events import Fill, OrderUpdate, RequestKind, RequestOutcome
from market_maker.core.instrument import Instrument
from market_maker.core.units import Grid, money_to_decimal
from market_maker.quoting.ladder import MICRO, PART_NAMES
from market_maker.runtime.journal_records import (
    CallMade,
    DecisionMade,
    GateChanged,
    KillChanged,
    Record,
    SessionEnded,
)
from market_maker.runtime.replay import Line


class Chapter(msgspec.Struct, frozen=True):
    """One thing that happened to an order or was decided about it."""

    line: int
    time_ns: int
    what: str
    text: str
    breakdown: dict[str, Decimal] = {}


class _Teller:
    """Tells records of one order in words."""

    def __init__(self, order_id: str, instrument: Instrument) -> None:
        self._ids = {order_id}
        self._grid = Grid(instrument)
        self._quantum = instrument.price_quantum

    def tell(self, line: Line) -> Chapter | None:
        """What a record says about the order, None if it is about something else."""
        record = line.record
        match record:
            case DecisionMade() if record.command.client_id in self._ids:
                return self._decision(line, record)
            case Approved() if record.client_id in self._ids:
                return Chapter(line.number, record.approved_ns, "exit", self._terms(record))
            case RequestOutcome() if record.client_id in self._ids:
                return self._outcome(line, record)
            case OrderUpdate() if self._is_about(record):
                return self._update(line, record)
            case Fill() if self._is_about(record):
                return self._fill(line, record)
            case CallMade() if record.arguments.get("client_id") in self._ids:
                return Chapter(line.number, record.now_ns, record.name, _arguments(record))
            case _:
                return None

    def _is_about(self, record: OrderUpdate | Fill) -> bool:
        if record.client_id in self._ids or record.venue_id in self._ids:
            self._ids |= {name for name in (record.client_id, record.venue_id) if name}
            return True
        return False

    def _terms(self, order: Approved) -> str:
        grid = self._grid
        flags = [
            name
            for name, on in (("post-only", order.post_only), ("reduce-only", order.reduce_only))
            if on
        ]
        terms = (
            f"{order.side.label} {grid.qty_decimal(order.qty)} @ {grid.price_decimal(order.price)}"
        )
        return " ".join((order.kind.value, terms, order.time_in_force.value, *flags))

    def _decision(self, line: Line, made: DecisionMade) -> Chapter:
        command = made.command
        if isinstance(command, CancelRequest):
            return Chapter(
                line.number, made.now_ns, "decision", f"{made.level} cancels: {made.reason.value}"
            )
        breakdown = {"mid": made.mid2 * self._quantum / 2} if made.parts else {}
        for name, part in zip(PART_NAMES, made.parts, strict=False):
            if part:
                breakdown[name] = part * self._quantum / MICRO
        text = f"{made.level} {self._terms(command)}: {made.reason.value}"
        return Chapter(line.number, made.now_ns, "decision", text, breakdown)

    def _outcome(self, line: Line, outcome: RequestOutcome) -> Chapter:
        if outcome.venue_id:
            self._ids.add(outcome.venue_id)
        why = "" if outcome.reason.value == "none" else f" ({outcome.reason.value})"
        detail = f": {outcome.detail}" if outcome.detail else ""
        amended = ""
        if outcome.kind is RequestKind.AMEND and outcome.price:
            grid = self._grid
            amended = f" to {grid.qty_decimal(outcome.qty)} @ {grid.price_decimal(outcome.price)}"
        text = f"{outcome.kind.value}{amended} {outcome.result.value}{why}{detail}"
        return Chapter(line.number, outcome.recv_ns, "answer", text)

    def _update(self, line: Line, update: OrderUpdate) -> Chapter:
        grid = self._grid
        why = "" if update.reason.value == "none" else f" ({update.reason.value})"
        text = (
            f"venue says {update.state.value}{why}: {grid.qty_decimal(update.qty)} @"
            f" {grid.price_decimal(update.price)}, {grid.qty_decimal(update.filled)} filled"
        )
        return Chapter(line.number, update.recv_ns, "report", text)

    def _fill(self, line: Line, fill: Fill) -> Chapter:
        grid = self._grid
        text = (
            f"{grid.qty_decimal(fill.qty)} filled @ {grid.price_decimal(fill.price)} as"
            f" {fill.liquidity.value}, fee {money_to_decimal(fill.fee).normalize():f},"
            f" trade {fill.trade_id}"
        )
        return Chapter(line.number, fill.recv_ns, "fill", text)


def order_story(
    lines: Iterable[Line], order_id: str, instrument: Instrument
) -> tuple[Chapter, ...]:
    """Everything a session recorded of one order, in order; empty if it never names it."""
    teller = _Teller(order_id, instrument)
    told: list[Chapter] = []
    last = 0
    asked = False
    for line in lines:
        chapter = teller.tell(line)
        if chapter is not None:
            if asked:
                chapter = msgspec.structs.replace(chapter, what="query")
            told.append(chapter)
            last = len(told)
        elif told and (chapter := _meanwhile(line)) is not None:
            told.append(chapter)
        asked = isinstance(line.record, CallMade) and line.record.name == "learn"
    # What happened to the market after the order's last word is not its story.
    return tuple(told[:last])


def _meanwhile(line: Line) -> Chapter | None:
    """What concerns every order of the market."""
    record: Record = line.record
    match record:
        case GateChanged():
            change = "halted" if record.closed else "no longer halted"
            detail = f" ({record.detail})" if record.detail else ""
            return Chapter(
                line.number, record.now_ns, "gate", f"{change}: {record.reason.value}{detail}"
            )
        case KillChanged():
            text = f"engaged: {record.reason.value}" if record.reason else "released"
            return Chapter(line.number, record.now_ns, "kill switch", text)
        case CallMade(name="cancel_all"):
            return Chapter(line.number, record.now_ns, "cancel all", "asked of the venue")
        case SessionEnded():
            return Chapter(line.number, record.now_ns, "end", "the session ended")
        case _:
            return None


def _arguments(call: CallMade) -> str:
    named = (f"{name} {value}" for name, value in call.arguments.items() if name != "client_id")
    return ", ".join(named) or "noted"
