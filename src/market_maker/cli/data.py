"""`data check|convert`: are recordings fit to be traded on; layouts of others as our own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from market_maker.cli.options import json_option

Command = TypeVar("Command", bound=Callable[..., object])


@click.group("data", short_help="Check recordings, convert those of others.")
def command() -> None:
    """Check recordings of market data, and convert those of others."""


def layout_options(command: Command) -> Command:
    """What a plain layout does not say itself."""
    for option in (
        click.option(
            "--inverse", is_flag=True, help="Contracts are inverse: sized in quote currency."
        ),
        click.option(
            "--lot", metavar="SIZE", help="Lot of a plain layout, instead of an inferred one."
        ),
        click.option(
            "--tick", metavar="PRICE", help="Tick of a plain layout, instead of an inferred one."
        ),
        click.option(
            "--market", metavar="SYMBOL", help="Name of a plain layout's market, such as BTC-USDT."
        ),
    ):
        command = option(command)
    return command


@command.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@layout_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reports"),
    show_default=True,
    help="Directory for the quality pages, one HTML file a recording.",
)
@click.option("--no-page", is_flag=True, help="Write no pages.")
@json_option
def check(
    paths: tuple[Path, ...],
    market: str | None,
    tick: str | None,
    lot: str | None,
    inverse: bool,
    out: Path,
    no_page: bool,
    as_json: bool,
) -> int:
    """Judge recordings: ready, usable with warnings, or not usable.

    PATHS are Parquet files or folders of them: our own recordings, or the plain layout ts_ns, exch_ts_ns, kind, side,
    price, qty. Every file gets a verdict with its findings, and a page that shows what is real, missing or
    suspicious. Exit code 10 if any file is not usable, 3 if there is no file.

    \b
    Examples:
      python -m market_maker data check data/SOL-USD-sim/ticks
      python -m market_maker data check btcusdt.parquet --market BTC-USDT --tick 0.1
      python -m market_maker data check xbtusd.parquet --inverse --json
    """  # noqa: D301 - click's marker of a paragraph that keeps its lines
    from market_maker.cli.data_actions import (  # noqa: PLC0415 - keeps --help light
        check_data,
        given_of,
    )

    given = given_of(market, tick, lot, inverse=inverse)
    return check_data(paths, given, None if no_page else out, as_json=as_json)


@command.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@layout_options
@json_option
def convert(
    source: Path,
    target: Path,
    market: str | None,
    tick: str | None,
    lot: str | None,
    inverse: bool,
    as_json: bool,
) -> int:
    """Write a recording of the plain layout as one of ours, which says itself what it counts in.

    \b
    Example:
      python -m market_maker data convert btcusdt.parquet btc.parquet --market BTC-USDT
    """  # noqa: D301 - click's marker of a paragraph that keeps its lines
    from market_maker.cli.data_actions import (  # noqa: PLC0415 - keeps --help light
        convert_data,
        given_of,
    )

    given = given_of(market, tick, lot, inverse=inverse)
    return convert_data(source, target, given, as_json=as_json)
