"""A journal that ends anywhere, or is damaged anywhere near its end, still tells what it can."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

import pytest
from driving import SOL, bot_of

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved
from market_maker.core.instrument import Instrument
from market_maker.ledger.client_ids import market_tag
from market_maker.ledger.ledger import Ledger
from market_maker.runtime.journal import DigestJournal
from market_maker.runtime.journal_records import CallMade, DecisionMade, Record
from market_maker.runtime.recovery import Past, past_of, past_of_folder, recover

LAST = 40
"""Records at the end of the journal that are cut and damaged at every byte."""

NOW_NS = 1_800_000_000 * 10**9


@cache
def recorded() -> tuple[bytes, bytes, Instrument]:
    """A short session's journal, an early snapshot of its books, and its market."""
    journal = DigestJournal(keep=True)

    async def work(run: VirtualRun) -> tuple[bytes, bytes, Instrument]:
        parts = bot_of(run).strategy.parts
        snapshot = parts.ledger.snapshot()
        await asyncio.sleep(4)
        return journal.lines, snapshot, parts.market.instrument

    return VirtualRun(Settings(), journal=lambda _symbol: journal).run(work)


def orders_in(records: tuple[Record, ...]) -> set[str]:
    """Client ids of every order that was about to be sent."""
    commands = [r.command if isinstance(r, DecisionMade) else r for r in records]
    return {command.client_id for command in commands if isinstance(command, Approved)}


def recovered(content: bytes) -> tuple[Ledger, int]:
    _, snapshot, instrument = recorded()
    settings = Settings()
    tag = market_tag(settings.account.tag, SOL)
    ledger = Ledger.restore(instrument, settings.ledger, tag, 1 << 40, snapshot, NOW_NS)
    past = past_of(content, ledger.known_ns)
    recover(ledger, past, NOW_NS)
    for client_id in orders_in(past.records):
        assert ledger.order(client_id) is not None
    return ledger, past.damaged


def tail() -> tuple[bytes, int]:
    """The whole journal, and where its last records begin."""
    lines = recorded()[0]
    return lines, len(lines) - sum(map(len, lines.splitlines(keepends=True)[-LAST:]))


def test_the_recording_has_orders_that_its_snapshot_does_not_know() -> None:
    ledger, damaged = recovered(recorded()[0])
    assert damaged == 0
    assert len(ledger.live_orders()) >= 4
    assert len(orders_in(past_of(recorded()[0], 0).records)) >= 6


def test_a_journal_cut_at_any_byte_gives_all_records_before_the_cut() -> None:
    content, begin = tail()
    known = past_of(content[:begin], 0).records
    for cut in range(begin, len(content)):
        past = past_of(content[:cut], 0)
        assert past.damaged == 0
        assert len(past.records) == len(known) + content.count(b"\n", begin, cut)


def test_books_recover_from_a_cut_at_every_record_boundary() -> None:
    content, begin = tail()
    while begin < len(content):
        begin = content.index(b"\n", begin) + 1
        _, damaged = recovered(content[: begin - 3])
        assert damaged == 0


@pytest.mark.parametrize("wrong", [b"\x00", b"\n", b"\xff", b'"'])
def test_a_wrong_byte_anywhere_costs_one_record_at_most_and_is_counted(wrong: bytes) -> None:
    content, begin = tail()
    whole = len(past_of(content, 0).records)
    for at in range(begin, len(content) - 1, 7):
        past = past_of(content[:at] + wrong + content[at + 1 :], 0)
        missing = whole - len(past.records)
        # Inside a text another byte may be as good as the right one, and a line break may join two.
        assert missing <= 2
        assert past.damaged >= (missing > 0)


def test_files_are_read_backwards_as_far_as_needed(tmp_path: Path) -> None:
    content, _, _ = recorded()
    lines = content.splitlines(keepends=True)
    third = len(lines) // 3
    for number in range(3):
        part = (
            lines[number * third :] if number == 2 else lines[number * third : (number + 1) * third]
        )
        path = tmp_path / f"journal-{1:016d}-{number + 1:06d}.jsonl"
        path.write_bytes(b"".join(part) + b'{"type":"Appr')  # each one cut short
    whole = past_of(content, 0)
    assert past_of_folder(tmp_path, 1) == whole
    late_ns = NOW_NS
    assert past_of_folder(tmp_path, late_ns) == past_of(b"", 0)
    (tmp_path / f"journal-{1:016d}-{1:06d}.jsonl").write_bytes(b"\x00" * 100 + b"\n" + lines[0])
    damaged = past_of_folder(tmp_path, 1)
    assert damaged is not None
    assert damaged.damaged == 1
    assert past_of_folder(tmp_path / "nothing", 1) is None


def test_a_long_file_is_not_read_from_its_beginning(tmp_path: Path) -> None:
    content, _, _ = recorded()
    path = tmp_path / f"journal-{1:016d}-{1:06d}.jsonl"
    filler = content.splitlines(keepends=True)[5]
    assert b"recv_ns" in filler
    path.write_bytes(b"\x00 not read\n" + filler * (3_000_000 // len(filler)) + content)
    middle = past_of(content, 0).records[len(content.splitlines()) // 2]
    when = int(getattr(middle, "recv_ns", 0) or getattr(middle, "now_ns", 0))
    past = past_of_folder(tmp_path, when)
    assert past is not None
    assert past.damaged == 0
    assert past.records == past_of(content, when).records


def test_what_the_venue_proved_never_to_have_seen_is_no_question_again() -> None:
    lines, snapshot, instrument = recorded()
    settings = Settings()
    tag = market_tag(settings.account.tag, SOL)
    ledger = Ledger.restore(instrument, settings.ledger, tag, 1 << 40, snapshot, NOW_NS)
    sent = max(orders_in(past_of(lines, 0).records))
    absences = [
        CallMade(NOW_NS, "absence", {"client_id": client_id, "proved": proved})
        for client_id, proved in ((sent, False), (sent, True), ("mmc06d-unheard-of-1", True))
    ]
    told = past_of(lines, ledger.known_ns).records
    ledger_before = {order.client_id for order in recovered(lines)[0].live_orders()}
    assert sent in ledger_before
    recover(ledger, Past((*told, *absences)), NOW_NS)
    assert {order.client_id for order in ledger.live_orders()} == ledger_before - {sent}
