"""The Avellaneda-Stoikov kernel against the published table, by the exact law of its game."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from market_maker.kernels import avellaneda_stoikov

SIGMA, K, A, T, DT = 2.0, 1.5, 140.0, 1.0, 0.005
STEPS = 200
BOUND = 60
TABLE = [
    # gamma, symmetric, average spread, profit, its deviation, deviation of final inventory
    (0.1, False, 1.49, 65.0, 6.6, 2.9),
    (0.1, True, 1.49, 68.4, 12.7, 8.4),
    (0.01, False, 1.35, 68.6, 8.7, 5.1),
    (0.01, True, 1.35, 68.8, 12.8, 8.7),
    (1.0, False, 3.02, 31.4, 5.0, 1.7),
    (1.0, True, 3.02, 44.0, 11.0, 5.1),
]
Floats = npt.NDArray[np.float64]


def distances(gamma: float, tau: float, *, symmetric: bool) -> tuple[Floats, Floats]:
    lots = np.arange(-BOUND, BOUND + 1)
    if symmetric:
        half = 0.5 * average_spread(gamma)
        return np.full(len(lots), half), np.full(len(lots), half)
    pairs = [avellaneda_stoikov.quotes(SIGMA, gamma, K, 1.0, float(q), tau) for q in lots]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def average_spread(gamma: float) -> float:
    bid, ask = avellaneda_stoikov.quotes(SIGMA, gamma, K, 1.0, 0.0, T / 2)
    return bid + ask


def chance(delta: Floats) -> Floats:
    return np.minimum(1.0, A * np.exp(-K * np.clip(delta, -20, 200)) * DT)


def law(gamma: float, *, symmetric: bool) -> tuple[float, float, float]:
    """Mean and deviation of profit, and deviation of final inventory: inventory is a Markov chain.

    Fills earn their distance from the mid; the mid moves after them, independently, so that its
    part of the variance is the expected sum of squared inventory times its own.
    """
    n = 2 * BOUND + 1
    # Probability, first and second moment of the spread earned, by inventory; edges absorb nothing.
    p, m1, m2 = np.zeros(n), np.zeros(n), np.zeros(n)
    p[BOUND] = 1.0
    risk = 0.0
    lots = np.arange(-BOUND, BOUND + 1)
    for step in range(STEPS):
        bid, ask = distances(gamma, T - step * DT, symmetric=symmetric)
        pb, pa = chance(bid), chance(ask)
        new = [np.zeros(n), np.zeros(n), np.zeros(n)]
        for move, prob, gain in (
            (0, (1 - pb) * (1 - pa), np.zeros(n)),
            (0, pb * pa, bid + ask),
            (1, pb * (1 - pa), bid),
            (-1, (1 - pb) * pa, ask),
        ):
            moments = (
                prob * p,
                prob * (m1 + gain * p),
                prob * (m2 + 2 * gain * m1 + gain**2 * p),
            )
            new = [a + np.roll(b, move) for a, b in zip(new, moments, strict=True)]
        p, m1, m2 = new
        risk += float(p @ lots**2) * SIGMA**2 * DT
    mean = float(m1.sum())
    variance = float(m2.sum()) - mean**2 + risk
    return mean, math.sqrt(variance), math.sqrt(float(p @ lots**2) - float(p @ lots) ** 2)


@pytest.mark.parametrize(("gamma", "symmetric", "spread", "profit", "std", "final"), TABLE)
def test_published_table(
    gamma: float, symmetric: bool, spread: float, profit: float, std: float, final: float
) -> None:
    mean, deviation, inventory = law(gamma, symmetric=symmetric)
    assert average_spread(gamma) == pytest.approx(spread, abs=0.006)
    assert mean == pytest.approx(profit, abs=3 * std / math.sqrt(1000))
    # A deviation from 1000 paths is known to 2.2 %; the printed symmetric ones sit low.
    assert deviation == pytest.approx(std, rel=0.1 if symmetric else 0.07)
    assert inventory == pytest.approx(final, rel=0.08)


def test_reservation_price_and_spread_are_the_published_formulas() -> None:
    gamma, q, tau = 0.1, 3.0, 0.4
    bid, ask = avellaneda_stoikov.quotes(SIGMA, gamma, K, 1.0, q, tau)
    assert 0.5 * (ask - bid) == pytest.approx(-q * gamma * SIGMA**2 * tau)
    spread = gamma * SIGMA**2 * tau + 2 / gamma * math.log(1 + gamma / K)
    assert bid + ask == pytest.approx(spread)


def test_vanishing_risk_aversion_leaves_the_monopoly_spread() -> None:
    bid, ask = avellaneda_stoikov.quotes(SIGMA, 1e-15, K, 1.0, 2.0, 1.0)
    assert (bid, ask) == pytest.approx((1 / K, 1 / K))


def test_gamma_gives_the_skew_whose_stationary_deviation_was_asked_for() -> None:
    size, lots, horizon = 1.7, 2.5, 60.0
    gamma = avellaneda_stoikov.risk_aversion(SIGMA, K, size, lots, horizon)
    one_lot, _ = avellaneda_stoikov.quotes(SIGMA, gamma, K, size, size, horizon)
    flat, _ = avellaneda_stoikov.quotes(SIGMA, gamma, K, size, 0.0, horizon)
    assert one_lot - flat == pytest.approx(1 / (2 * K * lots**2))


def test_compiled_and_plain_agree() -> None:
    arguments = (SIGMA, 0.2, K, 1.3, -2.0, 0.7)
    compiled = avellaneda_stoikov.quotes(*arguments)
    assert compiled == pytest.approx(avellaneda_stoikov.quotes.py_func(*arguments))
