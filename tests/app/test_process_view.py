"""On a terminal the bot draws itself; its log lines go to a file meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
from pathlib import Path

from bot_process import BUSY, SOL, BotProcess

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Screen:
    """A pseudo-terminal of 110 x 40 and everything that was ever written to it."""

    def __init__(self) -> None:
        """Open the pair."""
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        os.set_blocking(self.master, False)
        self._seen = b""

    def text(self) -> str:
        """All of it so far, without colours and cursor moves."""
        while True:
            try:
                self._seen += os.read(self.master, 1 << 16)
            except (BlockingIOError, OSError):
                return CONTROL.sub("", self._seen.decode(errors="replace"))

    def close(self) -> None:
        """Close both ends."""
        os.close(self.master)
        os.close(self.slave)


def test_a_terminal_shows_market_quotes_position_and_pnl(tmp_path: Path) -> None:
    screen = Screen()
    environ = BUSY | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": "110", "LINES": "40"}
    try:
        with BotProcess(tmp_path, environ=environ, terminal=screen.slave) as bot:
            wanted = (
                rf"{SOL} · glft",
                r"● QUOTING",
                r"kill switch off",
                r"sell 0 +15\d\.\d\d +\+\d|sell 0 +14\d\.\d\d +\+\d",
                r"buy 2 +1[45]\d\.\d\d +-\d",
                r"ask +1[45]\d\.\d\d",
                r"position +[+-]\d+\.\d+ SOL",
                r"P&L +[+-][\d.]+",
                r"spread capture",
                r"equity +[\d,.]+",
                r"no halts",
                r"fills [1-9]",
            )
            bot.wait(
                lambda: all(re.search(fact, screen.text()) for fact in wanted),
                "frame with market, quotes, position and P&L",
            )
            bot.send(signal.SIGUSR1)
            bot.wait(lambda: "KILL SWITCH: signal" in screen.text(), "kill switch on the screen")
            bot.send(signal.SIGINT)
            assert bot.drained(screen.text) == 0
            log = [json.loads(x) for x in bot.paths.log_file.read_text("utf-8").splitlines()]
            assert {"state_changed", "kill_switch_engaged"} <= {line["event"] for line in log}
            assert '"event"' not in screen.text()
            assert "Traceback" not in screen.text()
    finally:
        screen.close()
