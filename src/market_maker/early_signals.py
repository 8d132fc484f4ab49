"""Signals that arrive before the bot is ready for them.

The first thing that the process installs, before any heavy import: until then SIGUSR1 would
kill it, and process 1 of a container would not even notice. It imports nothing but `signal`,
only remembers what arrived, and never loses a request: `runtime.signals_os` replays it.
"""

from __future__ import annotations

import signal

HANDLED = (
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGHUP,
    signal.SIGTERM,
    signal.SIGINT,
)
"""Signals that the bot gives a meaning to."""

_arrived: list[int] = []


def install() -> None:
    """Remember the handled signals from now on; a second SIGINT still interrupts."""
    for number in HANDLED:
        signal.signal(number, _remember)


def take() -> tuple[int, ...]:
    """Return signals that arrived since `install`, each once, in order of arrival; then forget."""
    taken = tuple(_arrived)
    _arrived.clear()
    return taken


def restore() -> None:
    """Give the signals back to Python, for commands that are no bot.

    One that arrived meanwhile takes its ordinary effect now.
    """
    for number in HANDLED:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, default)
    for arrived in take():
        signal.raise_signal(arrived)


def _remember(number: int, _frame: object) -> None:
    if number == signal.SIGINT and number in _arrived:
        raise KeyboardInterrupt
    if number not in _arrived:
        _arrived.append(number)
