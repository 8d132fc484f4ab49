"""An engine that answers what a test wants, and the pricing engine around it."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from msgspec.structs import replace
from pydantic import BaseModel

from market_maker.config.quoting import LadderConfig, PostOnlyConfig
from market_maker.config.section import Section
from market_maker.core.instrument import Instrument
from market_maker.core.readings import InventoryReading, Readings
from market_maker.core.reasons import Zone
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView
from market_maker.quoting.engine import EngineQuote, QuoteState, QuotingEngine
from market_maker.quoting.ladder import MICRO, PART_NAMES, Ladder, LevelTarget
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine

ADVERSE = 0.5


ENGINES = ("glft", "avellaneda-stoikov", "layered", "offset")


class CannedConfig(Section):
    """Nothing to configure."""


class Canned:
    """An engine that answers what it was told to."""

    name: ClassVar[str] = "canned"
    Config: ClassVar[type[BaseModel]] = CannedConfig

    def __init__(self, answer: EngineQuote) -> None:
        self.answer = answer
        self.state: QuoteState | None = None

    def quote(self, state: QuoteState) -> EngineQuote:
        """Remember the state, give the answer."""
        self.state = state
        return self.answer


def canned(
    bids: tuple[float, ...],
    asks: tuple[float, ...] | None = None,
    sizes: tuple[float, ...] | None = None,
) -> Canned:
    asks = bids if asks is None else asks
    return Canned(
        EngineQuote(
            bids,
            asks,
            (sizes or (1.0,) * 3)[: len(bids)],
            (sizes or (1.0,) * 3)[: len(asks)],
            {"model": bids},
            {"model": asks},
        )
    )


def price(
    engine: QuotingEngine,
    instrument: Instrument,
    view: MarketView,
    readings: Readings,
    inventory: InventoryReading,
    config: LadderConfig | None = None,
    adverse_bps: float = ADVERSE,
) -> Ladder:
    post_only = PostOnlySafety(PostOnlyConfig(), instrument)
    pricing = PricingEngine(config or LadderConfig(), instrument, engine)
    return pricing.price(view, readings, inventory, adverse_bps, post_only, 0)


def part(target: LevelTarget, name: str) -> float:
    """One part in price quanta."""
    return target.parts[PART_NAMES.index(name)] / MICRO


def held(inventory: InventoryReading, position: int, zone: Zone) -> InventoryReading:
    """A position against a limit of 666 quanta, with headroom and zone scales to match."""
    builds = {Zone.GREEN: 1.0, Zone.YELLOW: 0.5}.get(zone, 0.0)
    return replace(
        inventory,
        position=position,
        ratio=position / 666,
        zone=zone,
        buy_headroom=max(666 - position, 0),
        sell_headroom=max(666 + position, 0),
        buy_size_scale=builds if position > 0 else 1.0,
        sell_size_scale=builds if position < 0 else 1.0,
    )


def check_ladder(ladder: Ladder, view: MarketView, grid: Grid) -> None:
    """Everything that must hold for any ladder."""
    half = len(ladder.targets) // 2
    bids = [t.price for t in ladder.targets[:half] if t.price]
    asks = [t.price for t in ladder.targets[half:] if t.price]
    for target in ladder.targets:
        assert all(type(p) is int for p in target.parts)
        if not target.price:
            assert target.blocked is not None
            assert target.qty == 0
            continue
        assert sum(target.parts) == (2 * target.price - ladder.mid2) * MICRO // 2
        assert target.price % grid.tick_at(target.price) == 0
        assert (target.qty > 0) == (target.blocked is None)
        assert target.qty % grid.instrument.lot == 0
        tick = grid.tick_at(target.price)
        assert abs(part(target, "rounding")) < tick + 1e-5
    assert all(b <= a - grid.tick_at(b) for a, b in pairwise(bids))
    assert all(b >= a + grid.tick_at(a) for a, b in pairwise(asks))
    assert all(bid < view.touch_ask for bid in bids)
    assert all(ask > view.touch_bid for ask in asks)
    if bids and asks:
        assert bids[0] < asks[0]
