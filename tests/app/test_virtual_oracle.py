"""S1 to S17 of DESIGN.md on the exchange's own books, over minutes of trading."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from invariants import Audit
from relay import Relay

from market_maker.app.virtual import EPOCH_NS, VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved
from market_maker.core.errors import ExitCode
from market_maker.core.events import RequestOutcome
from market_maker.core.instrument import NANOS
from market_maker.venues.base import Venue


def settings(engine: str = "glft", **more: object) -> Settings:
    return Settings.model_validate({"quoting": {"engine": engine}, **more})


def trade(
    config: Settings,
    seed: int,
    seconds: float,
    *,
    markets: tuple[str, ...] = ("SOL-USD",),
    shuffle_seed: int | None = None,
) -> Audit:
    audit = Audit()
    run = VirtualRun(
        config,
        markets,
        seed=seed,
        shuffle_seed=shuffle_seed,
        wrap=audit.wrap,
        journal=audit.journal,
    )
    assert audit.watch(run).trade(seconds) is ExitCode.CLEAN
    assert run.log == []
    audit.check_end()
    return audit


@pytest.mark.scenario("INV1", "INV5", "INV8")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_statement_holds_at_every_event(seed: int) -> None:
    audit = trade(settings(), seed, 300.0)
    assert audit.events > 5000
    assert audit.orders > 20
    assert audit.run.bot.markets["SOL-USD"].bot.strategy.fills > 0


@pytest.mark.parametrize("engine", ["avellaneda-stoikov", "layered", "offset"])
def test_every_engine_keeps_the_rules(engine: str) -> None:
    audit = trade(settings(engine), 4, 90.0)
    assert audit.orders > 5


@pytest.mark.parametrize("shuffle_seed", [1, 2])
def test_no_order_of_tasks_breaks_a_rule(shuffle_seed: int) -> None:
    trade(settings(), 5, 60.0, shuffle_seed=shuffle_seed)


@pytest.mark.scenario("INV1")
def test_a_wild_market_breaks_no_rule() -> None:
    wild = {
        "volatility_bps": 6.0,
        "jumps_per_hour": 300.0,
        "jump_bps": 25.0,
        "informed_per_s": 6.0,
        "noise_per_s": 1.0,
    }
    config = settings(venue={"simulated": {"market": wild}})
    audit = trade(config, 6, 240.0)
    assert audit.run.bot.markets["SOL-USD"].bot.strategy.fills > 10


class Stutter(Relay):
    """Sends every order twice."""

    async def submit(self, order: Approved) -> RequestOutcome:
        await self.inner.submit(order)
        return await self.inner.submit(order)


def test_the_audit_notices_what_it_looks_for() -> None:
    audit = Audit()

    def wrap(venue: Venue, symbol: str) -> Venue:
        return Stutter(audit.wrap(venue, symbol))

    audit.watch(VirtualRun(settings(), seed=7, wrap=wrap, journal=audit.journal)).trade(5.0)
    assert any("S3: an approval used twice" in line for line in audit.broken)
    assert any("S15" in line for line in audit.broken)


def test_virtual_sessions_begin_at_noon() -> None:
    begin = datetime.fromtimestamp(EPOCH_NS / NANOS, UTC)
    assert (begin.hour, begin.minute, begin.second) == (12, 0, 0)
