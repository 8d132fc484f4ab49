"""What the price is worth, what its volatility is, and what makers know of both.

Owns the efficient price (a public and a private part), stochastic volatility with episodes, jumps, and
the makers' estimate that follows the public part with a short lag, the private part with a long one, and
learns from takers. Refuses to know the book beyond its best prices. What always holds: the price path
depends on its own stream only.
"""

from __future__ import annotations

import math

from numba import njit

from market_maker.kernels.market_layout import (
    BPS,
    F_FAST,
    F_LEARNED,
    F_PRIVATE,
    F_PUBLIC,
    F_REPORTED,
    F_SEEN,
    F_SEEN_AT,
    F_SIGMA,
    F_SLOW,
    FLOATS,
    NS,
    P_EPISODE_JUMP,
    P_EPISODE_RATE,
    P_FAST_RATE,
    P_FAST_SD,
    P_IMPACT,
    P_JUMP,
    P_JUMP_RATE,
    P_NEWS_RATE,
    P_NOISE_SIZE,
    P_PRIVATE_RATE,
    P_PRIVATE_SHARE,
    P_PUBLIC_RATE,
    P_QTY_PER_USD,
    P_SLOW_RATE,
    P_SLOW_SD,
    P_START_TICKS,
    P_SWEEP_IMPACT,
    P_VOL,
    R_NEWS,
    STREAMS,
    VOL_CLASS,
    Floats,
)
from market_maker.kernels.matching import (
    BEST_ASK,
    BEST_BID,
    NO_ASK,
    ROW_EPISODE,
    TABLE,
    TIME,
    VECTOR,
    Ints,
    emit,
)
from market_maker.kernels.random_bits import (
    Bits,
    exponential,
    laplace,
    normal,
    uniform,
)

_NEVER = 1 << 62
_SWEEP_CAP = 5
"""Emptied levels beyond this teach makers nothing more."""
_REPORT_STEP = 0.1
_CLASSES_BPS = (5.0, 25.0, 60.0)
_MAX_LOG_SCALE = 4.0


@njit(f"void({VECTOR}, {STREAMS}, int64, int64, float64)", cache=True, nogil=True)
def schedule(s: Ints, r: Bits, stream: int, slot: int, rate: float) -> None:
    """Set an agent's next candidate time by its own stream; a rate of zero means never."""
    if rate <= 1e-6:
        s[slot] = _NEVER
    else:
        s[slot] += 1 + int(exponential(r, stream, NS / rate))


@njit(f"void({VECTOR}, {FLOATS}, {FLOATS})", cache=True, nogil=True)
def relax(s: Ints, f: Floats, p: Floats) -> None:
    """Bring the makers' view to now: public price with a short lag, private with a long one."""
    dt = (float(s[TIME]) - f[F_SEEN_AT]) / NS
    f[F_SEEN_AT] = float(s[TIME])
    f[F_SEEN] += (f[F_PUBLIC] - f[F_SEEN]) * -math.expm1(-dt * p[P_PUBLIC_RATE])
    f[F_LEARNED] += (f[F_PRIVATE] - f[F_LEARNED]) * -math.expm1(-dt * p[P_PRIVATE_RATE])


@njit(f"float64({FLOATS}, {FLOATS})", cache=True, nogil=True)
def maker_price(f: Floats, p: Floats) -> float:
    """The makers' estimate in ticks."""
    return float(p[P_START_TICKS] * math.exp(f[F_SEEN] + f[F_LEARNED]))


@njit(f"float64({FLOATS}, {FLOATS})", cache=True, nogil=True)
def efficient_price(f: Floats, p: Floats) -> float:
    """The whole efficient price in ticks."""
    return float(p[P_START_TICKS] * math.exp(f[F_PUBLIC] + f[F_PRIVATE]))


@njit(f"void({VECTOR}, {FLOATS}, {FLOATS}, int64, int64, int64)", cache=True, nogil=True)
def teach(s: Ints, f: Floats, p: Floats, side: int, traded: int, before: int) -> None:
    """Makers learn from a taker: a concave function of size, and more for each emptied level."""
    after = s[BEST_ASK] if side > 0 else s[BEST_BID]
    gone = after in (NO_ASK, 0)
    swept = 1 if gone else min(abs(after - before), _SWEEP_CAP)
    usd = float(traded) * float(before) / (p[P_QTY_PER_USD] * p[P_START_TICKS])
    shift = p[P_IMPACT] * math.log1p(usd / p[P_NOISE_SIZE]) + p[P_SWEEP_IMPACT] * swept
    f[F_LEARNED] += side * shift * BPS


@njit(f"float64({FLOATS}, {FLOATS})", cache=True, nogil=True)
def volatility_scale(f: Floats, p: Floats) -> float:
    """Volatility over its median, set in bps per square root second on the way."""
    scale = math.exp(min(_MAX_LOG_SCALE, f[F_FAST] + f[F_SLOW]))
    f[F_SIGMA] = p[P_VOL] * scale
    return float(scale)


@njit(f"void({VECTOR}, {TABLE}, {FLOATS})", cache=True, nogil=True)
def report_volatility(s: Ints, out: Ints, f: Floats) -> None:
    """Report the true volatility when its class changes or it has moved by a tenth."""
    bps_60s = f[F_SIGMA] * math.sqrt(60.0)
    level = 0
    for bound in _CLASSES_BPS:
        if bps_60s >= bound:
            level += 1
    moved = abs(math.log(max(bps_60s, 1e-9) / max(f[F_REPORTED], 1e-9)))
    if level != s[VOL_CLASS] or moved > _REPORT_STEP:
        s[VOL_CLASS] = level
        f[F_REPORTED] = bps_60s
        emit(s, out, ROW_EPISODE, 0, 0, 0, level, int(bps_60s * 1000.0), 0)


@njit(f"void({VECTOR}, {TABLE}, {STREAMS}, {FLOATS}, {FLOATS})", cache=True, nogil=True)
def news_step(s: Ints, out: Ints, r: Bits, f: Floats, p: Floats) -> None:
    """One step of volatility and of the efficient price."""
    relax(s, f, p)
    dt = 1.0 / p[P_NEWS_RATE]
    keep = math.exp(-dt * p[P_FAST_RATE])
    f[F_FAST] = f[F_FAST] * keep + p[P_FAST_SD] * math.sqrt(1.0 - keep * keep) * normal(r, R_NEWS)
    keep = math.exp(-dt * p[P_SLOW_RATE])
    f[F_SLOW] = f[F_SLOW] * keep + p[P_SLOW_SD] * math.sqrt(1.0 - keep * keep) * normal(r, R_NEWS)
    # Bounded episodes and jumps: a long tail would let a single one decide the kurtosis of a day.
    episode = 2.0 * uniform(r, R_NEWS) * p[P_EPISODE_JUMP]
    if uniform(r, R_NEWS) < dt * p[P_EPISODE_RATE]:
        f[F_FAST] += episode
    scale = volatility_scale(f, p)
    # A Laplace step of mean absolute value m has variance 2 m^2.
    step = laplace(r, R_NEWS, f[F_SIGMA] * math.sqrt(0.5 * dt))
    jump = 4.0 * (uniform(r, R_NEWS) - 0.5) * p[P_JUMP]
    if uniform(r, R_NEWS) < dt * p[P_JUMP_RATE] * scale:
        step += jump
    if uniform(r, R_NEWS) < p[P_PRIVATE_SHARE]:
        f[F_PRIVATE] += step * BPS
    else:
        f[F_PUBLIC] += step * BPS
    report_volatility(s, out, f)
