"""The HTTP server: four pages, nothing that writes, never in the way."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from market_maker.config.runtime import MetricsConfig
from market_maker.core.errors import UnusableError
from market_maker.runtime.http_server import HttpServer, HttpSources


class _Bot:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        Gauge("mm_position_base", "Position", ["market"], registry=self.registry).labels(
            "SOL-USD"
        ).set(1.5)
        self.healthy = (True, "ok")
        self.ready = (False, "syncing")
        self.status = b'{"state":"quoting"}'
        self.sources = HttpSources(
            self.registry, lambda: self.healthy, lambda: self.ready, lambda: self.status
        )


def _config(port: int = 0) -> MetricsConfig:
    return MetricsConfig.model_validate({"port": port})


@pytest.fixture
def bot() -> _Bot:
    return _Bot()


@pytest.fixture
def server(bot: _Bot) -> Iterator[HttpServer]:
    running = HttpServer(_config(), bot.sources)
    yield running
    running.stop()


def _ask(server: HttpServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return result


def test_metrics_are_what_prometheus_reads(server: HttpServer) -> None:
    status, headers, body = _ask(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    (family,) = text_string_to_metric_families(body.decode())
    assert [(s.name, s.labels, s.value) for s in family.samples] == [
        ("mm_position_base", {"market": "SOL-USD"}, 1.5)
    ]


def test_health_and_readiness_follow_the_bot(server: HttpServer, bot: _Bot) -> None:
    assert _ask(server, "/healthz")[::2] == (200, b"ok\n")
    assert _ask(server, "/readyz")[::2] == (503, b"syncing\n")
    bot.healthy, bot.ready = (False, "loop stalled for 3 s"), (True, "quoting")
    assert _ask(server, "/healthz")[::2] == (503, b"loop stalled for 3 s\n")
    assert _ask(server, "/readyz?verbose=1")[::2] == (200, b"quoting\n")


def test_status_is_the_latest_snapshot(server: HttpServer, bot: _Bot) -> None:
    status, headers, body = _ask(server, "/status")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"state": "quoting"}
    bot.status = b'{"state":"halted"}'
    assert json.loads(_ask(server, "/status")[2]) == {"state": "halted"}


def test_head_answers_without_a_body(server: HttpServer, bot: _Bot) -> None:
    status, headers, body = _ask(server, "/status", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len(bot.status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(server: HttpServer, method: str) -> None:
    status, headers, _ = _ask(server, "/status", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/kill", "/metrics/", "/../status"])
def test_other_pages_do_not_exist(server: HttpServer, path: str) -> None:
    assert _ask(server, path)[0] == 404


def test_the_server_does_not_name_its_software_versions(server: HttpServer) -> None:
    assert "Python" not in _ask(server, "/status")[1]["Server"]


def test_a_taken_port_is_named_with_the_remedy(server: HttpServer, bot: _Bot) -> None:
    with pytest.raises(UnusableError, match=rf"port {server.port} on 127.0.0.1 .*--metrics-port"):
        HttpServer(_config(server.port), bot.sources)


def test_an_address_that_is_not_ours_is_refused(bot: _Bot) -> None:
    config = MetricsConfig.model_validate({"host": "192.0.2.1", "port": 0})
    with pytest.raises(UnusableError, match=r"192\.0\.2\.1.*metrics\.host"):
        HttpServer(config, bot.sources)


def test_the_port_is_free_after_stopping(bot: _Bot) -> None:
    first = HttpServer(_config(), bot.sources)
    port = first.port
    first.stop()
    HttpServer(_config(port), bot.sources).stop()


def test_silent_connections_cannot_take_more_than_the_bounded_threads(
    server: HttpServer,
) -> None:
    before = threading.active_count()
    connections = [
        socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(40)
    ]
    dropped = [connection for connection in connections[8:] if connection.recv(1) == b""]
    assert len(dropped) == 32
    assert threading.active_count() <= before + 8
    for connection in connections:
        connection.close()
    status = 0
    while status != 200:  # until the threads have seen that their clients left
        try:
            status = _ask(server, "/healthz")[0]
        except (http.client.HTTPException, OSError):
            continue
