"""The bot's control socket: one JSON object a line in, one out.

Owns the socket file and its connections. Refuses to know what commands do. It always holds
that only the bot's own user (or root) is served, that lines, time and connections are bounded,
and that a failing command answers with its error and harms nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from market_maker.core.errors import MarketMakerError, UnusableError
from market_maker.runtime.unix_path import listen, same_user

Handler = Callable[[dict[str, Any]], Awaitable[object]]
"""Serves one command: its arguments in, something that JSON can say out."""

_LONGEST_LINE: Final = 65_536
_MOST_CONNECTIONS: Final = 16
_IDLE_S: Final = 30.0


class ControlServer:
    """Serves `handlers` by command name on a unix socket."""

    def __init__(
        self, path: Path, handlers: Mapping[str, Handler], on_error: Callable[[str], None]
    ) -> None:
        self._path = path
        self._handlers = handlers
        self._on_error = on_error
        self._server: asyncio.Server | None = None
        self._connections: dict[int, asyncio.StreamWriter] = {}
        self._accepted = 0

    async def start(self) -> None:
        """Listen. Call it with the instance lock held: a socket left behind is replaced."""
        listener = listen(self._path)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=_LONGEST_LINE
        )

    async def stop(self) -> None:
        """Stop listening, drop connections and remove the socket; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        self._path.unlink(missing_ok=True)
        server.close()
        for writer in list(self._connections.values()):
            writer.transport.abort()
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        number = self._accepted
        try:
            if len(self._connections) < _MOST_CONNECTIONS and same_user(writer):
                self._connections[number] = writer
                await self._converse(reader, writer)
        except (OSError, ValueError, TimeoutError):
            pass  # the peer went away, sent too long a line or fell silent: nothing to answer
        finally:
            self._connections.pop(number, None)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE_S):
                line = await reader.readline()
            if not line:
                return
            writer.write(await self._answer(line) + b"\n")
            async with asyncio.timeout(_IDLE_S):
                await writer.drain()

    def _handler(self, command: str) -> Handler:
        handler = self._handlers.get(command)
        if handler is None:
            known = ", ".join(self._handlers)
            raise UnusableError(f"unknown command {command!r}: the bot knows {known}")
        return handler

    async def _answer(self, line: bytes) -> bytes:
        try:
            command, arguments = _parse(line)
            result = await self._handler(command)(arguments)
            return orjson.dumps({"ok": True, "result": result})
        except MarketMakerError as error:
            return orjson.dumps({"ok": False, "error": str(error)})
        except Exception as error:  # noqa: BLE001 - a command's bug must reach its sender and nobody else
            self._on_error(f"control command failed: {type(error).__name__}: {error}")
            return orjson.dumps({"ok": False, "error": f"internal error: {type(error).__name__}"})


def _parse(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        question = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnusableError(f"not JSON: {error}") from error
    match question:
        case {"command": str(command), "arguments": dict(arguments)}:
            return command, arguments
        case {"command": str(command)}:
            return command, {}
        case _:
            raise UnusableError('expected {"command": ..., "arguments": {...}}')
