"""Where the fill engine keeps its state: index constants, and nothing else.

One int64 array holds scalars, own orders, requests on their way, reports to deliver, delay tables and
the public book; one float64 array holds money and rates. What always holds: an index means the
same in every kernel and every driver, and a level is one cache line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market_maker.core.events import RejectReason

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]

INTS = "int64[::1]"
FLOATS = "float64[::1]"
STREAMS = "uint64[::1]"

FOREVER = 2**62
UNKNOWN_FRONT = 2**61
"""Queue ahead at a price that the public book does not reach: longer than anything that trades."""

# Rows of recorded data
LEVEL, TRADE, CLEAR, SNAPSHOT, BEST, FUNDING_ROW, STATUS, HEARTBEAT = range(1, 9)
LAST_OF_MESSAGE, NO_ROWS = 1, 2
BOOK_FEED, TRADES_FEED, FUNDING_FEED, BEST_FEED = range(1, 5)

# Requests
PLACE, AMEND, CANCEL, CANCEL_ALL = range(1, 5)
POST_ONLY, IOC, MARKET, REDUCE_ONLY, DIRECT = 1, 2, 4, 8, 16

# Reports
ACCEPTED, REJECTED, OPENED, FILL, CANCELLED, AMENDED, FUNDING, BAND_FILL, HOLE = range(1, 10)
RESPONSE, STREAM, RECORD = range(3)
MAKER, TAKER, LIQUIDATION = range(1, 4)

REASONS = tuple(RejectReason)
"""What REASON in a report counts in."""

(
    R_NONE,
    R_POST_ONLY,
    R_SELF_TRADE,
    R_REDUCE_ONLY,
    R_MARGIN,
    R_BELOW_MINIMUM,
    R_OFF_GRID,
    R_PRICE_BAND,
    R_UNKNOWN_ORDER,
    R_DUPLICATE_ID,
    R_RATE_LIMIT,
    R_MARKET_CLOSED,
    R_TOO_MANY_ORDERS,
    R_INVALID,
    R_IMMEDIATE_OR_CANCEL,
    R_DEAD_MAN,
    R_LIQUIDATION,
) = range(17)

# Scalars
(
    NOW,
    ROW,
    ROW_VENUE,
    CAUSE,
    CAUSE_KIND,
    MASK,
    BEST_BID,
    BEST_ASK,
    N_BIDS,
    N_ASKS,
    QUOTED_BID,
    QUOTED_ASK,
    QUOTED_NS,
    DROPPED,
    BOOK_AT,
    SKEW,
    RESYNC,
    REORDER_NS,
    N_BUYS,
    N_SELLS,
    OWN_BID,
    OWN_ASK,
    FREE_ORDERS,
    POSITION,
    EXECUTIONS,
    PAYMENTS,
    MARK2,
    HAS_MARK,
    FUNDING_DUE,
    FUNDING_NEXT,
    FUNDING_PAID,
    FUNDING_BITS,
    REQUEST_HEAD,
    REQUEST_COUNT,
    REPORT_HEAD,
    REPORT_COUNT,
    STREAM_DUE,
    OVERFLOWED,
    NEXT_NS,
    PAYOFF,
    TICK,
    DIGITS,
    LOT,
    MIN_QTY,
    MAX_QTY,
    BAND_PPM,
    MAX_ORDERS,
    ORDER_FULL,
    ORDER_INTERVAL,
    ORDER_SLACK,
    CANCEL_FULL,
    CANCEL_INTERVAL,
    CANCEL_SLACK,
    LEFT,
) = range(54)
DOWN_NS = LEFT + 3
N_FEEDS = 5
N_SCALARS = 64
"""LEFT: what each estimate still has of a trade. DOWN_NS: start of each feed's outage, 0 while it is up.
RESYNC: a snapshot is being read. BOOK_AT: time of the last whole book message. QUOTED: touch by the
best-quote feed."""

SPOT, LINEAR, INVERSE = range(3)

# Own orders: a pool of rows, and per side a list of pool rows from the first to be filled on
ORDER_CAPACITY = 512
ORDERS = N_SCALARS
(
    O_ID,
    O_SIDE,
    O_PRICE,
    O_TOTAL,
    O_FLAGS,
    O_PLACED,
    O_BORN,
    O_FRONT,
) = range(8)
ESTIMATES = 3
PESSIMISTIC, CENTRAL, OPTIMISTIC = range(ESTIMATES)
O_START = O_FRONT + ESTIMATES
O_MOVED = O_START + ESTIMATES
O_FILLED = O_MOVED + ESTIMATES
O_SEEN = O_FILLED + ESTIMATES
O_WIDTH = 24
"""FRONT: queue ahead. START: the same when queued. SEEN: the same before the last fill. MOVED: part of the level's unexplained decrease
(its GONE) that has already moved this order, which a late trade may turn out to explain."""
QUEUES = ORDERS + ORDER_CAPACITY * O_WIDTH

# Requests on their way, by acting time
REQUEST_CAPACITY = 1024
REQUESTS = QUEUES + 2 * ORDER_CAPACITY
(
    Q_ACT,
    Q_KIND,
    Q_REQUEST,
    Q_ORDER,
    Q_SIDE,
    Q_PRICE,
    Q_QTY,
    Q_FLAGS,
    Q_ANSWER,
    Q_FEED,
) = range(10)
Q_WIDTH = 12

# Reports to deliver, by due time
REPORT_CAPACITY = 4096
REPORTS = REQUESTS + REQUEST_CAPACITY * Q_WIDTH
(
    DUE,
    KIND,
    CHANNEL,
    AT,
    VENUE,
    REQUEST,
    REQUEST_KIND,
    ORDER,
    SIDE,
    PRICE,
    QTY,
    TOTAL,
    CUM,
    REASON,
    LIQUIDITY,
    RETRY_NS,
    FRONT_0,
) = range(17)
FRONT_AT = FRONT_0 + ESTIMATES
BAND = FRONT_AT + ESTIMATES
(
    PLACED,
    ROW_INDEX,
    POSITION_AFTER,
    REF,
    EXECUTION,
    WHICH,
) = range(BAND + ESTIMATES, BAND + ESTIMATES + 6)
REPORT_WIDTH = 32

# Delays: tables of quantiles, one per kind of message
DELAY_COUNT = 1024
DELAY_SHIFT = 54
DELAYS = REPORTS + REPORT_CAPACITY * REPORT_WIDTH
D_PLACE, D_AMEND, D_CANCEL, D_RESPONSE, D_STREAM, D_FEED = range(6)
DELAY_NAMES = ("place", "amend", "cancel", "response", "stream", "feed")

# The public book: per side a ring of levels by price, and how many of each block are in use
OCCUPIED = DELAYS + len(DELAY_NAMES) * DELAY_COUNT
BLOCK_SHIFT = 6
L_TAG, L_QTY, L_TRADED, L_TRADED_AT, L_GONE, L_LEVEL_AT, L_MARK, L_TAKEN = range(8)
L_SHIFT = 3
MARK_OWN, MARK_STALE = 1, 2
"""A level's TAG is the price it stands for. TRADED: volume that no decrease has shown yet; GONE: decrease
that no trade has explained yet; both with a time. TAKEN: displayed quantity that we have taken."""

# Floats
(
    CASH,
    UNIT_VALUE,
    INVERSE_VALUE,
    MAKER_RATE,
    TAKER_RATE,
    LIQUIDATION_RATE,
    MIN_NOTIONAL,
    LEVERAGE,
    MAINTENANCE,
    EXPONENT,
    FUNDING_RATE,
    FLOOR2,
    CEILING2,
) = range(13)
N_FLOATS = 16
"""FLOOR2 and CEILING2: marks, in half quanta, at which the position is liquidated."""
