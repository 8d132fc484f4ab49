"""Alert rules and scrape configuration, judged by Prometheus's own tool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from market_maker.telemetry.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "grafana" / "prometheus"
WANTED = {
    "BotDown",
    "KillSwitchEngaged",
    "FeedStale",
    "FeedNeverSpoke",
    "PositionNearLimit",
    "LossNearLimit",
    "UnknownOrders",
    "LoopLag",
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def _rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=FOLDER, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways() -> None:
    text = (FOLDER / "alerts.test.yml").read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    silent = {
        case["alertname"] for test in document["tests"] for case in test.get("alert_rule_test", [])
    }
    fired = set(re.findall(r'alertname="(\w+)"', text))
    names = {rule["alert"] for rule in _rules()}
    assert names >= WANTED
    assert silent == names
    assert fired == names


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in _rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_alerts_ask_for_metrics_that_exist() -> None:
    families = {family.name for family in Metrics(version="1", mode="sim").registry.collect()}
    suffix = re.compile(r"_(total|bucket|count|sum)$")
    for rule in _rules():
        for name in re.findall(r"\bmm_\w+", rule["expr"]):
            assert name in families or suffix.sub("", name) in families, name
