"""`why`: each quote explained as a sum, and each missing quote by its reason."""

from __future__ import annotations

from pathlib import Path

import click

from market_maker.cli.options import data_dir_option, json_option, market_option, mode_option


@click.command("why")
@market_option
@data_dir_option
@mode_option
@json_option
def command(market: str | None, data_dir: Path, mode: str, as_json: bool) -> None:
    """Explain each quote as a sum of parts, and each quote that is missing by its reason."""
    from market_maker.cli.bot import BotAddress, only_market  # noqa: PLC0415 - keeps --help light
    from market_maker.cli.why_text import why_json, why_text  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import Mode  # noqa: PLC0415 - keeps --help light

    status = only_market(BotAddress(data_dir, Mode(mode)).status(), market)
    click.echo(why_json(status) if as_json else why_text(status))
