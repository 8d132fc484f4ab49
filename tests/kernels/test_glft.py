"""The GLFT kernels against plain twins: formulas, a dense eigensolver and the HJB equation itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.kernels import glft

SIGMA, A, K, SIZE = 0.016, 0.5, 66.0, 1.7


def ground_state(root: float, shift: float, bound: int) -> list[float]:
    """ln(f_n / f_{n+1}) from a dense eigensolver."""
    n = np.arange(-bound, bound + 1)
    matrix = np.diag(root**2 * n**2 - 2 * root * shift * n) - np.eye(len(n), k=1)
    matrix -= np.eye(len(n), k=-1)
    vector = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    return [float(x) for x in np.log(vector[:-1] / vector[1:])]


def solve(root: float, shift: float, bound: int) -> list[float]:
    out = np.empty(2 * bound)
    glft.log_ratios(root, shift, bound, out)
    return [float(x) for x in out]


def best_distance(gain: Callable[[float], float]) -> tuple[float, float]:
    """Maximiser and maximum of a unimodal function of a distance, by golden section."""
    low, high = -3.0 / K, 12.0 / K
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(45):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if gain(left) < gain(right):
            low = left
        else:
            high = right
    middle = 0.5 * (low + high)
    return middle, gain(middle)


def hjb_distances(gamma: float, mu: float, bound: int, *, utility: bool) -> list[float]:
    """Bid distances for n = -bound..bound-1 from the nonlinear HJB equation, run to stationarity."""

    def side(p: float) -> tuple[float, float]:
        def gain(delta: float) -> float:
            margin = delta - p
            worth = -math.expm1(-gamma * SIZE * margin) / gamma if utility else SIZE * margin
            return A * math.exp(-K * delta) * worth

        return best_distance(gain)

    lots = range(-bound, bound + 1)
    theta = dict.fromkeys(lots, 0.0)
    bids = dict.fromkeys(lots, 0.0)
    step = 1.0
    for _ in range(160):
        change = {}
        for n in lots:
            q = n * SIZE
            change[n] = mu * q - 0.5 * gamma * SIGMA**2 * q * q
            if n < bound:
                bids[n], value = side((theta[n] - theta[n + 1]) / SIZE)
                change[n] += value
            if n > -bound:
                change[n] += side((theta[n] - theta[n - 1]) / SIZE)[1]
        theta = {n: theta[n] + step * change[n] for n in lots}
    return [bids[n] for n in lots if n < bound]


@pytest.mark.parametrize("utility", [True, False])
@pytest.mark.parametrize("mu", [0.0, 2e-4])
def test_exact_quotes_solve_the_hjb_equation(utility: bool, mu: float) -> None:
    gamma, bound = 0.8, 2
    z = gamma * SIZE / K if utility else 0.0
    share = math.exp(-1.0) if z == 0 else (1 + z) ** (-(1 + 1 / z))
    c1 = 1 / K if z == 0 else math.log(1 + z) / (z * K)
    eta = A * share
    root = math.sqrt(K * gamma * SIGMA**2 * SIZE / 2 / eta)
    shift = K * mu / (2 * eta * root)
    exact = [c1 + x / K for x in solve(root, shift, bound)]
    plain = hjb_distances(gamma, mu, bound, utility=utility)
    assert exact == pytest.approx(plain, abs=2e-4 / K)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.01, 4.0),
    st.floats(-3.0, 3.0),
    st.integers(1, 12),
)
def test_log_ratios_are_those_of_the_ground_state(root: float, shift: float, bound: int) -> None:
    # A dense solver loses entries below 1e-16 of the largest; compare where it can be trusted.
    plain = ground_state(root, shift, bound)
    n = np.arange(-bound, bound + 1)
    diagonal = root**2 * n**2 - 2 * root * shift * n
    ours = solve(root, shift, bound)
    if diagonal.max() - diagonal.min() < 8:
        assert ours == pytest.approx(plain, abs=1e-6)
    f = np.exp(-np.concatenate([[0.0], np.cumsum(ours)]))
    f /= f.max()
    residual = diagonal * f
    residual[:-1] -= f[1:]
    residual[1:] -= f[:-1]
    energy = float(f @ residual / (f @ f))
    assert np.abs(residual - energy * f).max() < 1e-6


def test_compiled_and_plain_recursion_agree() -> None:
    out = np.empty(8)
    glft.log_ratios.py_func(0.3, 0.4, 4, out)
    assert solve(0.3, 0.4, 4) == pytest.approx(out.tolist(), abs=1e-12)


def test_far_bounds_do_not_underflow() -> None:
    assert all(math.isfinite(x) for x in solve(4.0, 0.0, 500))


@pytest.mark.parametrize("utility", [True, False])
def test_closed_form_is_the_published_formula(utility: bool) -> None:
    gamma, q = 0.3, 2.5
    xi = gamma if utility else 1e-9
    c = (1 + xi * SIZE / K) ** (-(1 + K / (xi * SIZE))) if utility else math.exp(-1)
    c1 = math.log(1 + xi * SIZE / K) / (xi * SIZE) if utility else 1 / K
    c2 = math.sqrt(gamma / (2 * A * SIZE * K * c))
    bid, ask = glft.closed_form(SIGMA, gamma, A, K, SIZE, q, utility)
    assert bid == pytest.approx(c1 + SIGMA * c2 * (2 * q + SIZE) / 2, rel=1e-12)
    assert ask == pytest.approx(c1 - SIGMA * c2 * (2 * q - SIZE) / 2, rel=1e-12)


def test_unit_orders_give_the_2013_closed_form() -> None:
    gamma = 0.05
    g = math.sqrt(SIGMA**2 * gamma / (2 * K * A) * (1 + gamma / K) ** (1 + K / gamma))
    bid, ask = glft.closed_form(SIGMA, gamma, A, K, 1.0, 0.0, True)
    assert bid == ask
    assert bid + ask == pytest.approx(2 / gamma * math.log(1 + gamma / K) + g, rel=1e-10)


def test_both_risk_models_agree_as_risk_aversion_vanishes() -> None:
    tiny = 1e-9
    a = glft.closed_form(SIGMA, tiny, A, K, SIZE, 3.0, True)
    b = glft.closed_form(SIGMA, tiny, A, K, SIZE, 3.0, False)
    assert a == pytest.approx(b, rel=1e-8)
    assert a == pytest.approx((1 / K, 1 / K), rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 50.0), st.floats(-20.0, 20.0), st.booleans())
def test_closed_form_is_symmetric_in_inventory(gamma: float, q: float, utility: bool) -> None:
    bid, ask = glft.closed_form(SIGMA, gamma, A, K, SIZE, q, utility)
    mirrored = glft.closed_form(SIGMA, gamma, A, K, SIZE, -q, utility)
    assert (ask, bid) == pytest.approx(mirrored, rel=1e-9)


@pytest.mark.parametrize("utility", [True, False])
def test_closed_form_matches_the_exact_solution_in_the_middle(utility: bool) -> None:
    gamma = glft.risk_aversion(SIGMA, A, K, SIZE, 6.0, 1e6, utility)
    core, root, _, _ = glft.terms(SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 6.0, 1e6, utility)
    bound = 24
    table = solve(root, 0.0, bound)
    for n in (-3, 0, 3):
        bid, ask = glft.closed_form(SIGMA, gamma, A, K, SIZE, n * SIZE, utility)
        skew = root / K
        assert bid == pytest.approx(core + table[bound + n] / K, abs=0.03 * skew)
        assert ask == pytest.approx(core - table[bound + n - 1] / K, abs=0.03 * skew)


@pytest.mark.parametrize("utility", [True, False])
@pytest.mark.parametrize("deviation", [2.0, 3.0, 5.0])
def test_gamma_brings_about_the_deviation_that_it_was_chosen_for(
    deviation: float, utility: bool
) -> None:
    core, root, _, _ = glft.terms(
        SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, deviation, 1e6, utility
    )
    bound = int(4 * deviation)
    table = solve(root, 0.0, bound)
    # Inventory is a birth and death chain whose rates are the fill rates at the quotes.
    weight = [1.0]
    for n in range(-bound, bound):
        up = A * math.exp(-K * (core + table[n + bound] / K))
        down = A * math.exp(-K * (core - table[n + bound] / K))
        weight.append(weight[-1] * up / down)
    lots = np.arange(-bound, bound + 1)
    law = np.array(weight) / sum(weight)
    assert math.sqrt(float(law @ lots**2)) == pytest.approx(deviation, rel=0.03)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-5, 1e3), st.floats(1e-3, 10.0), st.floats(1e-3, 1e4), st.floats(0.3, 50.0))
def test_model_a_gamma_solves_its_equation(sigma: float, a: float, k: float, lots: float) -> None:
    gamma = glft.risk_aversion(sigma, a, k, SIZE, lots, 1e9, True)
    z = gamma * SIZE / k
    if z < 1e12:
        log_c = -(1 + 1 / z) * math.log1p(z) if z > 1e-9 else -1.0
        root = math.exp(0.5 * (math.log(k * gamma * sigma**2 * SIZE / 2 / a) - log_c))
        assert root == pytest.approx(min(1 / (2 * lots**2), glft.MAX_ROOT), rel=1e-6)


def test_inventory_is_worked_off_within_the_holding_time() -> None:
    slow = glft.terms(SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 10.0, 1e6, False)[2]
    fast = glft.terms(SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 10.0, 20.0, False)[2]
    assert slow < 1 / 20
    assert fast == pytest.approx(1 / 20, rel=1e-9)


def test_reversion_rate_is_that_of_the_reference() -> None:
    gamma = glft.risk_aversion(SIGMA, A, K, SIZE, 3.0, 1e6, False)
    rate = glft.terms(SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 3.0, 1e6, False)[2]
    assert rate == pytest.approx(math.sqrt(2 * gamma * SIGMA**2 * A * SIZE * K / math.e))


def test_fee_and_impact_add_to_distances_and_slow_the_fills() -> None:
    fee, impact = 0.003, 0.008
    gamma = glft.risk_aversion(
        SIGMA, A * math.exp(-K * (fee + impact / 2)), K, SIZE, 3.0, 1e6, False
    )
    core, root, _, _ = glft.terms(SIGMA, SIGMA, impact, impact, A, A, K, SIZE, fee, 3.0, 1e6, False)
    g = math.sqrt(SIGMA**2 * gamma * SIZE / (2 * K * A / math.e))
    g *= math.exp(K * impact / 4) * math.exp(K * fee / 2)
    assert core == pytest.approx(1 / K + fee + impact / 2, rel=1e-12)
    assert root / K == pytest.approx(g, rel=1e-9)


def test_volatility_above_its_usual_level_raises_the_skew_in_proportion() -> None:
    usual = glft.terms(SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 3.0, 1e6, True)[1]
    double = glft.terms(2 * SIGMA, SIGMA, 0.0, 0.0, A, A, K, SIZE, 0.0, 3.0, 1e6, True)[1]
    assert double == pytest.approx(2 * usual, rel=1e-9)


def test_unequal_fill_rates_shift_quotes_as_the_full_matrix_says() -> None:
    buy, sell, bound, lots = 0.8, 0.3, 6, 2.0
    core, root, _, flow = glft.terms(
        SIGMA, SIGMA, 0.0, 0.0, buy, sell, K, SIZE, 0.0, lots, 1e6, False
    )
    a = math.sqrt(buy * sell)
    alpha = root**2 * a / math.e
    n = np.arange(-bound, bound + 1)
    matrix = np.diag(alpha * n**2) - buy / math.e * np.eye(len(n), k=1)
    matrix -= sell / math.e * np.eye(len(n), k=-1)
    values, vectors = np.linalg.eig(matrix)
    v = np.abs(np.real(vectors[:, np.argmin(np.real(values))]))
    table = solve(root, 0.0, bound)
    for i in range(2 * bound):
        ours = core + flow + table[i] / K
        assert ours == pytest.approx(1 / K + math.log(v[i] / v[i + 1]) / K, abs=1e-6 / K)
