"""Gueant-Lehalle-Fernandez-Tapia quotes: closed form, and exact under inventory bounds.

Owns the formulas of Gueant (2017) with order size, both risk models, own impact, fee and
drift, and the choice of risk aversion from a wanted inventory deviation. Knows no market and
no grid. Every function is finite for finite, positive sigma, A, k and order size.

Dimensionless core: in units of the fill rate eta the value problem depends on `root` alone
(skew per lot times k), on `tilt` (drift shift times k) and on the bound in lots.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

_MAX_EXPONENT = 30.0
MIN_ROOT = 1e-6
MAX_ROOT = 4.0
"""Skews beyond four decay lengths per lot say that the model does not apply; a fuse."""


@njit("float64(float64)", cache=True, nogil=True)
def _fill_factor(z: float) -> float:
    """C = (1 + z)^-(1 + 1/z): share of A that optimal quotes trade at, 1/e at z = 0."""
    if z < 1e-12:
        return math.exp(-1.0)
    return math.exp(-(1.0 + 1.0 / z) * math.log1p(z))


@njit("float64(float64, float64)", cache=True, nogil=True)
def _monopoly_distance(z: float, k: float) -> float:
    """Distance c1 that a maker without inventory cost asks: ln(1 + z) / (z k), 1/k at z = 0."""
    if z < 1e-12:
        return 1.0 / k
    return math.log1p(z) / (z * k)


@njit("float64(float64, float64)", cache=True, nogil=True)
def _utility_root(target: float, start: float) -> float:
    """Solve z / C(z) = target by Newton's method in ln z, for model A."""
    y = math.log(max(start, 1e-300))
    goal = math.log(target)
    for _ in range(50):
        z = math.exp(min(max(y, -600.0), _MAX_EXPONENT))
        log_c = math.log(_fill_factor(z))
        # d ln C / d ln z = ln(1+z)/z - 1, so the slope is between 1 and 2.
        slope = 2.0 - (math.log1p(z) / z if z > 1e-12 else 1.0)
        step = (y - log_c - goal) / slope
        y -= step
        if abs(step) < 1e-13:
            break
    return math.exp(min(max(y, -600.0), _MAX_EXPONENT))


@njit(
    "UniTuple(float64, 2)(float64, float64, float64, float64, float64, float64, boolean)",
    cache=True,
    nogil=True,
)
def closed_form(
    sigma: float, gamma: float, a: float, k: float, size: float, inventory: float, utility: bool
) -> tuple[float, float]:
    """Distances (bid, ask) of the asymptotic closed form; `inventory` and `size` in base units."""
    z = gamma * size / k if utility else 0.0
    skew = sigma * math.sqrt(gamma / (2.0 * a * size * k * _fill_factor(z)))
    c1 = _monopoly_distance(z, k)
    return c1 + skew * (inventory + 0.5 * size), c1 - skew * (inventory - 0.5 * size)


@njit(
    "float64(float64, float64, float64, float64, float64, float64, boolean)",
    cache=True,
    nogil=True,
)
def risk_aversion(
    sigma: float,
    a: float,
    k: float,
    size: float,
    deviation_lots: float,
    holding_s: float,
    utility: bool,
) -> float:
    """Find gamma for which inventory deviates by `deviation_lots` and reverts in `holding_s`.

    The stationary variance is 1 / (2 root) lots squared and the reversion rate 2 eta root; the
    stricter wish decides. In model A the fill factor depends on gamma itself.
    """
    root = min(1.0 / (2.0 * deviation_lots * deviation_lots), MAX_ROOT)
    eta = a * math.exp(-1.0)
    root = min(max(root, 1.0 / (2.0 * holding_s * eta)), MAX_ROOT)
    # alpha = root^2 eta, with alpha = k gamma sigma^2 size / 2 and z = gamma size / k.
    z = 2.0 * root * root * eta / (k * k * sigma * sigma)
    if utility:
        z = _utility_root(z * math.e, z)
    return z * k / size


@njit(
    "UniTuple(float64, 4)(float64, float64, float64, float64, float64, float64, float64,"
    " float64, float64, float64, float64, boolean)",
    cache=True,
    nogil=True,
)
def terms(
    sigma: float,
    sigma_ref: float,
    impact: float,
    impact_ref: float,
    buy_a: float,
    sell_a: float,
    k: float,
    size: float,
    fee: float,
    lots: float,
    holding_s: float,
    utility: bool,
) -> tuple[float, float, float, float]:
    """Half-spread before inventory, root, reversion rate, and flow shift for one state.

    Gamma is chosen at the reference volatility, so that the present one moves the quotes. Unequal
    fill rates shift both distances by ln(A_buy / A_sell) / 2k around their geometric mean.
    """
    a = math.sqrt(buy_a * sell_a)
    cost_ref = min(max(k * (fee + 0.5 * impact_ref), -_MAX_EXPONENT), _MAX_EXPONENT)
    gamma = risk_aversion(sigma_ref, a * math.exp(-cost_ref), k, size, lots, holding_s, utility)
    z = gamma * size / k if utility else 0.0
    cost = min(max(k * (fee + 0.5 * impact), -_MAX_EXPONENT), _MAX_EXPONENT)
    eta = a * math.exp(-cost) * _fill_factor(z)
    root = sigma * math.sqrt(0.5 * k * gamma * size / eta)
    root = min(max(root, MIN_ROOT), MAX_ROOT)
    core = _monopoly_distance(z, k) + 0.5 * impact + fee
    return core, root, 2.0 * eta * root, 0.5 * math.log(buy_a / sell_a) / k


@njit("boolean(float64, float64, float64, int64)", cache=True, nogil=True)
def _below_spectrum(value: float, curvature: float, tilt: float, bound: int) -> bool:
    """Whether `value` lies below every eigenvalue: all pivots of M - value are positive."""
    pivot = 1.0
    first = True
    for n in range(-bound, bound + 1):
        pivot = (curvature * n - tilt) * n - value - (0.0 if first else 1.0 / pivot)
        first = False
        if pivot <= 0.0:
            return False
    return True


@njit("void(float64, float64, int64, float64[::1])", cache=True, nogil=True)
def log_ratios(root: float, shift: float, bound: int, out: Floats) -> None:
    """Write ln(f_n / f_{n+1}) for n = -bound..bound-1, f the ground state of the value problem.

    The matrix has diagonal root^2 n^2 - 2 root shift n and -1 beside it. Its smallest eigenvalue
    comes from bisection on the pivots; the vector from ratios run inwards from both ends, which
    neither underflow nor amplify errors.
    """
    curvature = root * root
    tilt = 2.0 * root * shift
    centre = min(max(round(shift / root), -bound), bound)
    high = (curvature * centre - tilt) * centre
    # Over integers the diagonal is smallest at the centre; neighbours lower it by at most 2.
    low = high - 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _below_spectrum(middle, curvature, tilt, bound):
            low = middle
        else:
            high = middle
    ratio = 0.0
    for n in range(-bound, centre):
        pivot = (curvature * n - tilt) * n - low
        ratio = pivot - (0.0 if n == -bound else 1.0 / ratio)
        out[n + bound] = -math.log(ratio)
    for n in range(bound, centre, -1):
        pivot = (curvature * n - tilt) * n - low
        ratio = pivot - (0.0 if n == bound else 1.0 / ratio)
        out[n - 1 + bound] = math.log(ratio)
