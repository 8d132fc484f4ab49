"""`_view`: the live view's own process, started by the bot with statuses on its standard input."""

from __future__ import annotations

import signal
import sys

import click


@click.command("_view", hidden=True)
def command() -> None:
    """Draw statuses from standard input until it ends."""
    from market_maker.telemetry.live_process import draw  # noqa: PLC0415 - keeps --help light

    # Ctrl-C belongs to the bot, which closes our input when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    draw(sys.stdin.buffer)
