"""The default engine: Gueant-Lehalle-Fernandez-Tapia quotes with order size and bounds.

Owns the way from estimates to quotes: risk aversion from a wanted inventory deviation (never
a raw gamma), the closed form or the exact solution under inventory bounds, and the ladder that
the solution itself implies. The model assumes Brownian prices, constant and independent
arrivals and no impact of its own; against that stand the impact term, which grows with
volatility, the drift's finite life, and the fee floor behind the engine.

Always holds: `quote` depends on its argument only. The exact solution is looked up on a fine
grid of its dimensionless inputs, so remembering it is not a state.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from market_maker.config.section import Section
from market_maker.kernels import glft as kernel
from market_maker.quoting.engine import EngineQuote, QuoteState
from market_maker.quoting.engines.parts import clip, side_quote

_ROOT_STEPS = 128.0
"""Grid points per unit of ln(root): a step moves the skew by 0.8 %."""
_SHIFT_STEPS = 64.0
"""Grid points per decay length 1/k of drift shift."""
_CACHE_SIZE = 4096


class GlftConfig(Section):
    """Settings of the `glft` engine."""

    solution: Literal["exact", "closed_form"] = Field(
        "exact", description="Exact under inventory bounds, or its approximation without them."
    )
    risk_model: Literal["A", "B"] = Field(
        "A",
        description="A: exponential utility of profit; B: expected profit less a running "
        "inventory penalty.",
    )
    target_deviation: float = Field(
        1.0 / 3.0,
        gt=0.02,
        le=1,
        description="Standard deviation of inventory to live with, as share of the maximum "
        "position.",
    )
    holding_s: float = Field(
        60.0, gt=0, le=86_400, description="Longest time constant in which inventory is worked off."
    )
    impact_horizon_s: float = Field(
        3.0,
        ge=0,
        le=60,
        description="A fill is expected to be followed by an adverse move as large as the "
        "volatility over this time.",
    )
    level_spacing: float = Field(
        0.5, ge=0, le=10, description="Least gap between levels, in model half-spreads."
    )
    drift_life_s: float = Field(
        30.0, gt=0, le=86_400, description="Time constant with which a measured drift fades."
    )
    drift_weight: float = Field(
        0.25, ge=0, le=1, description="Share of the measured drift that is believed."
    )
    drift_cap: float = Field(
        1.0, ge=0, le=10, description="Most that drift and carry shift quotes, in half-spreads."
    )
    max_lots: int = Field(
        60,
        ge=1,
        le=500,
        description="Bound in lots up to which the exact solution is used; the closed form beyond.",
    )


class GlftEngine:
    """Asymptotic optimal quotes for exponential fill intensities."""

    name: ClassVar[str] = "glft"
    Config: ClassVar[type[BaseModel]] = GlftConfig

    __slots__ = ("_config", "_exact", "_impact_root", "_tables", "_utility")

    def __init__(self, config: GlftConfig) -> None:
        """Keep the settings; the table of exact solutions fills as it is used."""
        self._config = config
        self._exact = config.solution == "exact"
        self._utility = config.risk_model == "A"
        self._impact_root = math.sqrt(config.impact_horizon_s)
        self._tables: dict[tuple[int, int, int], tuple[float, ...]] = {}

    def quote(self, state: QuoteState) -> EngineQuote:
        """Offsets for this state."""
        config = self._config
        reference = state.sigma_reference or state.sigma_total
        lots = state.max_inventory / state.order_size
        core, root, reversion, flow = kernel.terms(
            state.sigma_total,
            reference,
            state.sigma_clean * self._impact_root,
            reference * self._impact_root,
            state.buy_a,
            state.sell_a,
            state.k,
            state.order_size,
            state.maker_fee,
            config.target_deviation * lots,
            config.holding_s,
            self._utility,
        )
        # A drift that fades at rate 1/life shifts quotes by drift / (reversion + 1/life).
        drift = config.drift_weight * state.drift / (reversion + 1.0 / config.drift_life_s)
        carry = state.carry / reversion
        n = state.inventory / state.order_size
        bound = max(1, int(lots + 0.5))
        if self._exact and bound <= config.max_lots:
            return self._bounded(state, core, root, flow, drift, carry, n, bound)
        return self._unbounded(state, core, root, flow, drift, carry, n)

    def _unbounded(
        self,
        state: QuoteState,
        core: float,
        root: float,
        flow: float,
        drift: float,
        carry: float,
        n: float,
    ) -> EngineQuote:
        skew = root / state.k
        model = core + 0.5 * skew
        cap = self._config.drift_cap * max(model, 0.0)
        drift = clip(drift, cap)
        carry = clip(carry, cap)
        gap = max(skew, self._config.level_spacing * model)
        spacing = tuple([i * gap for i in range(state.levels)])
        bids, bid_parts = side_quote(
            model + flow, skew * n, -drift, -carry, 0.0, spacing, state.maker_fee
        )
        asks, ask_parts = side_quote(
            model - flow, -skew * n, drift, carry, 0.0, spacing, state.maker_fee
        )
        sizes = (1.0,) * state.levels
        return EngineQuote(bids, asks, sizes, sizes, bid_parts, ask_parts)

    def _bounded(
        self,
        state: QuoteState,
        core: float,
        root: float,
        flow: float,
        drift: float,
        carry: float,
        n: float,
        bound: int,
    ) -> EngineQuote:
        k = state.k
        root_step = round(math.log(root) * _ROOT_STEPS)
        flat = self._table(root_step, 0, bound)
        centre = flat[bound] / k
        model = core + centre
        cap = self._config.drift_cap * max(model, 0.0)
        drift = clip(drift, cap)
        carry = clip(carry, cap)
        # Between whole lots the distances are interpolated; the ask at n mirrors the bid at -n.
        buy_at = n + bound
        sell_at = bound - n
        last = 2 * bound - 1
        bid_lean = _at(flat, buy_at, last) / k
        ask_lean = _at(flat, sell_at, last) / k
        shift_step = round(k * (drift + carry) * _SHIFT_STEPS)
        bid_drift, bid_carry, ask_drift, ask_carry = -drift, -carry, drift, carry
        if shift_step:
            bid_total = _at(self._table(root_step, shift_step, bound), buy_at, last) / k - bid_lean
            ask_total = (
                _at(self._table(root_step, -shift_step, bound), sell_at, last) / k - ask_lean
            )
            share = drift / (drift + carry)
            bid_drift, bid_carry = bid_total * share, bid_total * (1.0 - share)
            ask_drift, ask_carry = ask_total * share, ask_total * (1.0 - share)
        gap = self._config.level_spacing * max(model, 0.0)
        # Nothing is bid at the upper bound and nothing asked at the lower one.
        buys = state.levels if n < bound else 0
        sells = state.levels if n > -bound else 0
        bids, bid_parts = side_quote(
            model + flow,
            bid_lean - centre,
            bid_drift,
            bid_carry,
            0.0,
            _spacing(flat, buy_at, last, buys, gap, bid_lean, k),
            state.maker_fee,
        )
        asks, ask_parts = side_quote(
            model - flow,
            ask_lean - centre,
            ask_drift,
            ask_carry,
            0.0,
            _spacing(flat, sell_at, last, sells, gap, ask_lean, k),
            state.maker_fee,
        )
        return EngineQuote(bids, asks, (1.0,) * buys, (1.0,) * sells, bid_parts, ask_parts)

    def _table(self, root_step: int, shift_step: int, bound: int) -> tuple[float, ...]:
        """ln(f_n / f_{n+1}) for n = -bound..bound-1 at a point of the input grid."""
        key = (root_step, shift_step, bound)
        table = self._tables.get(key)
        if table is None:
            out = np.empty(2 * bound)
            kernel.log_ratios(
                math.exp(root_step / _ROOT_STEPS), shift_step / _SHIFT_STEPS, bound, out
            )
            table = tuple(out.tolist())
            if len(self._tables) >= _CACHE_SIZE:
                self._tables.clear()
            self._tables[key] = table
        return table


def _at(table: tuple[float, ...], x: float, last: int) -> float:
    """Linear interpolation, constant beyond the ends."""
    if x <= 0.0:
        return table[0]
    if x >= last:
        return table[last]
    i = int(x)
    low = table[i]
    return low + (x - i) * (table[i + 1] - low)


def _spacing(
    table: tuple[float, ...], x: float, last: int, levels: int, gap: float, start: float, k: float
) -> tuple[float, ...]:
    """Extra distance per level: that of the inventory which the nearer levels would bring."""
    steps = []
    step = 0.0
    for level in range(levels):
        if level:
            step = max(step + gap, _at(table, x + level, last) / k - start)
        steps.append(step)
    return tuple(steps)
