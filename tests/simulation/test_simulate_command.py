"""`simulate` as its user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from market_maker.cli.root import main
from market_maker.cli.simulate_actions import SimulateRequest
from market_maker.core.errors import ExitCode

KEYS = {"seed", "faults", "events", "orders", "fills", "digest", "violations"}
SHORT = ["simulate", "--seeds", "2", "--hours", "0.003", "--jobs", "1"]


def test_json_is_a_list_with_one_object_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--seed", "7", "--json"]) == ExitCode.CLEAN
    reports = json.loads(capsys.readouterr().out)
    assert [report["seed"] for report in reports] == [7, 8]
    assert all(set(report) == KEYS for report in reports)
    assert all(report["violations"] == [] for report in reports)


def test_text_tells_of_each_seed_and_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--faults", "garbled,crash", "--certain"]) == ExitCode.CLEAN
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["seed 1", "seed 2"]
    assert "2 seeds" in lines[-1]


def test_processes_give_the_reports_of_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--json"]) == ExitCode.CLEAN
    alone = capsys.readouterr().out
    assert main([*SHORT[:-1], "2", "--json"]) == ExitCode.CLEAN
    assert capsys.readouterr().out == alone


def test_a_limit_that_cannot_hold_fails_the_check_and_names_the_line_to_repeat(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A shutdown deadline that leaves no time to cancel breaks L6: the end is not clean."""
    config = tmp_path / "hasty.toml"
    config.write_text("[shutdown]\ntimeout_s = 0.001\n", encoding="utf-8")
    assert main([*SHORT, "--faults", "none", "--config", str(config)]) == ExitCode.CHECK_FAILED
    out = capsys.readouterr().out
    assert "L6" in out
    assert f"--seed 1 --hours 0.003 --faults none --market SOL-USD --config {config}" in out


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["--faults", "request_lots"], ExitCode.UNUSABLE, "request_lots"),
        (["--seeds", "0"], ExitCode.USAGE, "--seeds"),
        (["--hours", "-1"], ExitCode.USAGE, "--hours"),
        (["--hours", "nan"], ExitCode.USAGE, "--hours"),
        (["--market", "NO-SUCH"], ExitCode.VENUE_UNAVAILABLE, "NO-SUCH"),
        (["--engine", "glfd"], ExitCode.UNUSABLE, "glfd"),
        (["--config", "missing.toml"], ExitCode.UNUSABLE, "missing.toml"),
    ],
)
def test_bad_input_is_named(
    arguments: list[str], code: ExitCode, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--jobs", "1", *arguments]) == code
    error = capsys.readouterr().err
    assert named in error
    assert "Traceback" not in error


def test_every_fault_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list-faults", "--json"]) == ExitCode.CLEAN
    told = json.loads(capsys.readouterr().out)
    assert told["request_lost"]
    assert main(["simulate", "--faults", ",".join(told), *SHORT[1:]]) == ExitCode.CLEAN


def test_the_line_to_repeat_names_everything_that_was_given() -> None:
    request = SimulateRequest(
        seeds=range(1, 9),
        hours=0.5,
        faults="garbled",
        markets=("SOL-USD", "ETH-USD"),
        engine="layered",
        certain=True,
        jobs=2,
        config_files=(Path("my bot.toml"),),
        params=None,
        as_json=False,
    )
    assert request.again(4) == (
        "python -m market_maker simulate --seeds 1 --seed 4 --hours 0.5 --faults garbled --certain"
        " --market SOL-USD --market ETH-USD --engine layered --config 'my bot.toml'"
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_interrupted_no_worker_is_left_and_no_trace_is_shown(
    ending: signal.Signals,
) -> None:
    """Workers hold the pipe open: its end is theirs as well."""
    words = ["simulate", "--seeds", "500", "--hours", "0.003", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "market_maker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    if ending is signal.SIGINT:
        os.killpg(process.pid, ending)  # as a terminal does
    else:
        process.send_signal(ending)
    _, errors = process.communicate(timeout=60.0)
    assert "Traceback" not in errors
    if ending is signal.SIGINT:
        assert process.returncode == ExitCode.UNEXPECTED
        assert "seeds have no verdict" in errors
