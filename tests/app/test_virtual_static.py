"""A market that does not move gives nobody a reason to move (SC21, SC23)."""

from __future__ import annotations

import asyncio

import pytest
from static_venue import StaticVenue

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode
from market_maker.core.instrument import NANOS
from market_maker.market.market_view import MarketView
from market_maker.quoting.ladder import PART_NAMES
from market_maker.venues.base import Venue


class Market:
    """A run on a static venue."""

    def __init__(
        self, sections: dict[str, object], *, bid: int = 15_000, ask: int = 15_001
    ) -> None:
        self.run: VirtualRun
        self.venue: StaticVenue
        self.view: MarketView
        self.resting: list[int] = []

        def wrap(_venue: Venue, _symbol: str) -> Venue:
            self.venue = StaticVenue(self.run.clock, bid=bid, ask=ask)
            return self.venue

        self.run = VirtualRun(Settings.model_validate(sections), wrap=wrap)

    def watch(self, seconds: float) -> list[tuple[float, str]]:
        """Requests as (seconds since the start, kind), before the shutdown."""

        async def work(run: VirtualRun) -> list[tuple[float, str]]:
            start_ns = self.venue.actions[0][0]
            await asyncio.sleep(seconds)
            self.view = run.bot.markets["SOL-USD"].bot.strategy.view
            self.resting = [order.price for order in self.venue.orders.values()]
            requests = [((at - start_ns) / NANOS, kind) for at, kind, _ in self.venue.actions]
            assert await run.stop() is ExitCode.CLEAN
            return requests

        return self.run.run(work)


@pytest.mark.scenario("INV6")
@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov", "layered", "offset"])
@pytest.mark.parametrize("ask", [15_001, 15_010])
def test_a_static_market_yields_no_action_after_the_first_placement(engine: str, ask: int) -> None:
    """Although volatility falls from its prior to its floor: what only time changes moves nothing."""
    market = Market({"quoting": {"engine": engine}}, ask=ask)
    requests = market.watch(1200.0)
    assert [kind for _, kind in requests if kind != "submit"] == ["cancel_all"]
    assert 2 <= len(requests) - 1 <= 6
    assert requests[-1][0] < 10.0


@pytest.mark.scenario("SC21")
def test_sc21_a_binding_clamp_is_compared_with_the_clamped_price() -> None:
    """Offsets so small that post-only decides where the first level stands."""
    sections = {
        "quoting": {
            "engine": "layered",
            "ladder": {"margin_bps": 0.0, "adverse_prior_bps": 0.0},
            "post_only": {"base_ticks": 3},
        },
        "engines": {
            "layered": {
                "base_half_spread_bps": 0.01,
                "risk_premium_bps": 0.0,
                "competition_strength": 0.0,
            }
        },
    }
    market = Market(sections, ask=15_001)
    requests = market.watch(600.0)
    assert sorted(kind for _, kind in requests) == ["cancel_all"] + ["submit"] * 6
    ladder = market.run.bot.markets["SOL-USD"].bot.strategy.quotes.ladder
    assert ladder is not None
    assert ladder.targets[0].parts[PART_NAMES.index("post_only")] != 0


@pytest.mark.scenario("SC23")
def test_sc23_own_size_at_the_touch_does_not_move_the_anchor() -> None:
    """Inside a wide market our quotes are the best; the next ones do not follow them."""
    market = Market({}, ask=15_040)
    market.watch(120.0)
    assert max(price for price in market.resting if price < 15_020) > 15_000
    assert (market.view.best_bid, market.view.best_ask) == (15_000, 15_040)
