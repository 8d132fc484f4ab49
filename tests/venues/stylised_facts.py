"""Stylised facts of a market, measured the same way on simulated rows and on real data.

Owns the definitions and the bands that the default market is frozen against. The measures refuse to know
where a tape came from. What always holds: facts use only what a participant could have recorded
(best quotes at the end of each timestamp, market orders), apart from the volatility class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from fact_kernels import best_quotes, hawkes_log_likelihood
from numpy.typing import NDArray

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.venues.simulated.market import WINDOW, MarketCore, RowKind

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]

_NS = 1e9
_PRICE_RING = 1 << 16


class Tape(NamedTuple):
    """Best quotes at the end of each timestamp, and market orders; prices in ticks.

    A market order is what one side took at one timestamp: first and deepest price, value in quote
    currency. `typical` tells of each quote whether the market was in its calm-to-normal state.
    """

    t_ns: Ints
    bid: Ints
    ask: Ints
    bid_usd: Floats
    ask_usd: Floats
    typical: NDArray[np.bool_]
    order_t_ns: Ints
    order_side: Ints
    order_price: Ints
    order_deepest: Ints
    order_usd: Floats


class Band(NamedTuple):
    """Where a fact of the default market must lie."""

    low: float
    high: float


BANDS: dict[str, Band] = {
    "spread_one_tick_share": Band(0.85, 0.97),
    "spread_mean_ticks": Band(1.05, 1.3),
    "best_price_changes_per_s": Band(0.5, 1.5),
    "best_changes_per_s": Band(6.0, 40.0),
    "best_price_life_median_s": Band(0.3, 1.5),
    "best_price_life_mean_s": Band(1.0, 4.0),
    "market_orders_per_s": Band(1.0, 4.0),
    "order_size_median_usd": Band(80.0, 500.0),
    "order_size_mean_usd": Band(1e3, 6e3),
    "order_size_log_sd": Band(1.8, 2.6),
    "best_depth_median_usd": Band(20e3, 100e3),
    "orders_at_least_best_share": Band(0.05, 0.25),
    "sign_autocorrelation_1": Band(0.2, 0.5),
    "sign_autocorrelation_5": Band(0.1, 0.35),
    "sign_autocorrelation_20": Band(0.03, 0.2),
    "count_dispersion_1s": Band(3.0, 12.0),
    "count_dispersion_10s": Band(6.0, 25.0),
    "hawkes_branching": Band(0.4, 0.7),
    "reach_decay_per_bps": Band(0.5, 1.5),
    "reach_intensity_per_s": Band(0.2, 0.8),
    "volatility_10s_bps": Band(0.9, 1.3),
    "kurtosis_1s": Band(8.0, 60.0),
    "markout_100ms_bps": Band(0.0, 0.3),
    "markout_1s_bps": Band(-0.5, 0.0),
    "markout_5s_bps": Band(-1.0, -0.1),
    "markout_30s_bps": Band(-1.5, -0.1),
}

HOURLY_PERCENTILES = (5, 25, 50, 75, 95, 99)
HOURLY_VOLATILITY_BPS = (4.0, 7.0, 10.0, 15.0, 30.0, 50.0)
"""60-second-equivalent volatility of SOL by hour (high to low), to be met within a factor of 1.5."""

TYPICAL_VOLATILITY_BPS = (6.0, 11.0)
"""The calm-to-normal state: true 60-second-equivalent volatility around its median of 8.5."""


def measure(tape: Tape) -> dict[str, float]:
    """Every fact of the table, in the units of its name."""
    facts: dict[str, float] = {}
    parts: tuple[Callable[[Tape], dict[str, float]], ...] = (
        _quotes,
        _orders,
        _arrivals,
        _reach,
        _returns,
        _markouts,
    )
    for part in parts:
        facts.update(part(tape))
    return facts


def _duration_s(tape: Tape) -> float:
    return float(tape.t_ns[-1] - tape.t_ns[0]) / _NS


def _mid(tape: Tape) -> Floats:
    mid: Floats = 0.5 * (tape.bid + tape.ask)
    return mid


def _mid_at(tape: Tape, at_ns: Ints) -> Floats:
    return _mid(tape)[np.maximum(0, np.searchsorted(tape.t_ns, at_ns, "right") - 1)]


def _before(tape: Tape) -> Ints:
    """Index of the last quote before each order."""
    index = np.searchsorted(tape.t_ns, tape.order_t_ns, "left") - 1
    return np.maximum(0, index).astype(np.int64)


def _quotes(tape: Tape) -> dict[str, float]:
    dt = np.diff(tape.t_ns)
    spread = (tape.ask - tape.bid)[:-1]
    bid_moved = tape.bid[1:] != tape.bid[:-1]
    ask_moved = tape.ask[1:] != tape.ask[:-1]
    moved = bid_moved | ask_moved
    resized = (tape.bid_usd[1:] != tape.bid_usd[:-1]) | (tape.ask_usd[1:] != tape.ask_usd[:-1])
    lives = np.concatenate([np.diff(tape.t_ns[1:][side]) for side in (bid_moved, ask_moved)]) / _NS
    weights = np.concatenate((dt, dt)).astype(float)
    depth = np.concatenate((tape.bid_usd[:-1], tape.ask_usd[:-1]))
    return {
        "spread_one_tick_share": float(dt[spread == 1].sum() / dt.sum()),
        "spread_mean_ticks": float((dt * spread).sum() / dt.sum()),
        "best_price_changes_per_s": float(moved.sum()) / _duration_s(tape),
        "best_changes_per_s": float((moved | resized).sum()) / _duration_s(tape),
        "best_price_life_median_s": float(np.median(lives)),
        "best_price_life_mean_s": float(lives.mean()),
        "best_depth_median_usd": _weighted_median(depth, weights),
    }


def _weighted_median(x: Floats, weights: Floats) -> float:
    order = np.argsort(x, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(x[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])


def _orders(tape: Tape) -> dict[str, float]:
    usd = tape.order_usd
    before = _before(tape)
    facing = np.where(tape.order_side > 0, tape.ask_usd[before], tape.bid_usd[before])
    p10, p50, p90, p99 = np.quantile(usd, (0.1, 0.5, 0.9, 0.99))
    return {
        "market_orders_per_s": usd.size / _duration_s(tape),
        "order_size_p10_usd": float(p10),
        "order_size_median_usd": float(p50),
        "order_size_p90_usd": float(p90),
        "order_size_p99_usd": float(p99),
        "order_size_mean_usd": float(usd.mean()),
        "order_size_log_sd": float(np.log(usd).std()),
        "orders_at_least_best_share": float((usd >= facing * (1.0 - 1e-9)).mean()),
    }


def autocorrelation(x: Floats, lag: int) -> float:
    """Sample autocorrelation about the common mean."""
    centred = x - x.mean()
    return float((centred[lag:] * centred[:-lag]).sum() / (centred * centred).sum())


def _arrivals(tape: Tape) -> dict[str, float]:
    signs = tape.order_side.astype(float)
    facts = {f"sign_autocorrelation_{lag}": autocorrelation(signs, lag) for lag in (1, 5, 20)}
    since = tape.order_t_ns - tape.order_t_ns[0]
    span = int(since[-1])
    for window_s in (1, 10):
        width = window_s * 1_000_000_000
        n = span // width
        counts = np.bincount(since // width, minlength=n)[:n]
        facts[f"count_dispersion_{window_s}s"] = float(counts.var() / counts.mean())
    times = np.unique(since)[1:] / _NS
    branching, decay = fit_hawkes(times, span / _NS)
    facts["hawkes_branching"] = branching
    facts["hawkes_decay_per_s"] = decay
    return facts


def fit_hawkes(times_s: Floats, end_s: float) -> tuple[float, float]:
    """Branching ratio and decay (per s) of an exponential Hawkes process, by likelihood on a grid."""
    gaps = np.diff(times_s, prepend=0.0).astype(np.float64)
    tail = end_s - float(times_s[-1])

    def best(branchings: Floats, decays: Floats) -> tuple[float, float]:
        return max(
            ((float(n), float(b)) for n in branchings for b in decays),
            key=lambda nb: float(hawkes_log_likelihood(gaps, tail, *nb)),
        )

    branching, decay = best(np.linspace(0.05, 0.95, 10), np.geomspace(0.02, 200.0, 14))
    for width, factor in ((0.06, 1.7), (0.02, 1.2)):
        near = np.clip(branching + np.linspace(-width, width, 5), 0.01, 0.99)
        branching, decay = best(near, decay * np.geomspace(1.0 / factor, factor, 5))
    return branching, decay


def _reach(tape: Tape) -> dict[str, float]:
    """Decay k and intensity A: count-weighted log-linear fit of the rate of reaching a depth."""
    mid = _mid(tape)[_before(tape)]
    reach = (tape.order_deepest - mid) * tape.order_side / mid * 1e4
    depths = np.arange(0.1, 6.0, 0.2)
    counts = np.array([(reach > depth).sum() for depth in depths], float)
    used = counts >= 5
    if used.sum() < 2:
        return {"reach_decay_per_bps": math.nan, "reach_intensity_per_s": math.nan}
    x, weight = depths[used], counts[used]
    y = np.log(counts[used] / (2.0 * _duration_s(tape)))
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    slope = (weight * (x - x_mean) * (y - y_mean)).sum() / (weight * (x - x_mean) ** 2).sum()
    return {
        "reach_decay_per_bps": float(-slope),
        "reach_intensity_per_s": float(np.exp(y_mean - slope * x_mean)),
    }


def _returns(tape: Tape) -> dict[str, float]:
    facts: dict[str, float] = {}
    for step_s in (1, 10, 60):
        grid = np.arange(tape.t_ns[0], tape.t_ns[-1], step_s * 1_000_000_000)
        if grid.size < 3:
            continue
        index = np.searchsorted(tape.t_ns, grid, "right") - 1
        returns = np.diff(np.log(_mid(tape)[index])) * 1e4
        typical = returns[tape.typical[index[:-1]]]
        variance = float((typical**2).mean()) if typical.size else math.nan
        facts[f"volatility_{step_s}s_bps"] = math.sqrt(variance / step_s)
        if step_s == 1:
            facts["kurtosis_1s"] = float((returns**4).mean() / (returns**2).mean() ** 2)
    return facts


def _markouts(tape: Tape) -> dict[str, float]:
    """What a maker at the touch keeps of each market order, against the mid later."""
    facts: dict[str, float] = {}
    mid = _mid(tape)[_before(tape)]
    for name, horizon_ns in (
        ("100ms", 100_000_000),
        ("1s", 1_000_000_000),
        ("5s", 5_000_000_000),
        ("30s", 30_000_000_000),
    ):
        at = tape.order_t_ns + horizon_ns
        seen = at <= tape.t_ns[-1]
        kept = (tape.order_price - _mid_at(tape, at)) * tape.order_side / mid * 1e4
        facts[f"markout_{name}_bps"] = float(kept[seen].mean())
    return facts


def range_volatility_bps(tape: Tape) -> float:
    """60-second-equivalent volatility of a tape from its high and low (Parkinson)."""
    mid = _mid(tape)
    spread = math.log(mid.max() / mid.min()) * 1e4 / math.sqrt(4.0 * math.log(2.0))
    return spread / math.sqrt(_duration_s(tape) / 60.0)


def hourly_volatility_bps(config: MarketModelConfig, seed: int, hours: int) -> Floats:
    """60-second-equivalent volatility of each hour of a market."""
    market = MarketCore(config, seed)
    return np.array(
        [range_volatility_bps(_record_until(market, config, h + 1.0)) for h in range(hours)]
    )


def record(config: MarketModelConfig, seed: int, hours: float) -> Tape:
    """What a participant would have recorded of a market from its genesis on."""
    return _record_until(MarketCore(config, seed), config, hours)


def _record_until(market: MarketCore, config: MarketModelConfig, hours: float) -> Tape:
    opening = [
        _level_rows(market.time_ns, side, levels)
        for side, levels in zip((1, -1), market.depth(WINDOW), strict=True)
    ]
    rows = np.concatenate((*opening, market.advance(int(hours * 3600 * _NS))))
    return tape_from_rows(rows, float(config.price_quantum * config.qty_quantum))


def without_information(config: MarketModelConfig) -> MarketModelConfig:
    """The control of a naive quote: nobody knows more than the makers, who do not learn from trades."""
    return config.model_copy(
        update={
            "informed_per_s": 0.0,
            "private_share": 0.0,
            "jumps_per_hour": 0.0,
            "maker_trade_impact_bps": 0.0,
            "maker_sweep_impact_bps": 0.0,
        }
    )


def _level_rows(t_ns: int, side: int, levels: Ints) -> Ints:
    rows = np.zeros((len(levels), 8), np.int64)
    rows[:, 0] = RowKind.LEVEL
    rows[:, 1] = t_ns
    rows[:, 2] = side
    rows[:, 3:5] = levels
    return rows


def tape_from_rows(rows: Ints, usd_per_price_qty: float) -> Tape:
    """Tape of `MarketCore` rows whose first rows set the book's levels.

    `usd_per_price_qty` is the value of one quantum of quantity at one quantum of price.
    """
    best = np.zeros((len(rows), 4), np.int64)
    kind, t_ns = np.ascontiguousarray(rows[:, 0]), rows[:, 1]
    side, price, qty = (np.ascontiguousarray(rows[:, i]) for i in (2, 3, 4))
    best_quotes(kind, side, price, qty, np.zeros((2, _PRICE_RING), np.int64), best)
    return tape_of(
        t_ns, best, _is_typical(rows), rows[rows[:, 0] == RowKind.TRADE], usd_per_price_qty
    )


def _is_typical(rows: Ints) -> NDArray[np.bool_]:
    """Whether the true volatility last reported before each row lies in the calm-to-normal state."""
    at = np.flatnonzero(rows[:, 0] == RowKind.EPISODE)
    if at.size == 0:
        return np.ones(len(rows), np.bool_)
    index = np.maximum(0, np.searchsorted(at, np.arange(len(rows)), "right") - 1)
    volatility = rows[at[index], 6] / 1000.0
    low, high = TYPICAL_VOLATILITY_BPS
    typical: NDArray[np.bool_] = (volatility >= low) & (volatility < high)
    return typical


def tape_of(
    t_ns: Ints, best: Ints, typical: NDArray[np.bool_], trades: Ints, usd_per_price_qty: float
) -> Tape:
    """Tape from quotes after each row (bid, qty, ask, qty) and trades in the rows' columns."""
    last = np.append(t_ns[1:] != t_ns[:-1], True)
    keep = last & (best[:, 0] > 0) & (best[:, 2] > best[:, 0])
    quotes = best[keep]
    trade_t, trade_side = trades[:, 1], trades[:, 2]
    first = np.append(True, (trade_t[1:] != trade_t[:-1]) | (trade_side[1:] != trade_side[:-1]))
    at = np.flatnonzero(first)
    value = (trades[:, 3] * trades[:, 4]).astype(float) * usd_per_price_qty
    highest = np.maximum.reduceat(trades[:, 3], at)
    lowest = np.minimum.reduceat(trades[:, 3], at)
    side = trade_side[at]
    return Tape(
        t_ns=t_ns[keep],
        bid=quotes[:, 0],
        ask=quotes[:, 2],
        bid_usd=quotes[:, 0] * quotes[:, 1] * usd_per_price_qty,
        ask_usd=quotes[:, 2] * quotes[:, 3] * usd_per_price_qty,
        typical=typical[keep],
        order_t_ns=trade_t[at],
        order_side=side,
        order_price=trades[at, 3],
        order_deepest=np.where(side > 0, highest, lowest),
        order_usd=np.add.reduceat(value, at),
    )
