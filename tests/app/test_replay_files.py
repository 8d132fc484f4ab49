"""Journals as a crash, a full disk, a thief or another version left them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from driving import SOL, configured
from replaying import HEADER, Tapes, replayed

from market_maker.app.virtual import VirtualRun
from market_maker.cli.root import main, root
from market_maker.config.runtime import JournalConfig
from market_maker.core.errors import ExitCode, UnusableError
from market_maker.runtime.journal import DigestJournal, FileJournal, journal_files
from market_maker.runtime.journal_reader import find_session

BUSY = {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 2.0}}}


@cache
def content() -> bytes:
    """The journal of a short session with fills."""
    tapes = Tapes()
    run = VirtualRun(configured(venue=BUSY), seed=71, journal=tapes.open)
    assert run.trade(25.0) is ExitCode.CLEAN
    assert run.exchange.fills(SOL)
    return tapes.kept[SOL].lines


def lines() -> list[bytes]:
    return content().splitlines(keepends=True)


def at(found: Callable[[dict[str, object]], bool]) -> int:
    """Index of the first line that has a property."""
    return next(i for i, line in enumerate(lines()) if found(json.loads(line)))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(root, ["replay", *map(str, arguments)], standalone_mode=False)


def written(folder: Path, body: bytes, name: str = "journal.jsonl") -> Path:
    path = folder / name
    path.write_bytes(HEADER + body)
    return path


def test_a_journal_cut_at_any_byte_replays_to_its_last_whole_line(tmp_path: Path) -> None:
    whole = content()
    start = len(lines()[0])
    cuts = [*range(start, start + 400, 13), *range(start, len(whole), len(whole) // 60)]
    for cut in cuts:
        done = replayed(whole[:cut], tmp_path)
        assert done.result.difference is None, (cut, done.result.difference)
        assert done.result.records == whole[:cut].count(b"\n")
        torn = whole[cut - 1 : cut] != b"\n"
        assert bool(done.notes) == torn


@pytest.mark.parametrize("field", ["price", "qty"])
def test_the_first_difference_names_the_line_and_both_sides(field: str, tmp_path: Path) -> None:
    tampered = lines()
    place = at(lambda r: r["type"] == "DecisionMade" and "token" in str(r["command"]))
    record = json.loads(tampered[place])
    record["command"][field] += 1
    tampered[place] = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    path = written(tmp_path, b"".join(tampered))
    done = run(path)
    assert done.return_value == ExitCode.CHECK_FAILED
    assert f"differs at line {place + 2}" in done.output  # the header is the first line
    document = json.loads(run(path, "--json").output)
    assert document["reproduced"] is False
    difference = document["difference"]
    assert json.loads(difference["recorded"])["command"][field] == record["command"][field]
    assert json.loads(difference["replayed"])["command"][field] == record["command"][field] - 1
    assert len(difference["before"]) == 5


def test_an_event_that_was_taken_out_is_a_difference(tmp_path: Path) -> None:
    thinned = lines()
    del thinned[at(lambda r: r["type"] == "Fill")]
    assert replayed(b"".join(thinned), tmp_path).result.difference is not None


def test_a_decision_that_was_taken_out_is_a_difference(tmp_path: Path) -> None:
    thinned = lines()
    del thinned[at(lambda r: r["type"] == "DecisionMade")]
    difference = replayed(b"".join(thinned), tmp_path).result.difference
    assert difference is not None
    assert "DecisionMade" in difference.replayed


def test_a_decision_that_was_put_in_is_a_difference(tmp_path: Path) -> None:
    padded = lines()
    place = at(lambda r: r["type"] == "DecisionMade")
    padded.insert(place + 1, padded[place])
    difference = replayed(b"".join(padded), tmp_path).result.difference
    assert difference is not None
    assert (difference.number, difference.replayed) == (place + 3, "nothing")


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    damaged = lines()
    damaged[40] = b"\0" * 50 + b"\n"
    with pytest.raises(UnusableError, match="line 42 is damaged"):
        replayed(b"".join(damaged), tmp_path)


def test_the_journal_of_another_format_names_the_version_to_use(tmp_path: Path) -> None:
    first = json.loads(lines()[0])
    first["format"], first["version"] = 99, "7.1"
    with pytest.raises(UnusableError, match=r"7\.1 in format 99"):
        replayed(json.dumps(first).encode() + b"\n", tmp_path)


@pytest.mark.parametrize("body", [b"", b"nonsense\n", b'{"type":"Timer","recv_ns":1}\n'])
def test_what_is_no_session_is_refused(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="no journal"):
        replayed(body, tmp_path)


def _rotating(folder: Path, total_mb: float) -> None:
    config = JournalConfig(max_file_mb=0.05, max_total_mb=total_mb)
    journal = FileJournal(folder, 5, config, lambda _detail: None)
    run = VirtualRun(configured(), seed=72, journal=lambda _symbol: journal)
    assert run.trade(20.0) is ExitCode.CLEAN


def test_a_session_in_several_files_replays_as_one(tmp_path: Path) -> None:
    _rotating(tmp_path, 100)
    files = journal_files(tmp_path)
    assert len(files) > 2
    in_memory = DigestJournal()
    run_again = VirtualRun(configured(), seed=72, journal=lambda _symbol: in_memory)
    assert run_again.trade(20.0) is ExitCode.CLEAN
    for given in (tmp_path, files[1]):
        document = json.loads(run(given, "--json").output)
        assert document["reproduced"]
        assert document["digest"] == in_memory.digest()


def test_without_its_first_file_a_session_says_what_to_change(tmp_path: Path) -> None:
    _rotating(tmp_path, 0.12)
    assert main(["replay", str(tmp_path)]) == ExitCode.UNUSABLE
    with pytest.raises(UnusableError, match="max_total_mb"):
        raise run(tmp_path).exception or AssertionError
    kept = b"".join(path.read_bytes() for path in journal_files(tmp_path))
    made = [r for r in map(json.loads, kept.splitlines()) if r["type"] == "DecisionMade"]
    life = json.loads(
        run(tmp_path, "--session", 5, "--order", made[-1]["command"]["client_id"], "--json").output
    )
    assert life["life"]  # what is left of the session is told all the same


def test_a_file_missing_between_others_is_an_error(tmp_path: Path) -> None:
    _rotating(tmp_path, 100)
    journal_files(tmp_path)[1].unlink()
    with pytest.raises(UnusableError, match="missing"):
        raise run(tmp_path).exception or AssertionError


def test_records_that_the_disk_refused_end_the_replay_with_a_note(tmp_path: Path) -> None:
    _rotating(tmp_path, 100)
    second = journal_files(tmp_path)[1]
    header, rest = second.read_bytes().split(b"\n", 1)
    lossy = header.replace(b'"dropped_before":0', b'"dropped_before":3')
    second.write_bytes(lossy + b"\n" + rest)
    document = json.loads(run(tmp_path, "--json").output)
    assert document["reproduced"]
    assert "3 records were lost" in document["notes"][0]


def test_the_last_session_is_replayed_unless_another_is_named(tmp_path: Path) -> None:
    for epoch in (5, 12):
        written(tmp_path, content(), f"journal-{epoch:016d}-000001.jsonl")
    assert find_session(tmp_path, None).epoch == 12
    assert find_session(tmp_path, 5).epoch == 5
    assert run(tmp_path, "--session", 5).return_value == ExitCode.CLEAN
    assert isinstance(run(tmp_path, "--session", 6).exception, UnusableError)
    assert isinstance(run(tmp_path / "elsewhere").exception, UnusableError)
    (tmp_path / "empty").mkdir()
    assert isinstance(run(tmp_path / "empty").exception, UnusableError)


def test_one_orders_life_is_told_from_decision_to_end(tmp_path: Path) -> None:
    path = written(tmp_path, content())
    fill = json.loads(lines()[at(lambda r: r["type"] == "Fill")])
    document = json.loads(run(path, "--order", fill["client_id"], "--json").output)
    life = document["life"]
    assert life[0]["what"] == "decision"
    breakdown = {name: float(value) for name, value in life[0]["breakdown"].items()}
    price = float(life[0]["text"].split(" @ ")[1].split()[0])
    assert sum(breakdown.values()) == pytest.approx(price, abs=1e-9)
    kinds = [chapter["what"] for chapter in life]
    assert {"decision", "answer", "report", "fill"} <= set(kinds)
    assert [c["line"] for c in life] == sorted(c["line"] for c in life)
    told = run(path, "--order", fill["client_id"]).output
    assert f"trade {fill['trade_id']}" in told
    by_venue = json.loads(run(path, "--order", fill["venue_id"], "--json").output)["life"]
    assert by_venue
    assert by_venue[-1] == life[-1]
    assert isinstance(run(path, "--order", "nobody-1-1").exception, UnusableError)


def test_no_secret_reaches_the_journal() -> None:
    started = json.loads(lines()[0])
    assert set(started["settings"]) == {
        "account",
        "engines",
        "journal",
        "ledger",
        "market",
        "quoting",
        "risk",
        "runtime",
        "signals",
    }
