"""`rearm`: release the kill switch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from market_maker.cli.options import data_dir_option, json_option, market_option, mode_option


@click.command("rearm")
@market_option
@data_dir_option
@mode_option
@json_option
def command(market: str | None, data_dir: Path, mode: str, as_json: bool) -> None:
    """Release the kill switch; the bot quotes again once its books agree with the venue's."""
    from market_maker.cli.bot import BotAddress  # noqa: PLC0415 - keeps --help light
    from market_maker.cli.kill_actions import rearm  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import Mode  # noqa: PLC0415 - keeps --help light

    detail = rearm(BotAddress(data_dir, Mode(mode)), market)
    if as_json:
        click.echo(json.dumps({"rearmed": True, "detail": detail}))
    else:
        click.echo(f"{detail}.")
