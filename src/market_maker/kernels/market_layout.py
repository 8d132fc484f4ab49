"""Where the embedded market's agents keep their state and find their parameters.

Owns index constants only. What always holds: an index means the same in every kernel and in the shell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_maker.kernels.matching import N_BOOK, TABLE, VECTOR

Floats = NDArray[np.float64]

FLOATS = "float64[::1]"
STREAMS = "uint64[::1]"
BOOK = f"{VECTOR}, {TABLE}, {TABLE}, {VECTOR}, {TABLE}"
"""Types of s, lv, od, own, out."""
AGENTS = f"{BOOK}, {STREAMS}, {FLOATS}, {FLOATS}"
"""Types of s, lv, od, own, out, r, f, p."""

NS = 1e9
BPS = 1e-4

NEXT_NEWS, NEXT_NOISE, NEXT_INFORMED, NEXT_MAKER, VOL_CLASS = range(N_BOOK, N_BOOK + 5)
N_SCALARS = N_BOOK + 8

R_NEWS, R_NOISE, R_INFORMED, R_MAKER = range(4)
N_STREAMS = 4
STREAM_NAMES = ("news", "noise", "informed", "maker")

(
    F_PUBLIC,
    F_PRIVATE,
    F_SEEN,
    F_LEARNED,
    F_SEEN_AT,
    F_FAST,
    F_SLOW,
    F_SIGMA,
    F_NOISE_AT,
    F_NOISE_BASE,
    F_FAST_BUY,
    F_FAST_SELL,
    F_SLOW_BUY,
    F_SLOW_SELL,
    F_REPORTED,
) = range(15)
N_FLOATS = 16
"""Log prices are relative to the start price; F_SIGMA is bps per square root second."""

(
    P_START_TICKS,
    P_QTY_PER_USD,
    P_VOL,
    P_FAST_SD,
    P_FAST_RATE,
    P_SLOW_SD,
    P_SLOW_RATE,
    P_EPISODE_RATE,
    P_EPISODE_JUMP,
    P_NEWS_RATE,
    P_JUMP_RATE,
    P_JUMP,
    P_PRIVATE_SHARE,
    P_PRIVATE_RATE,
    P_PUBLIC_RATE,
    P_NOISE_BASE,
    P_NOISE_FAST_DECAY,
    P_NOISE_FAST,
    P_NOISE_SLOW_DECAY,
    P_NOISE_SLOW,
    P_NOISE_CROSS,
    P_NOISE_SIZE,
    P_NOISE_LOG_SD,
    P_NOISE_CLIP,
    P_NOISE_REACH,
    P_CAP,
    P_INFORMED_RATE,
    P_INFORMED_EDGE,
    P_INFORMED_SIZE,
    P_INFORMED_LOG_SD,
    P_LEVELS,
    P_DEPTH,
    P_LUMP,
    P_NEAR_CANCEL,
    P_FAR_CANCEL,
    P_STALE_CANCEL,
    P_STALE,
    P_HALF_SPREAD,
    P_IMPACT,
    P_SWEEP_IMPACT,
    P_INFORMED_SWEEP,
    P_BEHIND,
    P_NOISE_SWEEP,
) = range(43)
N_PARAMS = 48
