"""Stands on the socket between a bot and its exchange and does to lines what a test wants.

A hook sees each line, its end included, and returns what passes. It runs on the proxy's threads.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Hook = Callable[[bytes], bytes]


def _passing(line: bytes) -> bytes:
    return line


class LineProxy:
    """Every connection to `path` is carried on to `upstream`."""

    def __init__(self, path: Path, upstream: Path) -> None:
        self.path = path
        self.up: Hook = _passing
        self.down: Hook = _passing
        self.held: list[bytes] = []
        self._upstream = upstream
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._last: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Accept connections."""
        self._run(self._accept)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Break every connection and end every thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for end in self._sockets:
            end.close()

    def cut(self) -> None:
        """Break every connection."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Send on, over the connection on which it came last, what was held."""
        assert self._last is not None
        self._last.sendall(b"".join(self.held))
        self.held.clear()

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._upstream))
            self._sockets += [client, server]
            self._last = server
            self._run(self._pump, client, server, "up")
            self._run(self._pump, server, client, "down")

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as lines:
            for line in lines:
                hook: Hook = getattr(self, direction)
                if kept := hook(line):
                    target.sendall(kept)
        # What was held may still have to go out after the bot's death.
        if not (direction == "up" and self.held):
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
