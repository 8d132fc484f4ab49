"""`simulate`: prove with the user's own settings that no fault breaks a rule."""

from __future__ import annotations

import math
from pathlib import Path

import click

from market_maker.cli.options import config_options, json_option

_MOST_HOURS = 1_000.0


def _number(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("nan is not a number of hours")
    return value


@click.command("simulate")
@click.option(
    "--seeds",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="How many seeds, each another market and another mixture of faults.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, _MOST_HOURS, min_open=True),
    callback=_number,
    default=1 / 60,
    show_default="1 minute",
    help="Simulated hours of faults under each seed; healing comes after them.",
)
@click.option(
    "--faults",
    default="all",
    show_default=True,
    metavar="all|none|NAME,...",
    help="Faults that seeds may arm; --list-faults names them.",
)
@click.option(
    "--seed",
    "first_seed",
    type=click.IntRange(0, 2**62),
    default=1,
    show_default=True,
    help="The first seed; the others follow it.",
)
@click.option(
    "--market",
    "markets",
    multiple=True,
    default=("SOL-USD",),
    show_default=True,
    metavar="SYMBOL",
    help="Market of the embedded exchange; repeat it for several under one account.",
)
@click.option("--engine", metavar="NAME", help="Quoting engine instead of the configured one.")
@click.option(
    "--certain",
    is_flag=True,
    help="Arm every named fault under every seed, instead of about half of them.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes; as many as cores unless set.",
)
@click.option("--list-faults", is_flag=True, help="Name every fault and what it does, then end.")
@config_options
@json_option
def command(
    seeds: int,
    hours: float,
    faults: str,
    first_seed: int,
    markets: tuple[str, ...],
    engine: str | None,
    certain: bool,
    jobs: int | None,
    list_faults: bool,
    config_files: tuple[Path, ...],
    params: Path | None,
    as_json: bool,
) -> int:
    """Simulate the bot amid faults and check every rule against the exchange's own books.

    Under each seed the bot trades on the embedded exchange in virtual time while requests get lost,
    streams break, the venue misbehaves and the process crashes. Then everything heals, and
    the bot must agree with the exchange, quote both sides and end cleanly. Exit code 10 if a rule
    was broken; the line that repeats the failing seed is printed.

    \b
    Examples:
      python -m market_maker simulate --seeds 200
      python -m market_maker simulate --seeds 1 --seed 17 --hours 0.5
      python -m market_maker simulate --faults request_lost,private_cut --config my.toml
    """  # noqa: D301 - click's marker of a paragraph that keeps its lines
    from market_maker.cli.simulate_actions import (  # noqa: PLC0415 - keeps --help light
        SimulateRequest,
        faults_text,
        simulate_bot,
    )

    if list_faults:
        click.echo(faults_text(as_json=as_json))
        return 0
    request = SimulateRequest(
        seeds=range(first_seed, first_seed + seeds),
        hours=hours,
        faults=faults,
        markets=tuple(dict.fromkeys(markets)),
        engine=engine,
        certain=certain,
        jobs=jobs,
        config_files=config_files,
        params=params,
        as_json=as_json,
    )
    return simulate_bot(request)
