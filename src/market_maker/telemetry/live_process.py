"""The live view's process: the parent feeds it statuses, the child draws them.

`LiveProcess` is the bot's end. It never blocks and never raises: a frame is dropped while the pipe is
full, and a dead child is forgotten. `draw` is the child's main and ends when its input does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import BinaryIO

import msgspec
from rich.console import Console
from rich.live import Live

from market_maker.telemetry.live_view import render
from market_maker.telemetry.snapshot import decode

VIEW_COMMAND = "_view"
"""Hidden CLI command that runs `draw`."""

_LONGEST_FRAME = 1 << 20
_END_WAIT_S = 2.0


class LiveProcess:
    """Feeds one child; `command` is what to start."""

    def __init__(self, command: tuple[str, ...] = (), end_wait_s: float = _END_WAIT_S) -> None:
        """Start the child; if that fails the bot simply runs without a view."""
        self._end_wait_s = end_wait_s
        self._unsent = b""
        self._child: subprocess.Popen[bytes] | None = None
        chosen = command or (sys.executable, "-m", "market_maker", VIEW_COMMAND)
        with contextlib.suppress(OSError):
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                chosen, stdin=subprocess.PIPE, bufsize=0
            )
        if self._child is not None and self._child.stdin is not None:
            os.set_blocking(self._child.stdin.fileno(), False)

    @property
    def alive(self) -> bool:
        """Whether somebody still looks."""
        return self._child is not None

    def send(self, frame: bytes) -> None:
        """Offer one encoded status; drops it while an earlier one is still on its way."""
        if self._child is None or len(frame) > _LONGEST_FRAME:
            return
        if not self._unsent:
            self._unsent = frame + b"\n"
        self._write()

    def close(self) -> None:
        """End the child and wait briefly, so that it can give the terminal back."""
        child, self._child = self._child, None
        if child is None:
            return
        _close_input(child)
        try:
            child.wait(self._end_wait_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _write(self) -> None:
        child = self._child
        if child is None or child.stdin is None:
            return
        try:
            written = os.write(child.stdin.fileno(), self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[written:]


def draw(source: BinaryIO, console: Console | None = None) -> None:
    """Draw each line of `source` until it ends; the last frame stays on the screen."""
    console = console or Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for line in source:
            with contextlib.suppress(msgspec.MsgspecError):
                size = console.size
                live.update(render(decode(line), size.width, size.height), refresh=True)


def _close_input(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
