"""Plain twins of the engines' kernels: the same steps written once more, over dicts and tuples."""

from __future__ import annotations

import math

import numpy as np

from market_maker.kernels import avellaneda_stoikov as as_formulas
from market_maker.kernels import glft as glft_formulas
from market_maker.quoting.engine import QuoteState
from market_maker.quoting.engines.avellaneda_stoikov import AvellanedaStoikovConfig
from market_maker.quoting.engines.glft import GlftConfig
from market_maker.quoting.engines.parts import clip

Offsets = tuple[tuple[float, ...], tuple[float, ...]]


def glft_offsets(config: GlftConfig, state: QuoteState) -> Offsets:
    """Bid and ask offsets of the `glft` engine."""
    usual = state.sigma_reference or state.sigma_total
    impact_root = math.sqrt(config.impact_horizon_s)
    lots = state.max_inventory / state.order_size
    core, root, reversion, flow = glft_formulas.terms(
        state.sigma_total,
        usual,
        state.sigma_clean * impact_root,
        usual * impact_root,
        state.buy_a,
        state.sell_a,
        state.k,
        state.order_size,
        state.maker_fee,
        config.target_deviation * lots,
        config.holding_s,
        config.risk_model == "A",
    )
    drift = config.drift_weight * state.drift / (reversion + 1.0 / config.drift_life_s)
    carry = state.carry / reversion
    n = state.inventory / state.order_size
    bound = max(1, int(lots + 0.5))
    k = state.k
    if config.solution == "closed_form" or bound > config.max_lots:
        skew = root / k
        model = core + 0.5 * skew
        cap = config.drift_cap * max(model, 0.0)
        lean = clip(drift, cap) + clip(carry, cap)
        gap = max(skew, config.level_spacing * model)
        steps = [i * gap for i in range(state.levels)]
        bid, ask = model + flow + skew * n - lean, model - flow - skew * n + lean
        return tuple(bid + step for step in steps), tuple(ask + step for step in steps)
    return _bounded_offsets(config, state, (core, root, flow, drift, carry), n, bound)


def _bounded_offsets(
    config: GlftConfig,
    state: QuoteState,
    terms: tuple[float, float, float, float, float],
    n: float,
    bound: int,
) -> Offsets:
    core, root, flow, drift, carry = terms
    k = state.k
    root = math.exp(round(math.log(root) * 128) / 128)
    flat = _solution(root, 0.0, bound)
    model = core + flat[bound] / k
    cap = config.drift_cap * max(model, 0.0)
    lean = clip(drift, cap) + clip(carry, cap)
    shift = round(k * lean * 64) / 64
    gap = config.level_spacing * max(model, 0.0)
    offsets = []
    for sign in (1, -1):
        at = sign * n + bound
        leaned = _solution(root, sign * shift, bound)
        steps = [0.0]
        for level in range(1, state.levels):
            implied = (_at(flat, at + level) - _at(flat, at)) / k
            steps.append(max(steps[-1] + gap, implied))
        # A shift below the grid of solutions moves the quote as it is.
        rest = -sign * lean if shift == 0.0 else 0.0
        base = core + sign * flow + _at(leaned, at) / k + rest
        quoted = sign * n < bound
        offsets.append(tuple(base + step for step in steps) if quoted else ())
    return offsets[0], offsets[1]


def _solution(root: float, shift: float, bound: int) -> list[float]:
    out = np.empty(2 * bound)
    glft_formulas.log_ratios(root, shift, bound, out)
    ratios: list[float] = out.tolist()
    return ratios


def _at(table: list[float], x: float) -> float:
    return float(np.interp(x, range(len(table)), table))


def avellaneda_stoikov_offsets(config: AvellanedaStoikovConfig, state: QuoteState) -> Offsets:
    """Bid and ask offsets of the `avellaneda-stoikov` engine."""
    usual = state.sigma_reference or state.sigma_total
    sigma = min(state.sigma_total, config.max_vol_ratio * usual)
    horizon_s, k, size = config.holding_s, state.k, state.order_size
    lots = config.target_deviation * state.max_inventory / size
    gamma = as_formulas.risk_aversion(usual, k, size, lots, horizon_s)
    bid, ask = as_formulas.quotes(sigma, gamma, k, size, state.inventory, horizon_s)
    model = 0.5 * (bid + ask) + state.maker_fee
    cap = config.drift_cap * max(model, 0.0)
    life = config.drift_life_s
    expected = config.drift_weight * state.drift * life * (1.0 - math.exp(-horizon_s / life))
    lean = clip(expected, cap) + clip(state.carry * horizon_s, cap)
    gap = config.level_spacing * max(model, 0.0)
    bids = tuple(bid + state.maker_fee - lean + i * gap for i in range(state.levels))
    asks = tuple(ask + state.maker_fee + lean + i * gap for i in range(state.levels))
    return bids, asks
