"""Every configuration key changes something that can be observed (SC51, SC52, invariant 7).

The keys are read off the models, so a new key without a visible effect fails here. What one short
run with default settings cannot show has a row in `CASES`: the value, the world in which it shows,
and what surrounds it, or in `key_values`. A key that one market happens not to show may show in
another of the same kind.
"""

from __future__ import annotations

import enum
import json
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import worlds
from bot_process import SOL, BotProcess
from key_values import BESIDE, PLAIN, STORMY
from key_values import LIVELY as IN_LIVELY
from prometheus_client import CollectorRegistry
from pydantic.fields import FieldInfo

from market_maker.cli.engines import engine_models
from market_maker.config.keys import leaf_keys
from market_maker.config.layers import merged
from market_maker.config.runtime import JournalConfig, MetricsConfig
from market_maker.config.schema import PROCESS_KEYS, Settings
from market_maker.core.events import Timer
from market_maker.runtime.http_server import HttpServer, HttpSources
from market_maker.runtime.journal import FileJournal

Tree = dict[str, Any]

LIVELY: Tree = {
    "venue": {"simulated": {"market": {"noise_per_s": 1.5, "volatility_bps": 3.0}}},
}


_STORM: Tree = {
    "venue": {"simulated": {"market": {"noise_per_s": 3.0, "volatility_bps": 30.0}}},
}


class Case(NamedTuple):
    """A value, the world that shows its effect, and what else is set there."""

    value: object
    world: worlds.World = worlds.plain
    base: Tree = {}  # noqa: RUF012 - never written to


def under(section: str, value: object) -> Tree:
    """A tree with one value at a dotted path."""
    for name in reversed(section.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def _lively(value: object, section: str = "", **base: object) -> Case:
    tree = merged(LIVELY, under(section, base)) if section else LIVELY
    return Case(value, worlds.lively, tree)


def _stormy(value: object, section: str = "", **base: object) -> Case:
    tree = merged(_STORM, under(section, base)) if section else _STORM
    return Case(value, worlds.long, tree)


_WIDE = {
    "risk": {
        "max_position_notional_quote": 10**6,
        "capital_share": 100.0,
        "max_margin_utilisation": 1.0,
        "max_order_notional_quote": 10**6,
        "min_liquidation_distance_bps": 9000.0,
    },
    "quoting": {"ladder": {"order_size_quote": 4000.0}},
}
_OFFSET = {"quoting": {"engine": "offset"}, "risk": {"price_band_floor_bps": 1.0}}
_BURST = under("venue.simulated", {"order_burst": 7, "cancel_burst": 1, "query_burst": 8})

CASES: dict[str, Case] = {
    "account.tag": Case("other"),
    "venue.simulated.taker_fee_bps": Case(9, worlds.killed, {"kill": {"flatten": True}}),
    "venue.simulated.min_notional": Case(300),
    "venue.simulated.liquidation_fee_rate": Case(
        0.05, worlds.liquidated, under("venue.simulated", {"maintenance_margin_rate": 0.49})
    ),
    "venue.simulated.price_band": Case(0.00001),
    "venue.simulated.max_open_orders": Case(2),
    "venue.simulated.order_burst": Case(2),
    "venue.simulated.order_rate_per_s": Case(0.2, base=_BURST),
    "venue.simulated.cancel_burst": Case(1, base=under("venue.simulated.cancel_rate_per_s", 0.01)),
    "venue.simulated.cancel_rate_per_s": Case(0.01, base=_BURST),
    "venue.simulated.query_burst": Case(7, base=under("venue.simulated.query_rate_per_s", 2.0)),
    "venue.simulated.maintenance_margin_rate": Case(0.49, worlds.liquidated),
    "venue.simulated.query_rate_per_s": Case(0.5, base=_BURST),
    "venue.simulated.checkpoint_records": Case(10, worlds.checkpoints),
    "venue.simulated.capital": Case(1000),
    "venue.simulated.funding_sd_bps": Case(40.0, worlds.long),
    "venue.simulated.funding_half_life_s": Case(60.0, worlds.long),
    "venue.simulated.funding_cap_bps": Case(0.1),
    "market.book_depth_bps": Case(1.0, base=under("signals.fair_price.book", "depth")),
    "market.own_grace_s": Case(0.0, base=under("signals.fair_price.book", "depth")),
    "market.stale_after_s": Case(1.0, worlds.quiet),
    "market.contradicted_after_s": Case(30.0, worlds.frozen),
    "market.max_levels": Case(8, worlds.gapped_book, {"market": {"book_depth_bps": 50.0}}),
    "market.max_buffered_deltas": Case(0, worlds.gapped_book),
    "market.tape_length": Case(100, worlds.known_trade),
    "market.tape_window_s": Case(5.0, worlds.lively),
    "quoting.engine": Case("layered"),
    "quoting.ladder.adverse_prior_bps": Case(20.0),
    "quoting.ladder.adverse_min_fills": _lively(1, "quoting.ladder", adverse_prior_bps=1.5),
    "quoting.post_only.base_ticks": Case(3, worlds.post_only),
    "quoting.post_only.step_ticks": Case(2.0, worlds.post_only),
    "quoting.post_only.max_ticks": Case(4, worlds.post_only),
    "quoting.post_only.decay": Case(0.9, worlds.post_only),
    "quoting.post_only.reset_successes": Case(2, worlds.post_only),
    "quoting.post_only.cooldown_s": Case(1.0, worlds.post_only),
    "quoting.post_only.max_cooldown_s": Case(1.0, worlds.post_only),
    "ledger.in_flight_horizon_s": Case(3.0, worlds.lost),
    "ledger.request_deadline_s": Case(1.0, worlds.silent),
    "ledger.absent_misses": Case(5, worlds.lost),
    "ledger.replay_horizon_s": Case(1800.0, worlds.old_fill),
    "ledger.closed_order_retention_s": Case(200.0, worlds.old_fill),
    "ledger.adverse_horizon_s": _lively(1.0),
    "ledger.markout_horizons_s": _lively((0.5, 2.0)),
    "signals.toxicity.toxic_interval_scale": _stormy(0.05, "quoting.pipeline", min_interval_s=3.0),
    "risk.max_margin_utilisation": Case(0.001),
    "risk.max_position_qty": Case(3),
    "risk.min_liquidation_distance_bps": Case(500.0, worlds.lively, _WIDE),
    "risk.zone_hysteresis": _stormy(0.19, "risk", yellow_ratio=0.25, yellow_build_scale=0.0),
    "risk.yellow_build_scale": _lively(0.0),
    "risk.yellow_ratio": _lively(0.1),
    "risk.red_ratio": _lively(0.31),
    "risk.emergency_ratio": Case(5.0, worlds.inherited),
    "risk.emergency_target_ratio": Case(0.2, worlds.inherited),
    "risk.exit_slippage_bps": Case(1.0, worlds.inherited),
    "risk.price_band_bps": Case(1.0),
    "risk.price_band_spreads": Case(500.0, base=_OFFSET),
    "risk.price_band_floor_bps": Case(90.0, base=_OFFSET),
    "risk.max_order_notional_quote": Case(200),
    "risk.min_order_notional_quote": Case(300),
    "risk.max_drawdown": _lively(0.000002),
    "risk.max_daily_loss": _stormy(0.000002),
    "risk.request_window_s": _stormy(30.0),
    "risk.on_breach": _lively("exit", "risk", max_drawdown=0.000002),
    "risk.error_window_s": Case(2.0, worlds.refused, under("risk.error_halt_count", 4)),
    "risk.error_halt_count": Case(3, worlds.refused),
    "risk.error_kill_count": Case(6, worlds.refused, under("risk.error_halt_count", 5)),
    "risk.unknown_halt_count": Case(1, worlds.lost),
    "risk.unknown_kill_count": Case(4, worlds.all_lost),
    "risk.feed_dead_s": Case(6.0, worlds.quiet),
    "risk.unexplained_confirmations": Case(4, worlds.meddled),
    "risk.balance_stale_s": Case(1.0),
    "runtime.private_stale_s": Case(0.3),
    "runtime.rules_period_s": Case(2.0, worlds.ruled_anew),
    "journal.hold_period_s": Case(1.0),
    "runtime.resync_backoff_s": Case(1.0, worlds.reluctant),
    "runtime.resync_backoff_max_s": Case(0.3, worlds.reluctant),
    "runtime.exit_attempts": Case(
        1, worlds.killed, {"kill": {"flatten": True, "flatten_slippage_bps": 0.0}}
    ),
    "shutdown.flatten": Case(True, worlds.stopped),
    "shutdown.flatten_slippage_bps": Case(1.0, worlds.stopped, under("shutdown.flatten", True)),
    "shutdown.timeout_s": Case(0.01),
    "kill.flatten": Case(True, worlds.killed),
    "kill.flatten_slippage_bps": Case(1.0, worlds.killed, under("kill.flatten", True)),
    "engines.glft.max_lots": Case(2),
    "engines.avellaneda-stoikov.max_vol_ratio": Case(1.0),
    "engines.layered.correlation": Case(0.0, worlds.paired, LIVELY),
    "engines.layered.multiples": Case([1.0, 3.0, 5.0]),
    "engines.layered.shares": Case([0.2, 0.3, 0.5]),
    "engines.offset.fixed_bps": Case(5.0, base=under("engines.offset.mode", "fixed")),
    "engines.offset.max_bps": Case(3.1),
    "paper.leverage": Case(2, worlds.rehearsed),
    "paper.maker_fee_bps": Case(1, worlds.rehearsed),
    "paper.taker_fee_bps": Case(9, worlds.on_paper),
    "logging.format": Case("console", worlds.log_lines),
    "logging.level": Case("debug", worlds.log_lines),
    "logging.info_lines_per_hour": Case(5, worlds.log_lines),
}

PROCESS = frozenset(
    {
        "runtime.stall_after_s",
        "venue.simulated.socket",
        "journal.enabled",
        "journal.max_file_mb",
        "journal.max_total_mb",
        "journal.sync_period_s",
        "recording.enabled",
        "recording.rotate_minutes",
        "recording.keep_days",
        "recording.keep_mb",
        "recording.min_free_mb",
        "recording.queue_rows",
        "recording.sync_period_s",
        "metrics.host",
        "metrics.port",
        "metrics.status_period_s",
        "logging.health_line_s",
    }
)
"""Keys that only a process of its own can show: see the last tests of this file, and those of `ticks`."""


def alternatives(field: FieldInfo) -> list[object]:
    """Other values that a key may well take."""
    default = field.get_default(call_default_factory=True)
    match default:
        case bool():
            return [not default]
        case enum.Enum():
            return [other for other in type(default) if other is not default]
        case int():
            return [default * 2 or 1, max(1, default // 2), default + 1]
        case float():
            return [default * 0.5, default * 2.0 or 0.5, default * 0.9]
        case Decimal():
            return [default / 2, default * 2 or Decimal("0.5")]
        case _ if get_origin(field.annotation) is Literal:
            return [other for other in get_args(field.annotation) if other != default]
    return []


FIELDS: Mapping[str, FieldInfo] = {
    ".".join(path): field
    for path, field in leaf_keys(Settings)
    if path not in {("engines",), ("markets",)}
} | {
    f"engines.{engine}.{name}": field
    for engine, model in engine_models().items()
    for name, field in model.model_fields.items()
}

_BASELINES: dict[tuple[worlds.World, str], str] = {}


def observed(world: worlds.World, tree: Tree) -> str:
    """What a world shows; remembered, because many keys share what they are compared with."""
    name = world, str(tree)
    if name not in _BASELINES:
        _BASELINES[name] = world(Settings.model_validate(tree))
    return _BASELINES[name]


def valid(tree: Tree) -> Settings | None:
    try:
        return Settings.model_validate(tree)
    except ValueError:
        return None


def cases(key: str) -> list[Case]:
    """What to try in turn: each case, then the same in another market."""
    tried = _cases(key)
    again = [
        case._replace(world=worlds.ELSEWHERE[case.world])
        for case in tried
        if case.world in worlds.ELSEWHERE
    ]
    return tried + again


def _cases(key: str) -> list[Case]:
    if key in CASES:
        return [CASES[key]]
    if key.startswith("paper."):
        others = alternatives(FIELDS[key])
        return [Case(other, w) for w in (worlds.rehearsed, worlds.on_paper) for other in others]
    beside = under(key.rpartition(".")[0], BESIDE.get(key, {}))
    for values, world, base in (
        (PLAIN, worlds.plain, {}),
        (IN_LIVELY, worlds.lively, LIVELY),
        (STORMY, worlds.long, merged(_STORM, beside)),
    ):
        if key in values:
            return [Case(values[key], world, base)]
    return [Case(value) for value in alternatives(FIELDS[key])]


@pytest.mark.parametrize("key", [key for key in FIELDS if key not in PROCESS])
@pytest.mark.scenario("SC51", "SC52", "INV7")
def test_changing_a_key_changes_something(key: str) -> None:
    engine = under("quoting.engine", key.split(".")[1]) if key.startswith("engines.") else {}
    shown = False
    for case in cases(key):
        base = merged(case.base, engine)
        changed = valid(merged(base, under(key, case.value)))
        if changed is not None and case.world(changed) != observed(case.world, base):
            shown = True
            break
    assert shown


def test_the_tables_name_keys_that_exist() -> None:
    tables = (set(CASES), set(PLAIN), set(IN_LIVELY), set(STORMY), set(PROCESS))
    named = set().union(*tables)
    assert named <= set(FIELDS)
    assert set(BESIDE) <= set(STORMY)
    assert len(named) == sum(map(len, tables)), "a key stands in one table only"


OVERRIDES = {
    "paper.maker_fee_bps": 1,
    "venue.simulated.market.start_price": 75,
    "market.own_grace_s": 0.0,
    "signals.volatility.cold_start_bps": 4.0,
    "quoting.ladder.levels": 1,
    "engines.glft.max_lots": 2,
    "ledger.in_flight_horizon_s": 3.0,
    "risk.max_position_notional_quote": 200,
    "runtime.private_stale_s": 0.3,
    "journal.hold_period_s": 1.0,
    "kill.flatten": True,
}
"""A key of every section that a market may override."""


@pytest.mark.parametrize("key", OVERRIDES)
def test_a_markets_own_value_is_what_that_market_does(key: str) -> None:
    """The same as setting it for all, and nothing to a market of another name."""
    case = CASES.get(key, Case(OVERRIDES[key]))
    tree = under(key, OVERRIDES[key])
    common = case.world(Settings.model_validate(merged(case.base, tree)))
    own = merged(case.base, {"markets": {SOL: tree}})
    other = merged(case.base, {"markets": {"BTC-USD": tree}})
    assert case.world(Settings.model_validate(own)) == common
    assert common != observed(case.world, case.base)
    assert case.world(Settings.model_validate(other)) == observed(case.world, case.base)


def test_every_section_that_a_market_may_override_is_among_them() -> None:
    overridable = {
        key.split(".")[0]
        for key in FIELDS
        if not any(key.split(".")[: len(path)] == list(path) for path in PROCESS_KEYS)
    }
    assert {key.split(".")[0] for key in OVERRIDES} == overridable


# Keys that only a process of its own can show -----------------------------------------------------


@pytest.fixture(scope="module")
def unusual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotProcess]:
    """One bot with every setting of the process changed."""
    folder = tmp_path_factory.mktemp("unusual")
    environ = {
        "MM_JOURNAL__ENABLED": "false",
        "MM_METRICS__HOST": "127.0.0.2",
        "MM_METRICS__STATUS_PERIOD_S": "0.05",
        "MM_LOGGING__HEALTH_LINE_S": "0.1",
        "MM_RUNTIME__STALL_AFTER_S": "0.001",
    }
    with BotProcess(folder, "--log-format", "json", environ=environ) as bot:
        bot.until_quoting()
        bot.wait(lambda: "health" in bot.events(), "a health line")
        yield bot
        bot.stop()


def test_the_process_obeys_its_own_keys(unusual: BotProcess) -> None:
    """By default: a journal, 127.0.0.1, a health line a quarter of an hour, stalls of a second."""
    assert not unusual.paths.ticks_dir(SOL).exists()  # only paper records unless told to
    assert not list(unusual.paths.journal_dir(SOL).glob("*.jsonl"))
    url = f"http://127.0.0.2:{unusual.port}/status"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == HTTPStatus.OK
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{unusual.port}/healthz", timeout=10)
    assert unusual.events().count("health") >= 1
    unusual.wait(lambda: "event_loop_stalled" in unusual.events(), "a stall of a millisecond")


def test_status_is_as_old_as_its_period_allows(unusual: BotProcess) -> None:
    """Twenty times a second: a tenth of the time in which the default refreshes once or twice."""

    def as_of() -> float:
        with urllib.request.urlopen(
            f"http://127.0.0.2:{unusual.port}/status", timeout=10
        ) as answer:
            return float(json.loads(answer.read())["as_of_s"])

    first = as_of()
    seen = {first}

    def two_seconds() -> bool:
        seen.add(as_of())
        return max(seen) > first + 2.0

    unusual.wait(two_seconds, "two seconds of status")
    assert len(seen) > 8


def test_the_port_is_the_configured_one() -> None:
    sources = HttpSources(CollectorRegistry(), _well, _well, status=lambda: b"{}")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        free = holder.getsockname()[1]
    server = HttpServer(MetricsConfig(port=free), sources)
    try:
        assert server.port == free
    finally:
        server.stop()


def _well() -> tuple[bool, str]:
    return True, "ok"


@pytest.mark.parametrize(
    ("change", "fewer"), [({"max_file_mb": 0.05}, False), ({"max_total_mb": 0.03}, True)]
)
def test_journal_files_follow_their_sizes(
    tmp_path: Path, change: dict[str, float], *, fewer: bool
) -> None:
    def files(folder: Path, config: JournalConfig) -> tuple[int, int]:
        journal = FileJournal(folder, 1, config, lambda _detail: None)
        for i in range(2000):
            journal.append(Timer(i))
        journal.close()
        found = list(folder.glob("*.jsonl"))
        return len(found), max(path.stat().st_size for path in found)

    usual = {"max_file_mb": 0.01, "max_total_mb": 1.0}
    before = files(tmp_path / "usual", JournalConfig.model_validate(usual))
    after = files(tmp_path / "changed", JournalConfig.model_validate(usual | change))
    assert after[0] < before[0]
    assert (after[1] > before[1]) is not fewer


def test_the_journal_is_synced_as_often_as_asked(tmp_path: Path) -> None:
    """Without any record and before the end only the period makes it sync."""
    synced = threading.Event()
    config = JournalConfig(sync_period_s=0.001)
    journal = FileJournal(
        tmp_path, 1, config, lambda _detail: None, sync=lambda _descriptor: synced.set()
    )
    try:
        assert synced.wait(0.9)  # the default would take a second
    finally:
        journal.close()
