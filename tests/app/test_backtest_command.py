"""The command `backtest` on recordings of our own and of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import SOL, recorded

from market_maker.backtest.session_files import load_session
from market_maker.cli.root import main
from market_maker.ticks.header import header_of
from market_maker.ticks.parquet_file import write_file


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    instrument, ticks = recorded(3, 150.0)
    path = tmp_path / "sol.parquet"
    write_file(path, header_of(SOL, "simulated", "record", instrument, 1), ticks)
    return path


def test_a_backtest_prints_what_it_took_for_granted_and_keeps_its_session(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = ["backtest", "--market", SOL, "--data", str(recording), "--out", str(out)]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert "taker fee" in said
    assert "insufficient data" in said
    session = load_session(out / "session")
    assert session.about.assumptions["maker fee"] == "0.2 bps (the market's)"
    assert main([*args, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["whole"]
    assert facts["statistics"]["activity"]["fills"] == len(session.fills.time_ns) > 0


def test_a_span_of_a_recording_can_be_chosen(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ["--from", "2023-11-14T12:01:00", "--to", "2023-11-14T12:01:40+00:00"]
    args = ["backtest", "--market", SOL, "--data", str(recording), "--out", str(tmp_path), *span]
    assert main([*args, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["whole"]
    whole = recorded(3, 150.0)[1]
    assert 0 < facts["rows"] < len(whole) // 2


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["--market", "BTC-USD"], "SOL-USD"),
        (["--market", SOL, "--from", "yesterday"], "--from"),
        (["--market", SOL, "--from", "2031-01-01"], "nothing was recorded"),
        (["--market", SOL, "--engine", "clairvoyance"], "clairvoyance"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(
    recording: Path, capsys: pytest.CaptureFixture[str], args: list[str], names: str
) -> None:
    assert main(["backtest", "--data", str(recording), *args]) == 3
    error = capsys.readouterr().err
    assert names in error
    assert "Traceback" not in error


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--market", SOL, "--data", str(tmp_path / "none.parquet")]) == 3
    assert "none.parquet" in capsys.readouterr().err
