from __future__ import annotations

import re
import shutil
import subprocess

import msgspec
import pytest
from order_life import tell_life
from order_reports import fill
from prometheus_client import generate_latest

from market_maker.core.commands import LevelId
from market_maker.core.events import Feed
from market_maker.core.reasons import DecisionReason, HaltReason, Refusal
from market_maker.core.side import Side
from market_maker.telemetry.metrics import Metrics
from market_maker.telemetry.snapshot import KillStatus, Status

MARKET = "SOL-USD"

PROMISED = {
    "mm_state": {"state"},
    "mm_kill_switch_engaged": set(),
    "mm_halted": {"reason"},
    "mm_orders_open": {"side"},
    "mm_orders_total": {"side", "event"},
    "mm_fills_total": {"side", "liquidity"},
    "mm_position_base": set(),
    "mm_inventory_ratio": set(),
    "mm_equity_quote": set(),
    "mm_pnl_quote": {"component"},
    "mm_quote_price": {"side", "level"},
    "mm_quote_offset_bps": {"side", "level", "component"},
    "mm_decisions_total": {"reason"},
    "mm_regime": {"regime"},
    "mm_volatility_bps": {"horizon"},
    "mm_markout_bps": {"side", "horizon"},
    "mm_feed_last_update_timestamp_seconds": {"feed"},
    "mm_feed_gaps_total": {"feed"},
    "mm_reconnects_total": {"feed"},
    "mm_post_only_taker_fills": set(),
    "mm_post_only_taker_ratio": set(),
    "mm_unknown_orders": set(),
    "mm_reconciles_total": {"result"},
    "mm_risk_refusals_total": {"reason"},
    "mm_risk_limit": {"limit"},
    "mm_rate_tokens": {"lane"},
    "mm_clock_offset_seconds": set(),
    "mm_journal_dropped_total": set(),
}
"""Names and labels (beside `market`) that dashboards and alerts outside this project rely on."""


@pytest.fixture
def metrics(status: Status) -> Metrics:
    made = Metrics(version=status.version, mode=status.mode)
    market = made.market(MARKET)
    market.on_decision(DecisionReason.STATIC)
    market.on_refusal(Refusal.PRICE_BAND)
    tell_life(market, Side.BUY)
    market.on_gap(Feed.BOOK)
    market.on_reconnect(Feed.PRIVATE)
    market.on_reconcile("agreed")
    market.on_journal_dropped(3)
    market.observe_tick_to_decision(60e-6)
    market.observe_tick_to_send(200e-6)
    market.observe_order_ack(0.07)
    made.observe_loop_lag(0.002)
    made.publish(status)
    return made


def _samples(metrics: Metrics) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"market": MARKET, **labels})


def test_every_promised_metric_has_its_labels(metrics: Metrics) -> None:
    samples = _samples(metrics)
    for name, labels in PROMISED.items():
        for key in samples[name]:
            assert {label for label, _ in key} == labels | {"market"}, name


def test_process_metrics_carry_no_market(metrics: Metrics) -> None:
    registry = metrics.registry
    assert registry.get_sample_value("mm_build_info", {"version": "0.1.0", "mode": "sim"}) == 1.0
    assert registry.get_sample_value("mm_event_loop_lag_seconds_count") == 1.0


@pytest.mark.parametrize(
    "name", ["mm_tick_to_decision_seconds", "mm_tick_to_send_seconds", "mm_order_ack_seconds"]
)
def test_timings_are_histograms_per_market(metrics: Metrics, name: str) -> None:
    assert _value(metrics, f"{name}_count") == 1.0
    assert _value(metrics, f"{name}_bucket", le="+Inf") == 1.0


def test_counters_count_what_happened(metrics: Metrics) -> None:
    metrics.market(MARKET).on_fill(fill("other", "one", 10), LevelId(Side.BUY, 0))
    assert _value(metrics, "mm_fills_total", side="buy", liquidity="maker") == 2.0
    assert _value(metrics, "mm_fills_total", side="sell", liquidity="maker") == 0.0
    assert _value(metrics, "mm_orders_total", side="buy", event="submit") == 1.0
    assert _value(metrics, "mm_orders_total", side="buy", event="submit_accepted") == 1.0
    assert _value(metrics, "mm_orders_total", side="buy", event="cancelled") == 1.0
    assert _value(metrics, "mm_journal_dropped_total") == 3.0


def test_no_gauge_exists_before_the_first_status() -> None:
    metrics = Metrics(version="1", mode="sim")
    metrics.market(MARKET)
    assert _value(metrics, "mm_position_base") is None


def test_gauges_follow_the_status(metrics: Metrics, status: Status) -> None:
    market = status.markets[MARKET]
    assert _value(metrics, "mm_position_base") == float(market.position.base)
    assert _value(metrics, "mm_state", state="quoting") == 1.0
    assert _value(metrics, "mm_state", state="halted") == 0.0
    assert _value(metrics, "mm_regime", regime="normal") == 1.0
    assert _value(metrics, "mm_volatility_bps", horizon="60s") == 8.1
    assert _value(metrics, "mm_orders_open", side="buy") == 2.0
    assert _value(metrics, "mm_orders_open", side="sell") == 3.0
    assert _value(metrics, "mm_risk_limit", limit="drawdown_quote") == 200.0
    ratio = _value(metrics, "mm_risk_usage_ratio", limit="drawdown_quote")
    assert ratio == pytest.approx(3.1 / 200)


def test_pnl_components_sum_to_the_total(metrics: Metrics, status: Status) -> None:
    total = sum(_samples(metrics)["mm_pnl_quote"].values())
    assert total == pytest.approx(float(status.markets[MARKET].pnl.total))


def test_offset_components_sum_to_the_distance_from_mid(metrics: Metrics, status: Status) -> None:
    market = status.markets[MARKET]
    assert market.book is not None
    for level in market.levels:
        wanted = {("side", level.side), ("level", str(level.level))}
        parts = [v for key, v in _samples(metrics)["mm_quote_offset_bps"].items() if wanted <= key]
        assert level.target_price is not None
        distance_bps = float(level.target_price / market.book.mid_price - 1) * 10_000
        assert sum(parts) == pytest.approx(distance_bps)


def test_a_level_without_an_order_has_no_price(metrics: Metrics) -> None:
    assert _value(metrics, "mm_quote_price", side="buy", level="1") == 149.9
    assert _value(metrics, "mm_quote_price", side="buy", level="2") is None


def test_the_accounts_kill_switch_shows_on_every_market(metrics: Metrics, status: Status) -> None:
    assert _value(metrics, "mm_kill_switch_engaged") == 0.0
    metrics.publish(msgspec.structs.replace(status, kill_switch=KillStatus(engaged=True)))
    assert _value(metrics, "mm_kill_switch_engaged") == 1.0


def test_a_market_without_a_book_still_renders(metrics: Metrics, status: Status) -> None:
    (market,) = status.markets.values()
    bare = msgspec.structs.replace(market, book=None, readings=None)
    metrics.publish(msgspec.structs.replace(status, markets={MARKET: bare}))
    assert _value(metrics, "mm_quote_offset_bps", side="buy", level="0", component="fair") is None
    assert _value(metrics, "mm_halted", reason=HaltReason.STARTING.value) == 0.0


def test_one_market_stays_within_the_budget_of_lines(metrics: Metrics) -> None:
    page = generate_latest(metrics.registry).decode()
    assert len([line for line in page.splitlines() if not line.startswith("#")]) <= 500
    assert not re.search(r"_created\b", page)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_about(metrics: Metrics) -> None:
    page = generate_latest(metrics.registry)
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, check=False
    )
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, b"")


def test_on_paper_no_time_is_claimed_for_thinking() -> None:
    """The bot's clock stands still meanwhile: zero would be a lie."""
    metrics = Metrics(version="1", mode="paper")
    market = metrics.market(MARKET)
    market.observe_tick_to_decision(0.0)
    market.observe_tick_to_send(0.0)
    market.observe_order_ack(0.08)
    shown = generate_latest(metrics.registry).decode()
    assert "mm_tick_to_decision_seconds_count" not in shown
    assert "mm_tick_to_send_seconds_count" not in shown
    assert "mm_order_ack_seconds_count" in shown
