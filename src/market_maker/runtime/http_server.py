"""The read-only HTTP server: /metrics, /healthz, /readyz and /status.

Owns one listening socket and a bounded number of threads. Refuses to change anything: only
GET and HEAD exist. It always holds that no request is answered on the event loop's thread,
so a scrape cannot delay an order, and that /healthz answers while the loop is stuck.
"""

from __future__ import annotations

import errno
import socketserver
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from market_maker.config.runtime import MetricsConfig
from market_maker.core.errors import UnusableError

_MOST_THREADS: Final = 8
_SILENCE_S: Final = 5.0
_TEXT: Final = "text/plain; charset=utf-8"

Verdict = Callable[[], tuple[bool, str]]
"""Whether all is well, and one line that says why not; called on a server thread."""

Page = tuple[HTTPStatus, str, bytes]


class HttpSources:
    """Where pages come from. Everything here is called on server threads.

    `status` returns JSON bytes that the loop published; it must not touch the bot.
    """

    __slots__ = ("healthy", "ready", "registry", "status")

    def __init__(
        self,
        registry: CollectorRegistry,
        healthy: Verdict,
        ready: Verdict,
        status: Callable[[], bytes],
    ) -> None:
        self.registry = registry
        self.healthy = healthy
        self.ready = ready
        self.status = status

    def page(self, path: str, accept: str) -> Page:
        """Answer to a GET of `path`."""
        match path:
            case "/metrics":
                encode, content_type = choose_encoder(accept)
                return HTTPStatus.OK, content_type, encode(self.registry)
            case "/healthz":
                return _verdict(self.healthy)
            case "/readyz":
                return _verdict(self.ready)
            case "/status":
                return HTTPStatus.OK, "application/json", self.status()
            case _:
                known = b"not found: try /metrics, /healthz, /readyz or /status\n"
                return HTTPStatus.NOT_FOUND, _TEXT, known


class HttpServer:
    """Serves `sources` from its making until `stop`."""

    def __init__(self, config: MetricsConfig, sources: HttpSources) -> None:
        """Listen; raises UnusableError naming the port if it is taken."""
        self._server = _listen(config, sources)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Port in use, the chosen one if any free one was asked for."""
        return self._server.server_port

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], sources: HttpSources) -> None:
        self.sources = sources
        self._slots = threading.BoundedSemaphore(_MOST_THREADS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's types
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - likewise
        """A client that goes away is nothing to write about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE_S
    server_version = "market-maker"
    sys_version = ""

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        accept = self.headers.get("Accept", "")
        path = self.path.partition("?")[0]
        status, content_type, body = self.server.sources.page(path, accept)
        self._write(status, content_type, body, with_body=with_body)

    def _refuse(self) -> None:
        body = b"this server only reads: use GET or HEAD\n"
        self._write(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, body, with_body=True)

    do_POST = _refuse  # noqa: N815 - names given by the base class
    do_PUT = _refuse  # noqa: N815 - likewise
    do_DELETE = _refuse  # noqa: N815 - likewise
    do_PATCH = _refuse  # noqa: N815 - likewise
    do_OPTIONS = _refuse  # noqa: N815 - likewise

    def _write(
        self, status: HTTPStatus, content_type: str, body: bytes, *, with_body: bool
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Scrapes are nothing to write about."""


def _verdict(judge: Verdict) -> Page:
    good, why = judge()
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, _TEXT, f"{why}\n".encode()


def _listen(config: MetricsConfig, sources: HttpSources) -> _Server:
    try:
        return _Server((config.host, config.port), sources)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = "is taken: choose another with --metrics-port N (0 takes any free one)"
        else:
            why = f"cannot be used ({error.strerror}): check metrics.host and metrics.port"
        raise UnusableError(f"port {config.port} on {config.host} {why}") from error
    except OverflowError as error:
        raise UnusableError(f"port {config.port} is not a port: use 0 to 65535") from error
