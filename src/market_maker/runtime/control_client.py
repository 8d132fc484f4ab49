"""Asks a running bot something over its control socket; synchronous, for the command line.

Imports nothing of the bot, so that `status` answers quickly even when the bot does not.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

from market_maker.core.errors import NoSuchBotError, UnusableError
from market_maker.runtime.unix_path import fitting_path

_CHUNK: Final = 65_536


class BotNotAnsweringError(NoSuchBotError):
    """A bot holds the socket and does not answer in time."""


def ask(
    path: Path, command: str, arguments: dict[str, Any] | None = None, timeout_s: float = 5.0
) -> Any:  # noqa: ANN401 - JSON
    """Send one command and return its result.

    Raises NoSuchBotError if nobody listens, BotNotAnsweringError if nobody answers in time
    and UnusableError if the bot refuses.
    """
    question = json.dumps({"command": command, "arguments": arguments or {}}).encode() + b"\n"
    try:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
            fitting_path(path) as name,
        ):
            connection.settimeout(timeout_s)
            connection.connect(name)
            connection.sendall(question)
            answer = _read_line(connection)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        msg = f"no bot is running on {path.parent}; if one runs elsewhere, give its --data-dir and --mode"
        raise NoSuchBotError(msg) from error
    except TimeoutError as error:
        msg = f"the bot on {path.parent} does not answer within {timeout_s:g} s"
        raise BotNotAnsweringError(msg) from error
    except OSError as error:
        msg = f"the bot on {path.parent} cannot be reached: {error.strerror}"
        raise BotNotAnsweringError(msg) from error
    return _result(path, answer)


def _result(path: Path, answer: bytes) -> Any:  # noqa: ANN401 - JSON
    if not answer.endswith(b"\n"):
        msg = f"the bot on {path.parent} closed the connection without an answer"
        raise BotNotAnsweringError(msg)
    reply = json.loads(answer)
    if not reply["ok"]:
        raise UnusableError(reply["error"])
    return reply["result"]


def _read_line(connection: socket.socket) -> bytes:
    parts = []
    while chunk := connection.recv(_CHUNK):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            break
    return b"".join(parts)
