"""`kill`: engage the kill switch, with or without a bot that answers."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from market_maker.cli.options import data_dir_option, json_option, market_option, mode_option

_REASON = 200
"""Letters of a reason that are kept."""


@click.command("kill")
@market_option
@click.option(
    "--reason", default="", metavar="TEXT", help="Kept with the latch and shown by status."
)
@click.option(
    "--force", is_flag=True, help="End a bot that does not answer (SIGKILL) before cancelling."
)
@data_dir_option
@mode_option
@json_option
def command(
    market: str | None, reason: str, force: bool, data_dir: Path, mode: str, as_json: bool
) -> None:
    """Engage the kill switch: cancel everything and stay stopped until `rearm`.

    A bot that is dead or hung cannot help: then the latch goes to disk, so that no restart quotes, and the orders are
    cancelled at the venue itself. Exit code 8 means that orders may still rest.
    """
    from market_maker.cli.bot import BotAddress  # noqa: PLC0415 - keeps --help light
    from market_maker.cli.kill_actions import kill  # noqa: PLC0415 - keeps --help light
    from market_maker.config.options import Mode  # noqa: PLC0415 - keeps --help light

    # What is shown on terminals and in logs for as long as the latch lasts is one line of text.
    text = "".join(letter if letter.isprintable() else " " for letter in reason)
    report = kill(BotAddress(data_dir, Mode(mode)), market, text[:_REASON], force=force)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(report)))
    else:
        click.echo(f"kill switch engaged, nothing rests at the venue. {report.detail}".strip())
