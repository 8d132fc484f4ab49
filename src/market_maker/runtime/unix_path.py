"""Unix sockets: paths that fit, listeners of our user alone.

The kernel takes no more than 107 bytes. A deep directory is reached through an open descriptor of
it, so the socket still lies where its user expects it. Refuses to know what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from market_maker.core.errors import UnusableError

_LONGEST: Final = 107


@contextlib.contextmanager
def fitting_path(path: Path) -> Iterator[str]:
    """Give a name for `path` that a socket call accepts, valid inside the block."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        if not short.exists():
            msg = f"the path {path} is too long for a socket: choose a shorter one"
            raise UnusableError(msg)
        yield str(short / path.name)
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """Make a listener that only our own user can reach.

    A socket left behind is replaced; a file, and a socket at which somebody listens, are not ours to remove.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clear(path)
        with fitting_path(path) as name:
            mask = os.umask(0o177)
            try:
                listener.bind(name)
            finally:
                os.umask(mask)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise UnusableError(f"cannot create the socket {path}: {reason}") from error
    except UnusableError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at any more."""
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise UnusableError(f"{path} exists and is not a socket: choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, fitting_path(path) as name:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # its queue is full: somebody listens, if slowly
    raise UnusableError(f"another process listens at {path}: stop it, or choose another path")


def same_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as our user or as root; the kernel vouches for it."""
    connection = writer.get_extra_info("socket")
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in {0, os.getuid()}
