"""Connections that live in memory, so that two ends can talk in virtual time.

`Cable.spoil` may stand in the way of the bytes of one direction: it sees each piece and says what
arrives of it; None cuts the connection there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from market_maker.venues.simulated.remote_link import Link

Spoil = Callable[[bytes], bytes | None]


def _intact(data: bytes) -> bytes | None:
    return data


class MemoryLink:
    """One end; what it writes arrives at the other within the same instant."""

    def __init__(self, spoil: Spoil) -> None:
        self.peer: MemoryLink
        self._spoil = spoil
        self._reader = asyncio.StreamReader(limit=1 << 30)
        self._reset = False
        self.closed = False

    async def read(self) -> bytes:
        if self._reset:
            raise ConnectionResetError("reset")
        return await self._reader.read(65_536)

    def write(self, data: bytes) -> None:
        if self.closed or self.peer.closed:
            return
        kept = self._spoil(data)
        if kept:
            asyncio.get_running_loop().call_soon(self.peer.arrive, kept)
        if kept is None:
            self.close()

    def arrive(self, data: bytes) -> None:
        if not self.closed:
            self._reader.feed_data(data)

    def end(self) -> None:
        if not self._reader.at_eof():
            self._reader.feed_eof()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.end()
            asyncio.get_running_loop().call_soon(self.peer.end)


class Cable:
    """Connects clients to a server's `serve`; every connection made so far is kept."""

    def __init__(self, serve: Callable[[Link], Awaitable[None]]) -> None:
        self.serve = serve
        self.up: Spoil = _intact
        self.down: Spoil = _intact
        self.refuse = False
        self.refused = 0
        self.ends: list[MemoryLink] = []
        self.serving: list[asyncio.Task[None]] = []

    async def connect(self) -> Link:
        if self.refuse:
            self.refused += 1
            raise ConnectionRefusedError("nobody listens")
        ours = MemoryLink(lambda data: self.up(data))  # noqa: PLW0108 - tests replace `up` later
        theirs = MemoryLink(lambda data: self.down(data))  # noqa: PLW0108 - tests replace `down` later
        ours.peer, theirs.peer = theirs, ours

        async def serve() -> None:
            await self.serve(theirs)

        self.serving.append(asyncio.get_running_loop().create_task(serve()))
        self.ends.append(ours)
        return ours

    def cut(self) -> None:
        """Reset every connection."""
        for end in self.ends:
            end.close()
