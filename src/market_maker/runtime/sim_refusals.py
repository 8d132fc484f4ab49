"""What virtual time does not have: threads, sockets, signals and processes.

Owns the methods of asyncio's event loop that the virtual-time loop refuses, by name. Always holds:
asking for one of them is an error at once, never a wait.
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from market_maker.core.errors import InvariantError


class NotInVirtualTimeError(InvariantError, NotImplementedError):
    """A real thread, socket, signal or process was asked of virtual time."""


def refuse(name: str) -> Any:  # noqa: ANN401 - it stands in for methods of many types
    """A method that refuses to be called."""

    def refused(*_args: object, **_kwargs: object) -> NoReturn:
        msg = f"{name}: virtual time has no threads, sockets, signals or processes"
        raise NotInVirtualTimeError(msg)

    return refused


class Unworldly(asyncio.AbstractEventLoop):
    """The part of an event loop that is not there."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        """Return at once: there is no executor."""

    run_in_executor = refuse("run_in_executor")
    set_default_executor = refuse("set_default_executor")
    getaddrinfo = refuse("getaddrinfo")
    getnameinfo = refuse("getnameinfo")
    create_connection = refuse("create_connection")
    create_server = refuse("create_server")
    create_unix_connection = refuse("create_unix_connection")
    create_unix_server = refuse("create_unix_server")
    create_datagram_endpoint = refuse("create_datagram_endpoint")
    connect_accepted_socket = refuse("connect_accepted_socket")
    start_tls = refuse("start_tls")
    sendfile = refuse("sendfile")
    connect_read_pipe = refuse("connect_read_pipe")
    connect_write_pipe = refuse("connect_write_pipe")
    subprocess_shell = refuse("subprocess_shell")
    subprocess_exec = refuse("subprocess_exec")
    add_reader = refuse("add_reader")
    remove_reader = refuse("remove_reader")
    add_writer = refuse("add_writer")
    remove_writer = refuse("remove_writer")
    sock_recv = refuse("sock_recv")
    sock_recv_into = refuse("sock_recv_into")
    sock_recvfrom = refuse("sock_recvfrom")
    sock_recvfrom_into = refuse("sock_recvfrom_into")
    sock_sendall = refuse("sock_sendall")
    sock_sendto = refuse("sock_sendto")
    sock_connect = refuse("sock_connect")
    sock_accept = refuse("sock_accept")
    sock_sendfile = refuse("sock_sendfile")
    add_signal_handler = refuse("add_signal_handler")
    remove_signal_handler = refuse("remove_signal_handler")
