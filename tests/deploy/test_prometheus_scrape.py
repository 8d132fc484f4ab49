"""A real Prometheus scrapes the bot's real HTTP server, and every panel gets data."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from market_maker.config.runtime import MetricsConfig
from market_maker.core.events import Feed, Liquidity, OrderState, RequestKind, Result
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import SIDES
from market_maker.runtime.http_server import HttpServer, HttpSources
from market_maker.telemetry.metrics import Metrics
from market_maker.telemetry.snapshot import HaltStatus, Status, decode

ROOT = Path(__file__).parents[2]
MARKET = "SOL-USD"
DEADLINE_S = 40.0

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


def _busy(metrics: Metrics, status: Status) -> None:
    """Let everything that can be counted happen once more."""
    market = metrics.market(MARKET)
    for side in SIDES:
        market.on_request(side, RequestKind.SUBMIT)
        market.on_outcome(side, RequestKind.SUBMIT, Result.ACCEPTED)
        market.on_order_end(side, OrderState.CANCELLED)
        market.on_fill(side, Liquidity.MAKER)
    market.on_decision(DecisionReason.STATIC)
    market.on_refusal(Refusal.PRICE_BAND)
    market.on_gap(Feed.BOOK)
    market.on_reconnect(Feed.BOOK)
    market.on_reconcile("agreed")
    market.observe_tick_to_decision(60e-6)
    market.observe_tick_to_send(200e-6)
    market.observe_order_ack(0.07)
    metrics.observe_loop_lag(0.002)
    metrics.publish(msgspec.structs.replace(status, as_of_s=time.time()))


def _sample() -> Status:
    sample = decode((ROOT / "tests" / "telemetry" / "sample_status.json").read_bytes())
    (market,) = sample.markets.values()
    reason = HaltReason.FEED_STALE
    halted = msgspec.structs.replace(
        market, halts=(HaltStatus(reason, 1.0, "", reason.resting, reason.clears),)
    )
    return msgspec.structs.replace(sample, markets={MARKET: halted})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="0.1.0", mode="sim")


@pytest.fixture
def prometheus(metrics: Metrics, tmp_path: Path) -> Iterator[str]:
    sources = HttpSources(metrics.registry, lambda: (True, ""), lambda: (True, ""), lambda: b"{}")
    server = HttpServer(MetricsConfig(port=0), sources)
    config = yaml.safe_load((ROOT / "grafana" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(ROOT / "grafana" / "prometheus" / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{server.port}"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"http://{address}"
    process.kill()
    process.wait()
    server.stop()


def _answers(prometheus: str, query: str) -> bool:
    address = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(json.load(answer)["data"]["result"])
    except (urllib.error.URLError, ConnectionError):
        return False


def _queries() -> list[str]:
    board = json.loads((ROOT / "grafana" / "dashboards" / "market-maker.json").read_text("utf-8"))
    targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
    return [
        target["expr"].replace("$market", MARKET).replace("$__rate_interval", "10s")
        for target in targets
    ]


def test_every_panel_of_the_dashboard_gets_data(metrics: Metrics, prometheus: str) -> None:
    status = _sample()
    pending = _queries()
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while pending and time.monotonic() < deadline:
        _busy(metrics, status)
        pause.wait(0.2)
        pending = [query for query in pending if not _answers(prometheus, query)]
    assert pending == []
    assert _answers(prometheus, 'up{job="market-maker"} == 1')
