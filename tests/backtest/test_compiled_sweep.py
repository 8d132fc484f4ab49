"""The compiled driver: the fills of the asyncio driver, the prices of the bot, and itself when repeated."""

from __future__ import annotations

import numpy as np
import pytest
from plain_market import plain_readings
from schedules import played_fills
from synthetic_rows import INSTRUMENT, synthetic_ticks

from market_maker.backtest.sweep import (
    Sweep,
    SweepResult,
    compiled_engine,
    new_desk,
    sweep_settings,
)
from market_maker.backtest.sweep_market import MarketPath, follow_market
from market_maker.config.paper import PaperConfig
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS
from market_maker.core.units import money_from_decimal
from market_maker.kernels import ladder as ld
from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_limits, sweep_pricing
from market_maker.kernels import sweep_market as sm
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.quoting.registry import build_engine
from market_maker.risk.inventory import InventoryZones
from market_maker.risk.limits import Account, LimitRules
from market_maker.ticks.columns import Ticks
from market_maker.venues.paper.terms import terms_of

INTERVAL_NS = NANOS // 10


@pytest.fixture(scope="module")
def ticks() -> Ticks:
    return synthetic_ticks(40_000, seed=3)


@pytest.fixture(scope="module")
def path(ticks: Ticks) -> MarketPath:
    settings = _settings()
    return follow_market(ticks, INSTRUMENT, settings.market, settings.signals, INTERVAL_NS)


def _sweep(ticks: Ticks, path: MarketPath, settings: Settings, seed: int = 5) -> Sweep:
    terms = terms_of(settings.paper, INSTRUMENT)
    return Sweep(ticks, path, INSTRUMENT, settings, terms, seed, note_requests=100_000)


def _settings(engine: str = "glft", levels: int = 3, **risk: object) -> Settings:
    """A bot that quotes near enough to be filled within a minute."""
    ladder = {"levels": levels, "adverse_prior_bps": 0.0, "margin_bps": 0.0}
    signals = {"intensity": {"cold_k_per_bps": 5.0}}
    engines = {"glft": {"impact_horizon_s": 0.0}}
    quoting = {"engine": engine, "ladder": ladder}
    return Settings.model_validate(
        {"quoting": quoting, "signals": signals, "engines": engines, "risk": risk}
    )


def _run(ticks: Ticks, path: MarketPath, settings: Settings, seed: int = 5) -> SweepResult:
    sweep = _sweep(ticks, path, settings, seed)
    sweep.run()
    return sweep.result()


@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov"])
@pytest.mark.parametrize("levels", [1, 3])
def test_the_same_requests_give_the_same_fills_in_both_drivers(
    ticks: Ticks, path: MarketPath, engine: str, levels: int
) -> None:
    settings = _settings(engine, levels)
    result = _run(ticks, path, settings)
    assert len(result.fills) > 10
    played = played_fills(settings, INSTRUMENT, ticks, result.requests, 5)
    columns = [at.F_DUE, at.F_SIDE, at.F_PRICE, at.F_QTY, at.F_ORDER]
    assert played == [tuple(row) for row in result.fills[:, columns].tolist()]


def test_a_run_in_parts_is_the_run_as_a_whole(ticks: Ticks, path: MarketPath) -> None:
    settings = _settings()
    parts = _sweep(ticks, path, settings)
    for until in (1, 2, 77, 200, 201, 10_000):
        parts.run(until)
    whole = _run(ticks, path, settings)
    cut = parts.result()
    assert np.array_equal(cut.fills, whole.fills)
    assert np.array_equal(cut.samples, whole.samples)
    assert np.array_equal(cut.requests, whole.requests)


def test_a_seed_names_a_run(ticks: Ticks, path: MarketPath) -> None:
    first, again, other = (_run(ticks, path, _settings(), seed) for seed in (5, 5, 6))
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.requests, again.requests)
    assert not np.array_equal(first.requests, other.requests)


def test_what_fills_say_is_what_the_account_holds(ticks: Ticks, path: MarketPath) -> None:
    result = _run(ticks, path, _settings())
    signed = result.fills[:, at.F_SIDE] * result.fills[:, at.F_QTY]
    assert np.array_equal(np.cumsum(signed), result.fills[:, at.F_POSITION])
    by_order: dict[int, int] = {}
    for order, qty in result.fills[:, [at.F_ORDER, at.F_QTY]].tolist():
        by_order[order] = by_order.get(order, 0) + qty
    asked: dict[int, int] = {}
    for order, qty in result.requests[:, [at.R_ORDER, at.R_QTY]].tolist():
        asked[order] = max(asked.get(order, 0), qty)
    assert all(qty <= asked[order] for order, qty in by_order.items())


def test_no_order_takes_the_position_beyond_its_limit(ticks: Ticks, path: MarketPath) -> None:
    settings = _settings(max_position_notional_quote=400)
    result = _run(ticks, path, settings)
    assert len(result.fills)
    mid = 0.5 * result.samples[:, at.E_MID2] * 1e-3
    held = np.abs(result.samples[:, at.E_POSITION]) * 0.01 * mid
    assert held.max() <= 400.5
    assert held.max() > 100.0


def test_losses_beyond_the_drawdown_end_the_quoting(ticks: Ticks, path: MarketPath) -> None:
    settings = _settings(max_drawdown=1e-6)
    result = _run(ticks, path, settings)
    assert result.killed
    assert len(result.fills) < len(_run(ticks, path, _settings()).fills)


def test_an_engine_without_a_kernel_is_named_with_those_that_have_one() -> None:
    with pytest.raises(UnusableError, match=r"'layered' has no kernel.*glft"):
        compiled_engine(_settings(engine="layered"))


@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov"])
@pytest.mark.parametrize("position", [0, -160, 260, 700])
def test_the_driver_prices_as_the_bot_does(
    ticks: Ticks, path: MarketPath, engine: str, position: int
) -> None:
    settings = _settings(engine=engine)
    form = compiled_engine(settings)
    terms = terms_of(PaperConfig(), INSTRUMENT)
    p = sweep_settings(settings, INSTRUMENT, terms)
    _, config, state, inp, lengths, memory, ladder, sides, ints, numbers, _ = new_desk(p, form, 3)
    ints[at.POSITION] = position
    pricing = PricingEngine(
        settings.quoting.ladder, INSTRUMENT, build_engine(engine, settings.engines.get(engine, {}))
    )
    post_only = PostOnlySafety(settings.quoting.post_only, INSTRUMENT)
    zones = InventoryZones(settings.risk)
    rules = LimitRules(settings.risk, INSTRUMENT)
    capital = money_from_decimal(terms.capital)
    account = Account(capital, capital, 0)
    adverse = settings.quoting.ladder.adverse_prior_bps
    compared = 0
    plain = plain_readings(settings.market, settings.signals, ticks, path)
    for n, (view, readings) in enumerate(plain):
        if not view.valid:
            continue
        mark, fast = path.marks[n], path.fast[n]
        slow = path.slow[mark[sm.SLOW]]
        sweep_limits.take_stock(p, slow, ints, numbers, float(view.mid2))
        assert sweep_pricing.prepare(p, mark, fast, slow, ints, numbers, state, inp, sides) > 0.0
        buys = ld.SIDE_START + ld.COUNT
        inp[buys], inp[buys + ld.SIDE_WIDTH] = form.kernel(config, state, lengths, memory)
        assert ld.ladder(inp, view.mid2, ladder)
        scale = readings.volatility.limit_scale
        limits = rules.evaluate(view.mid2, account, scale, scale)
        inventory = zones.reading(position, limits)
        assert inventory.limit == numbers[at.LIMIT]
        wanted = pricing.price(view, readings, inventory, adverse, post_only, int(mark[0]))
        for slot, target in enumerate(wanted.targets):
            row = ladder[slot]
            blocked = bool(sides[slot // 3, at.BLOCKED]) or row[ld.CODE] != ld.OK
            assert blocked == (target.blocked is not None)
            assert (row[ld.PRICE], row[ld.EDGE]) == (target.price, target.edge_price)
            if not blocked:
                assert row[ld.QTY] == target.qty
                compared += 1
            reduces = bool(sides[slot // 3, at.REDUCE_ONLY])
            assert reduces == target.reduce_only
    assert compared > (100 if position else 500)
