"""What a user gets wrong: a message that names what to fix, the documented exit code, no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from bot_process import SOL, command

MISTAKES: dict[str, tuple[int, tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    "unknown market": (5, ("--market", "SOL-USDD"), {}, ("SOL-USDD", "SOL-USD", "BTC-USD")),
    "unknown market on paper": (
        5,
        ("--market", "SOL-USDD", "--mode", "paper"),
        {},
        ("SOL-USDD", "SOL-USD"),
    ),
    "unknown variable": (3, (), {"MM_MARKTE": "x"}, ("MM_MARKTE", "MM_MARKET?")),
    "negative size": (
        3,
        (),
        {"MM_QUOTING__LADDER__ORDER_SIZE_QUOTE": "-1"},
        ("MM_QUOTING__LADDER__ORDER_SIZE_QUOTE", "greater than 0"),
    ),
    "no levels": (
        3,
        (),
        {"MM_QUOTING__LADDER__LEVELS": "0"},
        ("MM_QUOTING__LADDER__LEVELS", "at least 1", "greater than or equal to 1"),
    ),
    "unknown engine": (3, ("--engine", "gltf"), {}, ("--engine", "gltf", "did you mean glft?")),
    "unknown option": (2, ("--metric-port", "1"), {}, ("--metric-port", "--metrics-port")),
    "no exchange at the socket": (
        5,
        (),
        {"MM_VENUE__SIMULATED__SOCKET": "nowhere.sock"},
        ("no exchange answers", "exchange --market SOL-USD"),
    ),
    "a served exchange started over": (
        3,
        ("--fresh",),
        {"MM_VENUE__SIMULATED__SOCKET": "nowhere.sock"},
        ("--fresh", "`exchange`"),
    ),
    "flag without a number": (2, ("--duration", "soon"), {}, ("--duration", "soon")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_exit_code(name: str, tmp_path: Path) -> None:
    code, arguments, environ, named = MISTAKES[name]
    market = () if "--market" in arguments else ("--market", SOL)
    done = command(
        *market, *arguments, "--metrics-port", 0, "--data-dir", tmp_path / "data", environ=environ
    )
    assert done.code == code, done.err
    assert named[0] in done.err
    assert any(words in done.err for words in named[1:]), done.err
    assert done.out == ""
    assert not name.startswith("unknown market") or not (tmp_path / "data").exists()


def test_a_market_that_nobody_has_leaves_no_recording_behind(tmp_path: Path) -> None:
    done = command("record", "--market", "SOL-USDD", "--data-dir", tmp_path / "data")
    assert (done.code, done.out) == (5, "")
    assert "SOL-USD" in done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--market", "SOL-USDD"), 5, "SOL-USD"),
        ((), 2, "--market"),
        (("--market", SOL, "--socket", "/proc/nowhere/x.sock"), 3, "/proc/nowhere/x.sock"),
    ],
)
def test_an_exchange_that_cannot_be_served_says_why(
    tmp_path: Path, arguments: tuple[str, ...], code: int, named: str
) -> None:
    done = command("exchange", "--data-dir", tmp_path / "data", *arguments)
    assert (done.code, done.out) == (code, "")
    assert named in done.err


def test_an_unknown_key_is_named_with_file_line_and_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[quoting.ladder]\nlevels = 2\nordersize_quote = 3\n", encoding="utf-8")
    done = command("--market", SOL, "--config", file, "--data-dir", tmp_path / "data")
    assert done.code == 3
    assert f"{file}:3" in done.err
    assert "order_size_quote" in done.err


def test_a_busy_metrics_port_is_named_and_nothing_was_started(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = command("--market", SOL, "--metrics-port", port, "--data-dir", tmp_path / "data")
    assert done.code == 3
    assert str(port) in done.err
    assert "--metrics-port" in done.err


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = command("--market", SOL, "--data-dir", file / "data", "--metrics-port", 0)
    assert done.code == 3
    assert str(file) in done.err
    assert "--data-dir" in done.err


@pytest.mark.parametrize("name", ["status", "why", "kill", "rearm"])
def test_a_command_without_a_bot_exits_7_and_names_the_directory(name: str, tmp_path: Path) -> None:
    done = command(name, "--data-dir", tmp_path / "data")
    assert done.code == 7
    assert str(tmp_path / "data") in done.err
