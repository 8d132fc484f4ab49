"""`exchange`: the embedded exchange as a process of its own."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import config_options, data_dir_option


@click.command("exchange")
@click.option(
    "--market",
    "markets",
    multiple=True,
    required=True,
    metavar="SYMBOL",
    help="Market to serve; repeat it for several.",
)
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    help="Where to listen; exchange.sock under the data directory unless given.",
)
@config_options
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Which embedded market; the same seed continues it.",
)
@data_dir_option
@click.option(
    "--fresh",
    is_flag=True,
    help="Start the market and its account over; its bots then need a new --data-dir.",
)
@click.option("--oracle", is_flag=True, help="Also answer what only tests may ask: the truth.")
def command(
    markets: tuple[str, ...],
    socket: Path | None,
    config_files: tuple[Path, ...],
    params: Path | None,
    seed: int | None,
    data_dir: Path,
    fresh: bool,
    oracle: bool,
) -> int:
    """Serve the embedded exchange on a unix socket, so that it outlives its bots.

    A bot trades there with venue.simulated.socket (or MM_VENUE__SIMULATED__SOCKET) set to the path.
    """
    from market_maker.cli.exchange_actions import serve_exchange  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import RunOptions  # noqa: PLC0415 - keeps --help light

    options = RunOptions(
        markets=tuple(dict.fromkeys(markets)),
        config_files=config_files,
        params=params,
        seed=seed,
        data_dir=data_dir,
        fresh=fresh,
    )
    return serve_exchange(options, socket, oracle=oracle)
