"""`config check|show|schema`: what is configured, where each value came from, what may be written."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import config_options, json_option


@click.group("config", short_help="Check, show or describe the settings.")
def command() -> None:
    """Check, show or describe the settings.

    Later wins: built-in defaults, --config files, --params, environment MM_SECTION__KEY, a market's own tables,
    command-line options.
    """


@command.command("check")
@config_options
@json_option
def check(config_files: tuple[Path, ...], params: Path | None, as_json: bool) -> None:
    """Read all settings and report every problem with its place; exit code 3 if there is one."""
    from market_maker.cli.config_actions import check_settings  # noqa: PLC0415 - keeps --help light

    click.echo(check_settings(config_files, params, as_json=as_json))


@command.command("show")
@config_options
@click.option("--market", metavar="SYMBOL", help="As this market sees them.")
@click.option("--toml", "as_toml", is_flag=True, help="Print a settings file with comments.")
@json_option
def show(
    config_files: tuple[Path, ...],
    params: Path | None,
    market: str | None,
    as_toml: bool,
    as_json: bool,
) -> None:
    """Print every setting in force and where it was written; secrets are masked."""
    from market_maker.cli.config_actions import show_settings  # noqa: PLC0415 - keeps --help light

    if as_toml and as_json:
        raise click.UsageError("--toml and --json exclude each other")
    form = "json" if as_json else "toml" if as_toml else "text"
    click.echo(show_settings(config_files, params, market, form))


@command.command("schema")
def schema() -> None:
    """Print the JSON Schema of a settings file, engines' sections included."""
    from market_maker.cli.config_actions import settings_schema  # noqa: PLC0415 - keeps --help light

    click.echo(settings_schema())
