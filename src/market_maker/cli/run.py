"""`run`: make markets until told to stop."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import config_options, data_dir_option, mode_option

_LONGEST_S = 1e9


def _finite(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < _LONGEST_S:
        raise click.BadParameter(f"{value} is not a number of seconds above 0")
    return value


@click.command("run", short_help="Make markets (the default command).")
@click.option(
    "--market",
    "markets",
    multiple=True,
    required=True,
    envvar="MM_MARKET",
    show_envvar=True,
    metavar="SYMBOL",
    help="Market such as SOL-USD; repeat it to trade several under one account risk.",
)
@mode_option
@click.option(
    "--venue",
    default="",
    envvar="MM_VENUE",
    show_envvar=True,
    metavar="ID",
    help="Exchange by its ccxt id, for paper and live; sim brings its own.",
)
@click.option(
    "--engine",
    metavar="NAME",
    help="Quoting engine: glft, avellaneda-stoikov, layered, offset or a plug-in."
    "  [env var: MM_QUOTING__ENGINE]",
)
@config_options
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    envvar="MM_SEED",
    show_envvar=True,
    help="Which embedded market; the same seed continues it.",
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(0, min_open=True),
    envvar="MM_DURATION",
    show_envvar=True,
    metavar="SECONDS",
    callback=_finite,
    help="Stop in good order after this time.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port of /metrics and /status, 9464 unless set; 0 takes a free one and prints it."
    "  [env var: MM_METRICS__PORT]",
)
@data_dir_option
@click.option(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    help="auto: live view on a terminal, JSON lines elsewhere.  [env var: MM_LOGGING__FORMAT]",
)
@click.option("--fresh", is_flag=True, help="Start the embedded market and its account over.")
def command(
    markets: tuple[str, ...],
    mode: str,
    venue: str,
    engine: str | None,
    config_files: tuple[Path, ...],
    params: Path | None,
    seed: int | None,
    duration_s: float | None,
    metrics_port: int | None,
    data_dir: Path,
    log_format: str | None,
    fresh: bool,
) -> int:
    """Make markets until told to stop.

    SIGTERM and Ctrl-C cancel every order, verify and exit. SIGUSR1 engages the kill switch.
    """
    from market_maker.cli.run_bot import run_bot  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import Mode, RunOptions  # noqa: PLC0415 - keeps --help light

    options = RunOptions(
        markets=tuple(dict.fromkeys(markets)),
        mode=Mode(mode),
        venue=venue,
        engine=engine,
        config_files=config_files,
        params=params,
        seed=seed,
        duration_s=duration_s,
        metrics_port=metrics_port,
        data_dir=data_dir,
        log_format=log_format,
        fresh=fresh,
    )
    return run_bot(options)
