"""Gauges made from the latest `Status` at the moment when Prometheus asks.

Owns the names, labels and help of every gauge. A value that does not exist now (a level that is
not quoted, a book not yet seen) yields no sample. Account-wide values carry each market's label, so
that one selector fits every panel; take their maximum, never their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from market_maker.core.readings import Regime
from market_maker.core.reasons import BotState, HaltReason
from market_maker.core.side import SIDES
from market_maker.telemetry.snapshot import MarketStatus, Status

Sample = tuple[tuple[str, ...], float]

GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "mm_state": ("State of the market's bot; 1 for the state it is in.", ("state",)),
    "mm_kill_switch_engaged": ("1 while the account's or the market's kill switch is on.", ()),
    "mm_halted": ("1 for each reason that keeps the gate closed.", ("reason",)),
    "mm_orders_open": ("Orders that rest at the venue.", ("side",)),
    "mm_position_base": ("Signed position in base currency.", ()),
    "mm_inventory_ratio": ("Signed position over the tightest limit that binds.", ()),
    "mm_equity_quote": ("Equity attributed to the market, in quote currency.", ()),
    "mm_pnl_quote": ("P&L since the books opened, by cause, in quote currency.", ("component",)),
    "mm_quote_price": ("Price of the order that rests on a level.", ("side", "level")),
    "mm_quote_offset_bps": (
        "Parts of a level's target price minus mid; they sum to the whole distance.",
        ("side", "level", "component"),
    ),
    "mm_post_only_taker_fills": ("Executions at which post-only orders took.", ()),
    "mm_post_only_taker_ratio": ("Their share of the notional traded.", ()),
    "mm_regime": ("Volatility class; 1 for the class in force.", ("regime",)),
    "mm_volatility_bps": ("60-second-equivalent volatility over a horizon.", ("horizon",)),
    "mm_markout_bps": ("Mean markout of own fills after a horizon.", ("side", "horizon")),
    "mm_feed_last_update_timestamp_seconds": ("When a feed last spoke, Unix time.", ("feed",)),
    "mm_unknown_orders": ("Orders whose state at the venue is not known.", ()),
    "mm_risk_limit": ("Limit in force, in the unit that its name ends in.", ("limit",)),
    "mm_risk_usage_ratio": ("Share of a limit in use.", ("limit",)),
    "mm_rate_tokens": ("Requests that a lane may still send now.", ("lane",)),
    "mm_clock_offset_seconds": ("Our clock minus the venue's.", ()),
    "mm_status_timestamp_seconds": ("When these gauges were taken, Unix time.", ()),
}
"""Name to help text and labels beside `market`."""


class StatusCollector(Collector):
    """Renders `status`, which its owner replaces twice a second."""

    def __init__(self) -> None:
        """Start without a status: no samples until the first one."""
        self.status: Status | None = None

    def describe(self) -> Iterator[Metric]:
        """Name the families without values."""
        for name in GAUGES:
            yield _family(name)

    def collect(self) -> Iterator[Metric]:
        """Build every family from the status as it is now."""
        status = self.status
        families = {name: _family(name) for name in GAUGES}
        if status is not None:
            for market in status.markets.values():
                for name, samples in _samples(status, market):
                    for labels, value in samples:
                        families[name].add_metric((market.market, *labels), value)
        yield from families.values()


def _family(name: str) -> GaugeMetricFamily:
    text, labels = GAUGES[name]
    return GaugeMetricFamily(name, text, labels=("market", *labels))


def _samples(status: Status, market: MarketStatus) -> Iterator[tuple[str, Iterable[Sample]]]:
    killed = status.kill_switch.engaged or market.kill_switch.engaged
    halted = {halt.reason for halt in market.halts}
    yield "mm_state", _one_hot(BotState, market.state)
    yield "mm_kill_switch_engaged", [((), float(killed))]
    yield "mm_halted", [((reason.value,), float(reason in halted)) for reason in HaltReason]
    yield "mm_orders_open", _orders_open(market)
    yield "mm_position_base", [((), float(market.position.base))]
    yield "mm_inventory_ratio", [((), market.position.ratio)]
    yield "mm_equity_quote", [((), float(market.equity_quote))]
    yield "mm_pnl_quote", [((name,), float(v)) for name, v in market.pnl.parts().items()]
    yield "mm_quote_price", _quote_prices(market)
    yield "mm_quote_offset_bps", _quote_offsets(market)
    yield from _reading_samples(market)
    yield (
        "mm_feed_last_update_timestamp_seconds",
        [
            ((feed,), health.last_update_s)
            for feed, health in market.feeds.items()
            if health.last_update_s is not None
        ],
    )
    statistics = market.statistics
    yield "mm_post_only_taker_fills", [((), statistics.get("post_only_taker_fills", 0.0))]
    yield "mm_post_only_taker_ratio", [((), statistics.get("post_only_taker_share", 0.0))]
    yield "mm_unknown_orders", [((), float(market.unknown_orders))]
    yield "mm_risk_limit", [((name.value,), use.limit) for name, use in market.limits.items()]
    yield "mm_risk_usage_ratio", [((name.value,), u.ratio) for name, u in market.limits.items()]
    yield "mm_rate_tokens", [((lane,), tokens) for lane, tokens in status.rate_tokens.items()]
    yield "mm_clock_offset_seconds", [((), status.clock_offset_s)]
    yield "mm_status_timestamp_seconds", [((), status.as_of_s)]


def _reading_samples(market: MarketStatus) -> Iterator[tuple[str, Iterable[Sample]]]:
    if market.readings is not None:
        volatility = market.readings.volatility
        yield "mm_regime", _one_hot(Regime, volatility.regime)
        yield (
            "mm_volatility_bps",
            [
                ((f"{horizon_s:g}s",), value)
                for horizon_s, value in zip(
                    market.volatility_horizons_s, volatility.minute_bps, strict=True
                )
            ],
        )
    yield (
        "mm_markout_bps",
        [
            ((markout.side, f"{markout.horizon_s:g}s"), markout.mean_bps)
            for markout in market.markouts
            if markout.fills
        ],
    )


def _one_hot(states: Iterable[str], current: str) -> list[Sample]:
    return [((str(state),), float(state == current)) for state in states]


def _orders_open(market: MarketStatus) -> list[Sample]:
    return [
        (
            (side.label,),
            float(sum(order.side == side.label and order.resting for order in market.open_orders)),
        )
        for side in SIDES
    ]


def _quote_prices(market: MarketStatus) -> list[Sample]:
    return [
        ((level.side, str(level.level)), float(level.resting_price))
        for level in market.levels
        if level.resting_price is not None
    ]


def _quote_offsets(market: MarketStatus) -> list[Sample]:
    if market.book is None or market.book.mid_price <= 0:
        return []
    bps = 10_000 / float(market.book.mid_price)
    return [
        ((level.side, str(level.level), component), float(part) * bps)
        for level in market.levels
        if level.target_price is not None
        for component, part in level.breakdown.items()
    ]
