"""Byte streams between the two ends, by whatever they are carried.

Owns the protocol of a connection and its unix-socket form. Refuses to know messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

_CHUNK: Final = 65_536
_MOST_UNSENT: Final = 16_000_000


class Link(Protocol):
    """One connection's end."""

    async def read(self) -> bytes:
        """Some bytes as soon as there are any; none at the end. Raises OSError for a reset."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes; never waits. What cannot be sent any more ends the connection."""
        ...

    def close(self) -> None:
        """End the connection at once; idempotent."""
        ...


Connect = Callable[[], Awaitable[Link]]
"""Opens a connection; raises OSError if that cannot be done."""


class SocketLink:
    """A link over asyncio streams; a peer that does not read is dropped, so memory stays bounded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over both halves."""
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """See `Link`."""
        return await self._reader.read(_CHUNK)

    def write(self, data: bytes) -> None:
        """See `Link`."""
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_UNSENT:
            transport.abort()
            return
        transport.write(data)

    def close(self) -> None:
        """See `Link`."""
        self._writer.transport.abort()
