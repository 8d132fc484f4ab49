"""A real Prometheus scrapes a running bot; every panel and every alert gets its data.

What a healthy bot cannot show (a halt, a refusal, a gap) comes from the same HTTP server with sample data.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from bot_process import BUSY, SOL, BotProcess
from order_life import tell_life

from market_maker.config.runtime import MetricsConfig
from market_maker.core.events import Feed
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import SIDES
from market_maker.runtime.http_server import HttpServer, HttpSources
from market_maker.telemetry.metrics import Metrics
from market_maker.telemetry.snapshot import HaltStatus, Status, decode
from market_maker.ticks.recorder import RecordingCounts

ROOT = Path(__file__).parents[2]
MARKET = "SOL-USD"
DEADLINE_S = 40.0
ONLY_IN_TROUBLE = ("mm_halted", "mm_risk_refusals_total")
"""Metrics whose panels are rightly empty while a bot is well; sample data fills those."""

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


def _busy(metrics: Metrics, status: Status) -> None:
    """Let everything that can be counted happen once more."""
    market = metrics.market(MARKET)
    for side in SIDES:
        tell_life(market, side)
    market.on_decision(DecisionReason.STATIC)
    market.on_refusal(Refusal.PRICE_BAND)
    market.on_gap(Feed.BOOK)
    market.on_reconnect(Feed.BOOK)
    market.on_reconcile("agreed")
    market.observe_tick_to_decision(60e-6)
    market.observe_tick_to_send(200e-6)
    market.observe_order_ack(0.07)
    metrics.observe_loop_lag(0.002)
    recorded = RecordingCounts(time.monotonic_ns(), 0, 0, time.monotonic_ns(), 0, "")
    metrics.watch_recordings(lambda: {MARKET: recorded})
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


@contextlib.contextmanager
def _prometheus(port: int, folder: Path) -> Iterator[str]:
    """Scrape what listens on a port, as the shipped configuration says, but more often."""
    config = yaml.safe_load((ROOT / "grafana" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(ROOT / "grafana" / "prometheus" / "alerts.yml")]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def prometheus(metrics: Metrics, tmp_path: Path) -> Iterator[str]:
    sources = HttpSources(metrics.registry, lambda: (True, ""), lambda: (True, ""), lambda: b"{}")
    server = HttpServer(MetricsConfig(port=0), sources)
    with _prometheus(server.port, tmp_path) as address:
        yield address
    server.stop()


def _ask(prometheus: str, path: str, **parameters: str) -> dict[str, Any] | None:
    """The data of an API call, None while Prometheus is still starting; refusals raise."""
    address = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
            return data
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return None
        raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def _answers(prometheus: str, query: str) -> bool:
    data = _ask(prometheus, "query", query=query)
    return data is not None and bool(data["result"])


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


def _selectors() -> set[str]:
    """Every series that an alert looks at, without what it compares them with."""
    rules = yaml.safe_load((ROOT / "grafana" / "prometheus" / "alerts.yml").read_text("utf-8"))
    expressions = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    return set(re.findall(r"\b(?:mm_\w+|up)(?:\{[^}]*\})?", expressions))


def _firing(prometheus: str) -> set[str]:
    """Names of firing alerts, once every rule was evaluated without an error."""
    data = _ask(prometheus, "rules")
    rules = [rule for group in data["groups"] for rule in group["rules"]] if data else []
    assert all(rule["health"] in ("ok", "unknown") for rule in rules), rules
    return {rule["name"] for rule in rules if rule["state"] == "firing"}


def test_a_running_bot_fills_dashboard_and_alerts_until_the_kill_switch_fires_one(
    tmp_path: Path,
) -> None:
    environ = BUSY | {"MM_RECORDING__ENABLED": "true"}
    with (
        BotProcess(tmp_path, environ=environ) as bot,
        _prometheus(bot.port, tmp_path) as prometheus,
    ):
        bot.until(lambda status: status.markets[SOL].fills >= 2, "fills")
        pending = {query for query in _queries() if not any(n in query for n in ONLY_IN_TROUBLE)}
        pending |= _selectors()

        def answered() -> bool:
            pending.difference_update([query for query in pending if _answers(prometheus, query)])
            return not pending

        bot.wait(answered, "an answer to every query")
        assert _firing(prometheus) == set()
        exported = bot.http("/metrics")
        bot.send(signal.SIGUSR1)
        bot.wait(lambda: _firing(prometheus) == {"KillSwitchEngaged"}, "the alert")
        halted = f'mm_halted{{market="{SOL}",reason="killed"}} > 0'
        bot.wait(lambda: _answers(prometheus, halted), "the halt")
    assert _accepted(exported)


def _accepted(exported: str) -> bool:
    """Whether Prometheus's own tool finds nothing to criticise."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exported,
        capture_output=True,
        check=False,
        text=True,
    )
    return (done.returncode, done.stdout, done.stderr) == (0, "", "")
