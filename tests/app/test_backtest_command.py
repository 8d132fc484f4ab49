"""The command `backtest` on recordings of our own and of others."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest
from recorded import SOL, recorded

from market_maker.backtest.session_files import load_session
from market_maker.cli.root import main
from market_maker.ticks.header import header_of
from market_maker.ticks.parquet_file import write_file

SAMPLES = Path(__file__).parents[1] / "data"


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
    assert facts["took_s"] > 0.0


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


def test_an_inverse_contract_is_told_in_its_coin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else ten thousand would be coin, and no loss could ever stop the bot."""
    sample, config = SAMPLES / "bitmex_xbtusd_20200310.parquet", tmp_path / "rebate.toml"
    config.write_text("[paper]\nmaker_fee_bps = -2.5\n")
    args = ["backtest", "--market", "XBTUSD", "--inverse", "--data", str(sample)]
    assert main([*args, "--config", str(config), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    about = load_session(tmp_path / "session").about
    assert about.assumptions["coin account"] == "10000 USD buys 1.27836369 XBT at 7822.5"
    assert about.assumptions["capital"] == "1.27836369 XBT"
    assert about.assumptions["bridge_unproven"] in said
    assert about.settings["account"]["capital_quote"] == "1.27836369"
    found = json.loads((tmp_path / "result.json").read_bytes())["statistics"]
    assert found["currency"] == "XBT"
    assert found["mean_held_base"]["unit"] == "USD"
    told = said.partition("P&L ")[2].partition(" XBT")[0].replace("\N{MINUS SIGN}", "-")
    assert float(told) == pytest.approx(float(found["pnl"]), rel=1e-3)
    assert float(told) != 0.0


def test_estimates_that_fill_nothing_say_so(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = tmp_path / "wide.toml"
    wide.write_text("[quoting.ladder]\nmargin_bps = 40.0\n")
    args = ["backtest", "--market", SOL, "--data", str(recording), "--out", str(tmp_path / "out")]
    assert main([*args, "--config", str(wide), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["statistics"]
    assert found["activity"]["fills"] == 0
    assert [(band["estimate"], band["fills"]) for band in found["bands"]] == [
        ("pessimistic", 0),
        ("optimistic", 0),
    ]


def test_an_interrupted_backtest_reports_what_is_done_and_exits_with_1(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        while signal.getsignal(signal.SIGINT) is before:
            waiting.wait(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Event()
    other = threading.Thread(target=interrupt)
    other.start()
    out = tmp_path / "out"
    code = main(["backtest", "--data", str(recording), "--out", str(out), "--json"])
    other.join()
    assert code == 1
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert not facts["whole"]
    assert facts["rows"] < len(recorded(3, 150.0)[1])
    assert "interrupted" in said.err
    assert (out / "report.html").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_folder_that_cannot_be_made_is_named_before_the_run(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    args = ["backtest", "--data", str(recording), "--out", str(tmp_path / "file" / "out")]
    assert main(args) == 3
    said = capsys.readouterr()
    assert "cannot be written" in said.err
    assert not said.out
