"""`parity` on sessions and journals: exit codes, JSON, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from paired_sessions import MID, Made, session_of
from recorded_sessions import watched
from replaying import HEADER

from market_maker.backtest.session_files import save_session
from market_maker.cli.parity import command
from market_maker.cli.root import main

FILLS = (Made(5.0, 1, MID - 2, 100, 1), Made(12.0, -1, MID + 3, 60, 2))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A session, and one that misses a fill."""
    save_session(session_of(FILLS), tmp_path / "left" / "session")
    save_session(session_of(FILLS[:1]), tmp_path / "right")
    return str(tmp_path / "left"), str(tmp_path / "right")


def test_sessions_apart_exit_with_a_failed_check_and_write_what_they_say(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["parity", *pair, "--out", str(out)]) == 10
    told = capsys.readouterr().out
    assert "beyond tolerance" in told
    assert "missed fills" in told
    facts = json.loads((out / "parity.json").read_text())
    assert facts["verdict"] == "beyond_tolerance"
    assert sum(float(part["exact"]) for part in facts["parts"].values()) == pytest.approx(
        float(facts["gap"]["exact"])
    )
    assert (out / "parity.html").read_text().startswith("<!doctype html>")
    assert (out / "fitted.toml").exists()


def test_what_is_allowed_ends_clean(pair: tuple[str, str]) -> None:
    assert main(["parity", *pair, "--tolerance-unmatched", "50", "--tolerance-gap", "1000"]) == 0
    assert main(["parity", pair[0], pair[0], "--exact"]) == 0


def test_what_cannot_be_compared_is_unusable_in_json_too(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_session(session_of(FILLS, seconds=2, began_s=1.0), tmp_path / "early")
    save_session(session_of(FILLS, seconds=60, began_s=30.0), tmp_path / "late")
    ends = [str(tmp_path / "early"), str(tmp_path / "late")]
    assert main(["parity", *ends, "--json"]) == 3
    failure = json.loads(capsys.readouterr().out)
    assert failure["exit_code"] == 3
    assert "no time in common" in failure["error"]
    assert main(["parity", pair[0], str(tmp_path / "nothing")]) == 3


def test_a_journal_is_compared_with_the_session_that_wrote_it(tmp_path: Path) -> None:
    seen = watched()
    journal = tmp_path / "session.jsonl"
    journal.write_bytes(HEADER + seen.journal)
    save_session(seen.session, tmp_path / "saved")
    result = CliRunner().invoke(
        command, [str(journal), str(tmp_path / "saved"), "--exact", "--json"], standalone_mode=False
    )
    assert result.return_value == 0
    assert json.loads(result.stdout)["verdict"] == "identical"
