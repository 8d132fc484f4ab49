"""Options that several commands share, with one default each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from market_maker.config.options import DEFAULT_DATA_DIR, DEFAULT_MODE, Mode

Command = TypeVar("Command", bound=Callable[..., object])

MODES = click.Choice([mode.value for mode in Mode])


class _Directory(click.Path):
    """A directory's name; an empty one would silently be the current directory."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        """Refuse emptiness, then do as a path does."""
        if not os.fspath(value):
            self.fail("it is empty; name a directory", param, ctx)
        return super().convert(value, param, ctx)


def data_dir_option(command: Command) -> Command:
    """`--data-dir`: which bot is meant."""
    return click.option(
        "--data-dir",
        type=_Directory(path_type=Path, file_okay=False),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        envvar="MM_DATA_DIR",
        show_envvar=True,
        help="Directory of the bot's journal, state and control socket.",
    )(command)


def mode_option(command: Command) -> Command:
    """`--mode`: where orders go."""
    return click.option(
        "--mode",
        type=MODES,
        default=DEFAULT_MODE.value,
        show_default=True,
        envvar="MM_MODE",
        show_envvar=True,
        help="sim: the embedded exchange, offline, without keys; paper: public market data, own orders on paper.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: facts for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, failures included.")(
        command
    )


def config_options(command: Command) -> Command:
    """`--config` and `--params`: where settings come from."""
    command = click.option(
        "--params",
        type=click.Path(path_type=Path),
        envvar="MM_PARAMS",
        show_envvar=True,
        help="Calibrated parameters: a TOML file of [signals] and [engines] keys.",
    )(command)
    return click.option(
        "--config",
        "config_files",
        type=click.Path(path_type=Path),
        multiple=True,
        envvar="MM_CONFIG",
        show_envvar=True,
        help="TOML file with settings; repeat it, later files win.",
    )(command)


def market_option(command: Command) -> Command:
    """`--market`: one of the bot's markets instead of all."""
    return click.option("--market", metavar="SYMBOL", help="This market only.")(command)
