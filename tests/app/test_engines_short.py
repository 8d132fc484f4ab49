"""Every engine over some minutes on the embedded market: inside limits, sums exact, two-sided.

The long comparison is `tests/benchmarks/engines.py`; this is what must never break.
"""

from __future__ import annotations

import asyncio

import pytest
from engine_trial import (
    ENGINES,
    NAIVE,
    PRICE_ALLOWANCE,
    SYMBOL,
    Trial,
    run_trial,
    settings_for,
)

from market_maker.app.virtual import VirtualRun
from market_maker.quoting.ladder import MICRO, PART_NAMES

_BLOCK_S = 300.0
_LONG_S, _SHORT_S = 601.0, 301.0
_SEED = 6


def trade(engine: str, duration_s: float) -> Trial:
    return run_trial(engine, _SEED, duration_s / 3600.0, block_s=_BLOCK_S)


def share(trial: Trial, name: str) -> float:
    """Mean of one of the shares of time over the blocks."""
    return sum(float(getattr(block, name)) for block in trial.blocks) / len(trial.blocks)


def check(trial: Trial) -> None:
    """What holds for every engine, naive or not, on the exchange's own books."""
    assert trial.faults == []
    assert 0.0 < trial.most_held <= 1.0 + PRICE_ALLOWANCE
    assert 0.0 < trial.most_exposed <= 1.0 + PRICE_ALLOWANCE
    assert sum(block.fills for block in trial.blocks) > 0
    assert trial.requests < 3.0 * _BLOCK_S * len(trial.blocks)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != NAIVE])
def test_an_engine_trades_on_both_sides_inside_its_limits_and_its_sums_are_exact(
    engine: str,
) -> None:
    # The default engine is watched longest.
    duration_s = _LONG_S if engine == "glft" else _SHORT_S
    trial = trade(engine, duration_s)
    check(trial)
    assert share(trial, "two_sided") + share(trial, "reducing") > 0.9
    assert share(trial, "at_limit") < 0.2


def test_the_naive_quote_is_truly_at_the_touch() -> None:
    naive = trade(NAIVE, _SHORT_S)
    check(naive)
    fills = sum(block.fills for block in naive.blocks)
    assert fills > 25, "an order that always stands at the touch meets much of the flow"
    assert naive.blocks[0].pnl < 0.0, "and gives its half-spread back (market-realism)"


@pytest.mark.parametrize("engine", ["glft", "layered"])
def test_a_high_maker_fee_widens_the_quotes_and_the_breakdown_says_so(engine: str) -> None:
    fee_bps, ladders = 1.5, []

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(20.0)
        ladders.append(run.bot.markets[SYMBOL].bot.strategy.quotes.ladder)
        await run.stop()

    venue = {"venue": {"simulated": {"maker_fee_bps": fee_bps}}}
    settings = settings_for(engine, venue)
    VirtualRun(settings, (SYMBOL,), seed=_SEED).run(work)
    (ladder,) = ladders
    assert ladder is not None
    rules = settings.quoting.ladder
    least_bps = fee_bps + rules.adverse_prior_bps + rules.margin_bps
    for target in ladder.targets:
        side = target.level.side
        parts = dict(zip(PART_NAMES, target.parts, strict=True))
        fair = ladder.mid2 / 2 + parts["fair"] / MICRO
        assert 1e4 * side * (fair - target.price) / fair > least_bps - 1e-3
        assert -side * parts["fee_floor"] / MICRO > 0.0
