"""The last records of an order that broke a statement, readable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from market_maker.app.simulation.audit import Violation
from market_maker.app.simulation.audited_journal import AuditedJournal
from market_maker.app.virtual import EPOCH_NS
from market_maker.core.instrument import NANOS
from market_maker.runtime.journal_records import DecisionMade, Record

_MOST_LINES = 60


def trace_lines(
    journals: Mapping[str, AuditedJournal], violations: Iterable[Violation]
) -> tuple[str, ...]:
    """What the journals hold on the first order concerned, or their last records if none is."""
    violations = tuple(violations)
    if not violations:
        return ()
    client_id = next((each.client_id for each in violations if each.client_id), "")
    lines = []
    for name, journal in journals.items():
        for record in journal.kept:
            text = _text(record)
            if (client_id and client_id in text) or (not client_id and _tells(record)):
                lines.append(f"{name} {text}")
    return tuple(lines[-_MOST_LINES:])


def _tells(record: Record) -> bool:
    return type(record).__name__ not in ("BookDelta", "TradePrint", "Timer", "BookSnapshot")


def _text(record: Record) -> str:
    if isinstance(record, DecisionMade):
        return f"{_time(record.now_ns)} {record.level} {record.reason.value}: {record.command}"
    at_ns = getattr(record, "recv_ns", 0) or getattr(record, "now_ns", 0)
    fields = {
        key: value
        for key, value in msgspec.structs.asdict(record).items()
        if key not in ("recv_ns", "now_ns") and value not in ("", 0, None)
    }
    told = " ".join(f"{key}={value}" for key, value in fields.items())
    return f"{_time(at_ns)} {type(record).__name__} {told}"


def _time(at_ns: int) -> str:
    return f"{(at_ns - EPOCH_NS) / NANOS:10.4f}"
