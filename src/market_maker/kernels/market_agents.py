"""The loop that runs the embedded market's agents, event by event.

Owns the order of events and the account's entry into the market. Refuses to know the account: its
orders are liquidity like any other. What always holds: an agent's draws come from its own
stream, so an order of ours reshuffles nobody's; state changes at events only, so cutting a run into pieces
changes nothing; the book stays inside its window and its pool.

Arrays: `s` scalars, `lv` levels, `od` orders, `own` list of own orders, `out` rows, `r` streams,
`f` agents' floats, `p` parameters.
"""

from __future__ import annotations

import math

from numba import njit

from market_maker.kernels.efficient_price import (
    maker_price,
    news_step,
    relax,
    report_volatility,
    schedule,
    teach,
    volatility_scale,
)
from market_maker.kernels.makers import (
    DEEP,
    DEPTH_POWER,
    LUMP_LOG_SD,
    level_usd,
    maker_step,
)
from market_maker.kernels.market_layout import (
    AGENTS,
    BOOK,
    F_NOISE_BASE,
    FLOATS,
    NEXT_INFORMED,
    NEXT_MAKER,
    NEXT_NEWS,
    NEXT_NOISE,
    P_INFORMED_RATE,
    P_LEVELS,
    P_LUMP,
    P_NEWS_RATE,
    P_NOISE_BASE,
    P_START_TICKS,
    R_INFORMED,
    R_MAKER,
    R_NEWS,
    R_NOISE,
    VOL_CLASS,
    Floats,
)
from market_maker.kernels.matching import (
    BACKGROUND,
    BASE,
    BEST_ASK,
    BEST_BID,
    LIVE,
    N_OUT,
    N_OWN,
    ROW_TRADE,
    TABLE,
    TIME,
    TOTAL,
    VECTOR,
    Ints,
    emit_level,
    prune,
    recentre,
    rest,
)
from market_maker.kernels.own_orders import (
    amend,
    place,
)
from market_maker.kernels.random_bits import (
    Bits,
    normal,
)
from market_maker.kernels.takers import (
    informed_step,
    noise_step,
    qty_of,
)


@njit(f"void({AGENTS})", cache=True, nogil=True)
def open_market(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats
) -> None:
    """Fill the book to its equilibrium at the volatility factors found in `f`; set first times."""
    stress = volatility_scale(f, p)
    room = od.shape[0] - own.shape[0]
    for j in range(int(p[P_LEVELS])):
        for side in (1, -1):
            start = p[P_START_TICKS] - 0.5 * side
            price = int(math.floor(start) if side > 0 else math.ceil(start)) - side * j
            want = qty_of(p, level_usd(p, j) * math.pow(stress, -DEPTH_POWER), 1e9, price)
            while lv[price & (lv.shape[0] - 1), TOTAL] < want and price > 0 and s[LIVE] < room:
                usd = p[P_LUMP] * math.exp(LUMP_LOG_SD * normal(r, R_MAKER))
                rest(s, lv, od, own, out, side, price, qty_of(p, usd, 1e9, price), BACKGROUND, 0)
            emit_level(s, lv, out, side, price)
    f[F_NOISE_BASE] = p[P_NOISE_BASE] * math.sqrt(stress)
    s[VOL_CLASS] = -1
    report_volatility(s, out, f)
    schedule(s, r, R_NEWS, NEXT_NEWS, p[P_NEWS_RATE])
    schedule(s, r, R_NOISE, NEXT_NOISE, 2.0 * f[F_NOISE_BASE])
    schedule(s, r, R_INFORMED, NEXT_INFORMED, p[P_INFORMED_RATE])
    schedule(s, r, R_MAKER, NEXT_MAKER, 100.0)


@njit(f"void({BOOK}, {FLOATS}, {FLOATS})", cache=True, nogil=True)
def _housekeep(s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, f: Floats, p: Floats) -> None:
    """Keep the price inside the window and the pool below its bound."""
    width = lv.shape[0]
    price = int(maker_price(f, p))
    if price - s[BASE] > 3 * width // 4 or (price - s[BASE] < width // 4 and s[BASE] > 1):
        recentre(s, lv, od, own, out, price)
    if s[LIVE] - s[N_OWN] > 3 * od.shape[0] // 4:
        prune(s, lv, od, own, out, int(DEEP * p[P_LEVELS]))


@njit(f"boolean({AGENTS}, int64)", cache=True, nogil=True)
def run(
    s: Ints, lv: Ints, od: Ints, own: Ints, out: Ints, r: Bits, f: Floats, p: Floats, until: int
) -> bool:
    """Run the market to `until`; False when the rows had no room left and it must be called again."""
    room = out.shape[0] - 2 * od.shape[0]
    while s[N_OUT] < room:
        t = min(s[NEXT_NEWS], s[NEXT_NOISE], s[NEXT_INFORMED], s[NEXT_MAKER])
        if t > until:
            s[TIME] = until
            return True
        s[TIME] = t
        if t == s[NEXT_NEWS]:
            schedule(s, r, R_NEWS, NEXT_NEWS, p[P_NEWS_RATE])
            news_step(s, out, r, f, p)
            _housekeep(s, lv, od, own, out, f, p)
        elif t == s[NEXT_NOISE]:
            noise_step(s, lv, od, own, out, r, f, p)
        elif t == s[NEXT_INFORMED]:
            informed_step(s, lv, od, own, out, r, f, p)
        else:
            maker_step(s, lv, od, own, out, r, f, p)
    return False


@njit(f"void({VECTOR}, {TABLE}, {FLOATS}, {FLOATS}, int64, int64, int64)", cache=True, nogil=True)
def _learn_from_rows(
    s: Ints, out: Ints, f: Floats, p: Floats, side: int, before: int, first: int
) -> None:
    """Let makers learn from the trades among the rows since `first`."""
    traded = 0
    for i in range(first, s[N_OUT]):
        if out[i, 0] == ROW_TRADE:
            traded += out[i, 4]
    if traded:
        relax(s, f, p)
        teach(s, f, p, side, traded, before)


@njit(
    f"void({BOOK}, {FLOATS}, {FLOATS}, int64, int64, int64, int64, int64)", cache=True, nogil=True
)
def account_place(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    f: Floats,
    p: Floats,
    order_id: int,
    side: int,
    price: int,
    qty: int,
    flags: int,
) -> None:
    """The account's order; makers learn from what it takes as from any taker."""
    before = s[BEST_ASK] if side > 0 else s[BEST_BID]
    first = s[N_OUT]
    place(s, lv, od, own, out, order_id, side, price, qty, flags)
    _learn_from_rows(s, out, f, p, side, before, first)


@njit(f"void({BOOK}, {FLOATS}, {FLOATS}, int64, int64, int64)", cache=True, nogil=True)
def account_amend(
    s: Ints,
    lv: Ints,
    od: Ints,
    own: Ints,
    out: Ints,
    f: Floats,
    p: Floats,
    order_id: int,
    price: int,
    total: int,
) -> None:
    """The account's amendment, which may take like a new order."""
    bid, ask = s[BEST_BID], s[BEST_ASK]
    first = s[N_OUT]
    amend(s, lv, od, own, out, order_id, price, total)
    side = out[first, 2]
    _learn_from_rows(s, out, f, p, side, ask if side > 0 else bid, first)
