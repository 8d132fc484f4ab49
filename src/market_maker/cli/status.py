"""`status`: what a running bot holds, quotes and earns."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import data_dir_option, json_option, market_option, mode_option


@click.command("status")
@market_option
@data_dir_option
@mode_option
@json_option
@click.option(
    "--quiet", is_flag=True, help="Print nothing; exit 0 if a bot answers, 7 if none does."
)
@click.option(
    "--svg",
    "picture",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE",
    help="Also write the live view as a picture.",
)
def command(
    market: str | None,
    data_dir: Path,
    mode: str,
    as_json: bool,
    quiet: bool,
    picture: Path | None,
) -> None:
    """Show what a running bot holds, quotes and earns."""
    from market_maker.cli.bot import BotAddress, only_market  # noqa: PLC0415 - keeps --help light
    from market_maker.cli.status_text import status_text  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import Mode  # noqa: PLC0415 - keeps --help light
    from market_maker.telemetry.snapshot import encode  # noqa: PLC0415 - keeps --help light

    status = only_market(BotAddress(data_dir, Mode(mode)).status(), market)
    if picture is not None:
        from market_maker.telemetry.live_view import export_svg  # noqa: PLC0415 - keeps --help light

        export_svg(status, picture)
    if not quiet:
        click.echo(encode(status).decode() if as_json else status_text(status))
