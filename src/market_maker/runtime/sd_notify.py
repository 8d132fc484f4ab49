"""What systemd wants to hear: ready, alive, stopping.

Does nothing where no supervisor listens. A datagram that cannot be sent is dropped: the
supervisor's own timeout is the consequence.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping


class SdNotifier:
    """Sends states to the socket that the environment names."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract name space.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """Start-up is complete."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the supervisor's watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Shutdown has begun."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(0)
            sender.sendto(state.encode(), self._address)
