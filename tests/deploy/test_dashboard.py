"""The dashboard without Grafana: its queries parse and ask for what the bot exports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from market_maker.telemetry.metrics import Metrics

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "market-maker.json").read_text(encoding="utf-8"))
NOT_SHOWN: set[str] = set()
"""Metrics that no panel needs, on purpose."""

VARIABLES = {"$market": "SOL-USD", "$__rate_interval": "1m"}
SUFFIX = re.compile(r"_(total|bucket|count|sum)$")


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def _queries() -> Iterator[str]:
    for panel in _panels():
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            yield query


def _families() -> set[str]:
    return {family.name for family in Metrics(version="1", mode="sim").registry.collect()}


@pytest.mark.parametrize("query", list(_queries()))
def test_a_query_parses_and_asks_for_metrics_that_exist(query: str) -> None:
    promql_parser.parse(query)
    assert "$" not in query
    names = {SUFFIX.sub("", name) for name in re.findall(r"\bmm_\w+", query)}
    assert names
    assert names <= _families()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {SUFFIX.sub("", name) for query in _queries() for name in re.findall(r"mm_\w+", query)}
    assert _families() - shown == NOT_SHOWN


def test_panels_have_their_own_ids_and_places() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_panels_have_a_unit_and_use_the_chosen_data_source() -> None:
    for panel in _panels():
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_queries_of_a_market_follow_the_chosen_one() -> None:
    process_wide = ("mm_build_info", "mm_event_loop_lag_seconds")
    for panel in _panels():
        for target in panel["targets"]:
            if not any(name in target["expr"] for name in process_wide):
                assert 'market="$market"' in target["expr"], panel["title"]


def test_provisioning_finds_dashboard_and_data_source() -> None:
    compose = yaml.safe_load((GRAFANA.parent / "docker-compose.yml").read_text(encoding="utf-8"))
    mounts = dict(
        volume.removesuffix(":ro").split(":")
        for volume in compose["services"]["grafana"]["volumes"]
    )
    provider = yaml.safe_load(
        (GRAFANA / "provisioning" / "dashboards" / "market-maker.yml").read_text(encoding="utf-8")
    )["providers"][0]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    source = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text(encoding="utf-8")
    )["datasources"][0]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
