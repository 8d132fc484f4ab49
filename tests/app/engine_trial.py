"""One engine on one seed of the embedded market: what it earned, held and risked, block by block.

Everything is measured on the exchange's own books (the oracle); the bot's books are only
compared with them. Positions are checked after every fill, so a limit that was broken for an
instant counts. Shared by the benchmark of the engines and its short version in the test suite.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from market_maker.app.build import recorded_settings
from market_maker.app.virtual import VirtualRun
from market_maker.config.layers import merged
from market_maker.config.schema import Settings
from market_maker.config.section import Section
from market_maker.core.commands import Approved, CancelRequest
from market_maker.core.errors import ExitCode
from market_maker.core.events import Fill, Liquidity
from market_maker.core.instrument import MONEY_SCALE, NANOS, Payoff
from market_maker.core.reasons import Zone
from market_maker.core.side import Side
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.runtime.observer import SilentObserver, watched_by
from market_maker.runtime.strategy import Strategy
from market_maker.venues.simulated.exchange import SimulatedExchange

SYMBOL: Final = "SOL-USD"
NAIVE: Final = "naive"
ENGINES: Final = ("glft", "avellaneda-stoikov", "layered", "offset", NAIVE)
STEP_S: Final = 0.25
BLOCK_S: Final = 600.0
HORIZONS_S: Final = (1.0, 5.0, 30.0)
CLASSES: Final = ("calm", "normal", "elevated", "extreme")
CLASS_BPS: Final = (5.0, 25.0, 60.0)

PRICE_ALLOWANCE: Final = 0.01
"""How far a limit in money may be passed because the price moved after an order was sent."""

Floats = NDArray[np.float64]

_BPS = 1e-4
_CHECK_STEPS = 240
_REDUCING: Final = (Zone.RED, Zone.OVER)
_OVERLAP = 50
_OFF: Final[Mapping[str, object]] = {"enabled": False}
_NAIVE_SETTINGS: Final[Mapping[str, object]] = {
    "signals": dict.fromkeys(("volatility", "trend", "toxicity", "fair_price", "funding"), _OFF),
    "quoting": {
        "ladder": {
            "levels": 1,
            "margin_bps": 0.0,
            "adverse_prior_bps": 0.0,
            "adverse_min_fills": 100_000,
        },
        "pipeline": {
            "tolerance_ticks": 0.0,
            "tolerance_bps": 0.0,
            "min_interval_s": 0.0,
            "imbalance_limit": 1.0,
            "churn_per_s": 1000.0,
            "churn_burst": 1000.0,
        },
    },
}
_OWN_SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    # Fixed offsets of 30 bps meet no flow in a market whose spread is one tick.
    "offset": {"engines": {"offset": {"mode": "dynamic"}}},
}


class NaiveConfig(Section):
    """The naive engine has no settings."""


class NaiveEngine:
    """A symmetric quote at the touch, whatever the inventory."""

    name: ClassVar[str] = NAIVE
    Config: ClassVar[type[BaseModel]] = NaiveConfig

    def quote(self, state: QuoteState) -> EngineQuote:
        """Half the market's own spread on each side of the mid."""
        offsets = (state.competition_bps * _BPS * state.fair,) * state.levels
        sizes = (1.0,) * state.levels
        parts = {"model": offsets}
        return EngineQuote(offsets, offsets, sizes, sizes, parts, parts)


class Block(NamedTuple):
    """One span of a trial; money in quote currency, markouts weighted by notional.

    `minute_bps` is the true volatility, rms over the span; `two_sided`, `reducing` and
    `at_limit` are shares of time: orders on both sides, the zone in which only reducing is
    allowed, position beyond 95 % of the limit.
    """

    seed: int
    number: int
    minute_bps: float
    pnl: float
    traded: float
    fills: int
    inventory_abs: float
    inventory_square: float
    two_sided: float
    reducing: float
    at_limit: float
    marked: tuple[float, ...]
    marked_weight: tuple[float, ...]

    @property
    def episode(self) -> str:
        """The true volatility class."""
        return CLASSES[sum(self.minute_bps >= bound for bound in CLASS_BPS)]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One engine on one seed.

    `most_held` and `most_exposed` are the largest position, and position plus open orders, as
    shares of the limit at the same instant, on the exchange's books. `faults` lists whatever
    must never happen: it is empty. `notes` are warnings, such as a kill switch that did its work.
    """

    engine: str
    seed: int
    blocks: list[Block]
    most_held: float
    most_exposed: float
    requests: int
    faults: list[str]
    notes: list[str]


class _Samples:
    """The path of market and account on a grid of time, and every fill; times in ns."""

    def __init__(self, exchange: SimulatedExchange, limit_quote: float) -> None:
        """Measure positions against a limit in quote currency."""
        self.exchange = exchange
        self.limit_quote = limit_quote
        self.payoff = Payoff(exchange.instrument(SYMBOL))
        self.rows: list[tuple[float, ...]] = []
        self.fills: list[Fill] = []
        self.most_exposed = 0.0
        self._mid2 = 0

    def value(self, qty: int, price2: int) -> float:
        """Worth of a quantity in quote currency."""
        return self.payoff.value(qty, price2) / MONEY_SCALE

    def take(self, now_ns: int, *, reducing: bool) -> None:
        """Note the present state; `reducing` is the bot's own mode."""
        exchange = self.exchange
        bid, ask = exchange.best(SYMBOL)
        if bid and ask:
            self._mid2 = bid + ask
        position = exchange.position(SYMBOL)
        longest, shortest = exchange.worst_case(SYMBOL)
        exposed = self.value(max(longest, -shortest), self._mid2) / self.limit_quote
        self.most_exposed = max(self.most_exposed, exposed)
        worth = self.value(position, self._mid2)
        equity = exchange.cash / MONEY_SCALE + worth
        two_sided = longest > position > shortest
        volatility = exchange.core(SYMBOL).volatility_60s_bps
        self.rows.append((now_ns, self._mid2, worth, equity, two_sided, volatility, reducing))

    def collect_fills(self) -> None:
        """Take over fills since the last call."""
        since_ns = self.fills[-1].venue_ns if self.fills else 0
        known = {fill.trade_id for fill in self.fills[-_OVERLAP:]}
        new = self.exchange.fills(SYMBOL, since_ns)
        self.fills.extend(fill for fill in new if fill.trade_id not in known)


def settings_for(engine: str, overrides: Mapping[str, object] | None = None) -> Settings:
    """What an engine trades with; what makes the naive quote naive wins over `overrides`."""
    common: Mapping[str, object] = overrides or {}
    if engine == NAIVE:
        return Settings.model_validate(merged(common, _NAIVE_SETTINGS))
    own = _OWN_SETTINGS.get(engine, {})
    return Settings.model_validate(merged(merged(own, common), {"quoting": {"engine": engine}}))


def run_trial(
    engine: str,
    seed: int,
    hours: float,
    overrides: Mapping[str, object] | None = None,
    block_s: float = BLOCK_S,
) -> Trial:
    """Let one engine trade for a while in virtual time."""
    settings = settings_for(engine, overrides)
    observer = _Requests()
    run = VirtualRun(settings, (SYMBOL,), seed=seed, observe=watched_by(observer))
    samples = _Samples(run.exchange, float(settings.risk.max_position_notional_quote))
    faults: list[str] = []

    async def work(run: VirtualRun) -> ExitCode:
        strategy = run.bot.markets[SYMBOL].bot.strategy
        if engine == NAIVE:
            _quote_naively(settings, strategy)
        for step in range(round(hours * 3600.0 / STEP_S) + 1):
            reducing = strategy.parts.risk.zone in _REDUCING
            samples.take(run.clock.now_ns(), reducing=reducing)
            if step % _CHECK_STEPS == 0:
                samples.collect_fills()
                faults.extend(_sums(strategy))
            await asyncio.sleep(STEP_S)
        code = await run.stop()
        samples.collect_fills()
        faults.extend(_sums(strategy))
        faults.extend(_agrees(strategy, samples, float(settings.account.capital_quote)))
        return code

    code = run.run(work)
    if code is not ExitCode.CLEAN:
        faults.append(f"the bot ended with {code!r}")
    faults.extend(_said(run, "error"))
    most_held = _most_held(samples, faults)
    for what, share in (("position", most_held), ("position and orders", samples.most_exposed)):
        if share > 1.0 + PRICE_ALLOWANCE:
            faults.append(f"{what} reached {share:.4f} of the limit")
    return Trial(
        engine=engine,
        seed=seed,
        blocks=_blocks(seed, samples, block_s),
        most_held=most_held,
        most_exposed=samples.most_exposed,
        requests=observer.count,
        faults=faults,
        notes=_said(run, "warning"),
    )


def _said(run: VirtualRun, level: str) -> list[str]:
    """What the bot logged at a level."""
    return [f"{event}: {detail}" for said, event, detail in run.log if said == level]


class _Requests(SilentObserver):
    """Counts what is sent to the venue."""

    def __init__(self) -> None:
        self.count = 0

    def on_request(
        self,
        request: Approved | CancelRequest,  # noqa: ARG002 - the protocol's signature
        side: Side,  # noqa: ARG002 - likewise
        now_ns: int,  # noqa: ARG002 - likewise
    ) -> None:
        """Count a request."""
        self.count += 1


def _quote_naively(settings: Settings, strategy: Strategy) -> None:
    """Exchange the engine behind the pricing engine; everything else stays in its place."""
    parts = strategy.parts
    pricing = PricingEngine(settings.quoting.ladder, parts.pricing.instrument, NaiveEngine())
    naive = msgspec.structs.replace(parts, pricing=pricing)
    strategy.replace(naive, recorded_settings(settings), 0)


def _sums(strategy: Strategy) -> list[str]:
    """Whether the named parts of profit sum to the change in equity, to the last unit."""
    ledger = strategy.parts.ledger
    parts, change = ledger.pnl(), ledger.equity_change
    return [] if parts.total == change else [f"parts sum to {parts.total}, equity to {change}"]


def _agrees(strategy: Strategy, samples: _Samples, capital_quote: float) -> list[str]:
    """Whether the bot's books agree with the exchange's, to the last unit."""
    ledger, exchange = strategy.parts.ledger, samples.exchange
    faults = []
    if ledger.position != exchange.position(SYMBOL):
        faults.append(f"position {ledger.position}, true {exchange.position(SYMBOL)}")
    worth = samples.payoff.value(ledger.position, ledger.mid2)
    change = exchange.cash + worth - round(capital_quote) * MONEY_SCALE
    if ledger.pnl().total != change:
        faults.append(f"profit {ledger.pnl().total}, true {change}")
    return faults


def _most_held(samples: _Samples, faults: list[str]) -> float:
    """Largest position after any fill as a share of the limit, replayed from the true fills."""
    position, most = 0, 0.0
    for fill in samples.fills:
        position += fill.side * fill.qty
        most = max(most, abs(samples.value(position, 2 * fill.price)) / samples.limit_quote)
        if fill.liquidity is not Liquidity.MAKER:
            faults.append(f"fill {fill.trade_id} took liquidity")
    if position != samples.exchange.position(SYMBOL):
        faults.append(f"fills sum to {position}")
    return most


def _blocks(seed: int, samples: _Samples, block_s: float) -> list[Block]:
    """Whole blocks of the trial; what is left over at the end is not counted."""
    rows = np.array(samples.rows)
    times, mid2, worth, equity, two_sided, volatility, reducing = rows.T
    per_block = round(block_s / STEP_S)
    count = (len(rows) - 1) // per_block
    ratio = np.abs(worth) / samples.limit_quote
    filled = _fill_rows(samples, times, mid2)
    number = np.floor((filled[:, 0] - times[0]) / (block_s * NANOS)).astype(int)
    blocks = []
    for i in range(count):
        span = slice(i * per_block, (i + 1) * per_block)
        fills = filled[number == i]
        weights, marks = fills[:, 1], fills[:, 2:]
        known = ~np.isnan(marks)
        blocks.append(
            Block(
                seed=seed,
                number=i,
                minute_bps=math.sqrt(float(np.mean(volatility[span] ** 2))),
                pnl=float(equity[(i + 1) * per_block] - equity[i * per_block]),
                traded=float(weights.sum()),
                fills=len(fills),
                inventory_abs=float(np.mean(np.abs(worth[span]))),
                inventory_square=float(np.mean(worth[span] ** 2)),
                two_sided=float(np.mean(two_sided[span])),
                reducing=float(np.mean(reducing[span])),
                at_limit=float(np.mean(ratio[span] >= 0.95)),
                marked=tuple(np.where(known, marks * weights[:, None], 0.0).sum(axis=0).tolist()),
                marked_weight=tuple((known * weights[:, None]).sum(axis=0).tolist()),
            )
        )
    return blocks


def _fill_rows(samples: _Samples, times: Floats, mid2: Floats) -> Floats:
    """Per fill its time, notional, and markout in bps at each horizon; NaN beyond the end."""
    rows = np.full((len(samples.fills), 2 + len(HORIZONS_S)), np.nan)
    for row, fill in zip(rows, samples.fills, strict=True):
        row[0] = fill.venue_ns
        row[1] = samples.value(fill.qty, 2 * fill.price)
        for i, horizon_s in enumerate(HORIZONS_S):
            at = int(np.searchsorted(times, fill.venue_ns + horizon_s * NANOS))
            if at < len(times):
                row[2 + i] = fill.side * (mid2[at] / (2 * fill.price) - 1.0) / _BPS
    return rows
