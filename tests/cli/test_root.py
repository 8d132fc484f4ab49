from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from market_maker import __version__
from market_maker.cli.root import COMMANDS, HIDDEN_COMMANDS, root
from market_maker.config.environment import OPTION_VARIABLES, variable
from market_maker.config.keys import leaf_keys
from market_maker.config.options import FLAG_KEYS
from market_maker.config.schema import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.mark.parametrize("name", [*COMMANDS, *HIDDEN_COMMANDS])
def test_every_command_of_the_table_exists(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert isinstance(command, click.Command)
    assert command.name == name


def test_the_commands_promised_to_users_exist() -> None:
    assert {"run", "status", "why", "kill", "rearm", "config"} <= set(COMMANDS)


def test_variables_named_in_help_are_the_ones_that_work() -> None:
    known = {variable(key) for key, _ in leaf_keys(Settings)} | set(OPTION_VARIABLES)
    context = click.Context(root)
    named = set()
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        for param in command.params:
            record = param.get_help_record(context)
            named |= set(re.findall(r"MM_[A-Z_]+", record[1] if record else ""))
    assert named <= known
    assert {variable(key) for key in FLAG_KEYS.values()} <= named
    assert set(OPTION_VARIABLES) <= named


def test_version_is_the_packages(run: Run) -> None:
    done = run("--version")
    assert done.code == 0
    assert __version__ in done.out


def test_nothing_to_do_is_a_usage_error_with_help(run: Run) -> None:
    done = run()
    assert done.code == 2
    assert "--market" in done.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("stauts",), "status"),
        (("--nope",), "--nope"),
        (("run",), "--market"),
        (("--market", "SOL-USD", "--mode", "paperr"), "paperr"),
        (("--market", "SOL-USD", "--metrics-port", "70000"), "70000"),
        (("--market", "SOL-USD", "--seed", "x"), "x"),
        (("--market", "SOL-USD", "--duration", "-1"), "-1"),
        (("config", "shwo"), "shwo"),
        (("config", "show", "--toml", "--json"), "--toml"),
    ],
)
def test_what_cannot_be_parsed_exits_2_and_names_it(
    run: Run, arguments: tuple[str, ...], named: str
) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert named in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", [("run",), ()])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--mode", "live"), "--mode live"),
        (("--venue", "kraken"), "--venue kraken"),
        (("--engine", "gltf"), "did you mean glft?"),
        (("--config", "missing.toml"), "missing.toml"),
        (("--params", "missing.toml"), "missing.toml"),
        (("--data-dir", "/proc/nowhere"), "--data-dir"),
    ],
)
def test_what_cannot_be_used_exits_3_and_names_it(
    run: Run, command: tuple[str, ...], arguments: tuple[str, ...], named: str
) -> None:
    done = run(*command, "--market", "SOL-USD", *arguments)
    assert done.code == 3
    assert named in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("MM_MARKTE", "x", "MM_MARKET?"),
        ("MM_QUOTING__LADDER__LEVELS", "0", "quoting.ladder.levels"),
        ("MM_QUOTING__LADDER__ORDER_SIZE_QUOTE", "-250", "quoting.ladder.order_size_quote"),
        ("MM_ENGINES__GLFT__GAMA", "1", "engines.glft.gama"),
    ],
)
def test_a_bad_environment_exits_3_and_names_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str
) -> None:
    monkeypatch.setenv(name, value)
    done = run("--market", "SOL-USD")
    assert done.code == 3
    assert named in done.err
    assert name in done.err


def test_a_bad_file_is_named_with_its_lines(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        "[quoting.ladder]\nlevels = 0\norder_size_quote = -1\nlvels = 3\n", encoding="utf-8"
    )
    done = run("--market", "SOL-USD", "--config", file)
    assert done.code == 3
    for line in (2, 3, 4):
        assert f"{file}:{line}: " in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "kind", "named"),
    [
        (("status", "--data-dir", "nowhere"), 7, "no_such_bot", "nowhere"),
        (("config", "check", "--config", "missing.toml"), 3, "unusable", "missing.toml"),
        (("status", "--nonsense"), 2, "usage", "--nonsense"),
    ],
)
def test_a_failure_is_json_too_where_json_was_asked_for(
    run: Run, arguments: tuple[str, ...], code: int, kind: str, named: str
) -> None:
    plain = run(*arguments)
    assert (plain.code, plain.out) == (code, "")
    done = run(*arguments, "--json")
    told = done.json()
    assert (done.code, told["exit_code"], told["kind"]) == (code, code, kind)
    assert named in told["error"]
    assert named in done.err
