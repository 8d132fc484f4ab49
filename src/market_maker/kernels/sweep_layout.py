"""Where a compiled sweep keeps its settings and its own state: index constants, and nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Settings
(
    # Pricing
    LEVELS,
    FEE_RATE,
    ORDER_SIZE,
    MIN_SIZE,
    MIN_NOTIONAL,
    MARGIN_BPS,
    ADVERSE_BPS,
    MAX_FLOOR_BPS,
    TOXICITY_CAP,
    K_INTERVAL,
    POST_ONLY_TICKS,
    # Instrument
    PRICE_UNIT,
    BASE_PER_QTY,
    INVERSE,
    SPOT,
    TICK,
    DIGITS,
    LOT,
    MIN_QTY,
    MAX_QTY,
    QTY_VALUE,
    # Fair value and toxicity
    FAIR_ENABLED,
    B_BOOK,
    B_FLOW,
    B_JUMP,
    FAIR_CAP,
    TOXICITY_ENABLED,
    WIDEN_PERCENTILE,
    WIDEN_FACTOR,
    EXCESS_HORIZON_S,
    # Limits
    CAPITAL,
    MAX_POSITION,
    MAX_POSITION_NOTIONAL,
    CAPITAL_SHARE,
    UTILISATION,
    LEVERAGE,
    MAINTENANCE,
    LIQUIDATION_SHARE,
    YELLOW,
    RED,
    ZONE_HYSTERESIS,
    BUILD_SCALE,
    PRICE_BAND,
    BAND_FLOOR,
    BAND_SPREADS,
    MAX_DRAWDOWN,
    MAX_DAILY_LOSS,
    # Moving orders
    CAN_AMEND,
    TOLERANCE_TICKS,
    TOLERANCE,
    TOLERANCE_RELEASE,
    MIN_INTERVAL_NS,
    MAX_AGE_NS,
    AMEND_MAX,
    SIZE_MOST,
    REFILL_BELOW,
    URGENT,
    MIN_SPREAD_BPS,
    IMBALANCE_LIMIT,
    GATE_HYSTERESIS,
    GATE_DWELL_NS,
    CHURN_PER_NS,
    CHURN_BURST,
    FAILURE_PAUSE_NS,
    MAX_FAILURE_PAUSE_NS,
    COOLDOWN_NS,
    SAMPLE_NS,
    # Own fills
    ADVERSE_MIN_FILLS,
    ADVERSE_HORIZON_NS,
    T_HORIZON_NS,
    T_MEMORY,
    T_MIN_FILLS,
    T_ONE_SIDED,
    T_LOSS_BPS,
    T_SPREAD_FACTOR,
    T_SIZE,
    T_INTERVAL,
    T_CLEAN,
    T_RECOVERY_S,
) = range(79)
SETTINGS = 80

# The driver's integers: scalars, then one block per level, bids first
(
    POSITION,
    ZONE,
    REQUESTS,
    ORDERS,
    KILLED,
    ROW,
    FILLS,
    SAMPLES,
    SENT,
    NEXT_SAMPLE_NS,
    DAY,
    CHURN_NS,
    BUY_COOLDOWN_NS,
    SELL_COOLDOWN_NS,
    PLACED,
    AMENDED,
    CANCELLED,
    REJECTED,
    OVERFLOW,
    MARKED,
    WEIGHED,
) = range(21)
SCALARS = 24
(
    B_STATE,
    B_ORDER,
    B_REQUEST,
    B_PRICE,
    B_TOTAL,
    B_FILLED,
    B_SENT_NS,
    B_NEW_PRICE,
    B_NEW_TOTAL,
    B_MOVED_NS,
    B_MOVING,
    B_FAILURES,
    B_PAUSE_NS,
    B_GATE,
    B_GATE_NS,
    B_SETTLED,
    B_VERSION,
    B_MARKET_ORDERS,
    B_POSITION,
    B_SLOW_RATE,
) = range(20)
BLOCK = 24

NONE, PLACING, RESTING, AMENDING, CANCELLING = range(5)
GREEN, YELLOW_ZONE, RED_ZONE, OVER = range(4)
NO_GATE, TOXIC, COUNTER_TREND, TIGHT, LOPSIDED = range(5)

# The driver's floats
(
    TOKENS,
    PEAK,
    DAY_START,
    EQUITY,
    RATIO,
    LIMIT,
    BUY_ROOM,
    SELL_ROOM,
    BUY_SCALE,
    SELL_SCALE,
    LONG_LIMIT,
    SHORT_LIMIT,
    TOXIC_LEVEL,
    EXPECTED_ADVERSE,
    OWN,
) = range(15)
NUMBERS = 40
"""`OWN` is where the memory of own fills begins."""

# Per side, what the ladder does not carry
BLOCKED, PRIORITY, REDUCE_ONLY = range(3)

# Rows that a run leaves
F_DUE, F_AT, F_SIDE, F_PRICE, F_QTY, F_LIQUIDITY, F_LEVEL, F_MID2, F_ORDER, F_POSITION = range(10)
FILL_WIDTH = 10
E_TIME, E_MID2, E_POSITION, E_EQUITY = range(4)
SAMPLE_WIDTH = 4
R_SENT, R_KIND, R_REQUEST, R_ORDER, R_SIDE, R_PRICE, R_QTY, R_FLAGS = range(8)
REQUEST_WIDTH = 8
