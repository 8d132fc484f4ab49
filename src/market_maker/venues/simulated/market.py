"""The embedded market: an order book and the agents who trade on it, as one object.

Owns the book, the background agents and the resting orders of one account. Knows integer quanta,
order ids and its own time; refuses to know accounts, fees, balances, latencies or the bot.

What always holds: the same (configuration, seed, calls with their times) gives the same rows, bit
for bit; `advance(a)` then `advance(b)` equals `advance(b)`; a dumped and loaded market has the same
future; a shadow order changes nothing but its own rows.
"""

from __future__ import annotations

import math
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.enums import plain_members
from market_maker.core.randomness import RandomStream, stream_seed
from market_maker.kernels import book_image, efficient_price, own_orders
from market_maker.kernels import market_agents as agents
from market_maker.kernels import market_layout as layout
from market_maker.kernels import matching as book
from market_maker.venues.simulated.market_parameters import parameters

WINDOW = 8192
"""Price levels kept around the price; own orders that fall out of it are cancelled."""
POOL = 4096
"""Resting orders kept; the background leaves `OWN_ORDERS` of them to the account."""
OWN_ORDERS = 256
OUT_ROWS = 16_384
"""Rows of one kernel call; `advance` calls again until it is done."""

_PAST_EPISODES = 100
"""How many episodes before its genesis a market still feels."""

_MAGIC = b"mm-market-1\n"
_REBUILT = (book.BEST_BID, book.FREE, book.LIVE, book.N_OUT, book.N_OWN, book.N_SHADOW)

Rows = NDArray[np.int64]
"""Rows (n, 8) int64: kind, t_ns, side, price, qty, a, b, c; in time order.

kind (IntEnum `RowKind`):
    LEVEL       side of the book, price, qty = new total at the price (0 = gone); shadows excluded
    TRADE       side = aggressor's, price, qty (one row per taker order and price); a = taker's number
    OWN_FILL    side = our order's, price, qty; a = order_id, b = 1 maker / 0 taker, c = remaining
    OWN_CANCEL  side, price, qty = quantity cancelled; a = order_id, b = `CancelWhy`
    RESULT      side, price, qty = remaining after the call; a = order_id, b = `ResultCode`
    EPISODE     a = true volatility class 0 calm .. 3 extreme, b = 60 s volatility in 1e-3 bps

A fill of ours against the background is printed as a TRADE too (ours as maker or taker); a fill of a
shadow is not. TRADE and OWN_FILL rows come before the LEVEL row of the same price.
"""


@plain_members
class RowKind(IntEnum):
    """What a row reports."""

    LEVEL = 1
    TRADE = 2
    OWN_FILL = 3
    OWN_CANCEL = 4
    RESULT = 5
    EPISODE = 6


@plain_members
class ResultCode(IntEnum):
    """How a call ended."""

    ACCEPTED = 0
    POST_ONLY_CROSS = 1
    DUPLICATE_ID = 2
    OUT_OF_RANGE = 3
    BOOK_FULL = 4
    INVALID = 5
    UNKNOWN_ORDER = 6


@plain_members
class CancelWhy(IntEnum):
    """Why quantity of ours was cancelled."""

    REQUESTED = 1
    SELF_TRADE = 2
    IMMEDIATE_REMAINDER = 3
    OUT_OF_WINDOW = 4
    AMENDED_BELOW_FILLED = 5


@plain_members
class PlaceFlag(IntFlag):
    """How an order behaves; none of them is a plain limit order that rests (GTC)."""

    POST_ONLY = 1
    IOC = 2
    MARKET = 4
    SHADOW = 8


class OwnOrder(NamedTuple):
    """An open order of the account (or an open shadow)."""

    side: int
    price: int
    remaining: int
    filled: int
    shadow: bool


def _opening_volatility(config: MarketModelConfig, seed: int) -> tuple[float, float]:
    """The fast and the slow log-volatility factor from their stationary law, recent episodes included."""
    stream = RandomStream(seed, "market/volatility")
    slow = config.volatility_slow_log_sd * stream.normal()
    fast = config.volatility_fast_log_sd * stream.normal()
    age = 0.0
    for _ in range(_PAST_EPISODES if config.episodes_per_hour > 0.0 else 0):
        gap_s = stream.exponential(3600.0 / config.episodes_per_hour)
        age += gap_s / config.volatility_fast_half_life_s
        fast += 2.0 * stream.uniform() * config.episode_log_jump * 0.5**age
    return fast, slow


class MarketCore:
    """One market at its own time; every method acts at `time_ns`, and only `advance` moves it."""

    __slots__ = (
        "_account",
        "_book",
        "_f",
        "_levels",
        "_orders",
        "_out",
        "_own",
        "_p",
        "_r",
        "_s",
        "_state",
    )

    def __init__(self, config: MarketModelConfig, seed: int) -> None:
        """Open the market at time 0 with a book in equilibrium."""
        self._allocate(config)
        for i, name in enumerate(layout.STREAM_NAMES):
            self._r[i] = stream_seed(seed, f"market/{name}")
        fast, slow = _opening_volatility(config, seed)
        self._f[layout.F_FAST], self._f[layout.F_SLOW] = fast, slow
        agents.open_market(*self._state)
        self._s[book.N_OUT] = 0

    def _allocate(self, config: MarketModelConfig) -> None:
        self._p = parameters(config)
        self._s = np.zeros(layout.N_SCALARS, np.int64)
        self._levels = np.zeros((WINDOW, 3), np.int64)
        self._levels[:, book.HEAD :] = -1
        self._orders = np.zeros((POOL, 8), np.int64)
        self._orders[:, book.NEXT] = np.arange(1, POOL + 1)
        self._own = np.zeros(OWN_ORDERS, np.int64)
        self._out = np.zeros((OUT_ROWS, 8), np.int64)
        self._r = np.zeros(layout.N_STREAMS, np.uint64)
        self._f = np.zeros(layout.N_FLOATS, np.float64)
        self._s[book.BEST_ASK] = book.NO_ASK
        self._s[book.BASE] = max(1, int(self._p[layout.P_START_TICKS]) - WINDOW // 2)
        self._book = (self._s, self._levels, self._orders, self._own)
        self._account = (*self._book, self._out, self._f, self._p)
        self._state = (*self._book, self._out, self._r, self._f, self._p)

    def _take_rows(self) -> Rows:
        n = int(self._s[book.N_OUT])
        self._s[book.N_OUT] = 0
        return self._out[:n].copy()

    @property
    def time_ns(self) -> int:
        """How far the market has been advanced, from its genesis at 0."""
        return int(self._s[book.TIME])

    def advance(self, until_ns: int) -> Rows:
        """Run the market to exactly `until_ns` (not before `time_ns`); everything that happened."""
        if until_ns < self.time_ns:
            msg = f"the market is at {self.time_ns} ns and cannot go back to {until_ns}"
            raise ValueError(msg)
        done = agents.run(*self._state, until_ns)
        rows = self._take_rows()
        if done:
            return rows
        chunks = [rows]
        while not done:
            done = agents.run(*self._state, until_ns)
            chunks.append(self._take_rows())
        return np.concatenate(chunks)

    def place(self, order_id: int, side: int, price: int, qty: int, flags: int = 0) -> Rows:
        """Submit an order of ours now; flags are `PlaceFlag` bits; price is ignored with MARKET.

        First row RESULT: ACCEPTED, POST_ONLY_CROSS, DUPLICATE_ID, OUT_OF_RANGE (price outside the
        window of levels), BOOK_FULL, INVALID (qty or price not positive). Then trades, own fills,
        levels; a remainder of IOC/MARKET or one stopped by self-trade prevention is an OWN_CANCEL.
        SHADOW implies POST_ONLY. The RESULT row's qty is what rests after the call.
        """
        agents.account_place(*self._account, order_id, side, price, qty, flags)
        return self._take_rows()

    def amend(self, order_id: int, price: int, new_total_qty: int) -> Rows:
        """Change an open order; keeps its queue place when price is unchanged and size not larger.

        `new_total_qty` counts what is already filled; at or below the filled quantity the order
        is cancelled (OWN_CANCEL AMENDED_BELOW_FILLED). A price that would cross is refused
        (POST_ONLY_CROSS) for orders placed POST_ONLY, and trades otherwise. UNKNOWN_ORDER if not open.
        """
        agents.account_amend(*self._account, order_id, price, new_total_qty)
        return self._take_rows()

    def cancel(self, order_id: int) -> Rows:
        """Cancel an open order: RESULT ACCEPTED and OWN_CANCEL REQUESTED, or RESULT UNKNOWN_ORDER."""
        own_orders.cancel(*self._book, self._out, order_id)
        return self._take_rows()

    def order(self, order_id: int) -> OwnOrder | None:
        """An open order of ours; None once closed (the caller keeps history)."""
        node = own_orders.find_own(self._s, self._orders, self._own, order_id)
        if node < 0:
            return None
        row = self._orders[node].tolist()
        return OwnOrder(
            side=row[book.SIDE],
            price=row[book.PRICE],
            remaining=row[book.QTY],
            filled=row[book.FILLED],
            shadow=row[book.OWNER] & book.KIND_MASK == book.SHADOW,
        )

    def open_order_ids(self) -> list[int]:
        """Ids of all open orders, shadows included, in order of acceptance."""
        nodes = self._own[: self._s[book.N_OWN]]
        ids: list[int] = self._orders[nodes, book.ID].tolist()
        return ids

    def queue_ahead(self, order_id: int) -> int:
        """Real quantity ahead of an open order at its price; -1 if it is not open."""
        return int(own_orders.queue_ahead(*self._book, order_id))

    def depth(self, n: int) -> tuple[Rows, Rows]:
        """The best `n` levels of bids and asks as (k, 2) arrays of price, qty from the best out."""
        return self._side(self.best_bid, -1, n), self._side(self.best_ask, 1, n)

    def _side(self, best: int, step: int, n: int) -> Rows:
        if best == 0:
            return np.zeros((0, 2), np.int64)
        base = int(self._s[book.BASE])
        prices = np.arange(best, base + WINDOW) if step > 0 else np.arange(best, base - 1, -1)
        totals = self._levels[prices & (WINDOW - 1), book.TOTAL]
        shown = np.flatnonzero(totals)[:n]
        return np.column_stack((prices[shown], totals[shown])).astype(np.int64)

    @property
    def best_bid(self) -> int:
        """Best bid price in quanta, 0 if there is none."""
        return int(self._s[book.BEST_BID])

    @property
    def best_ask(self) -> int:
        """Best ask price in quanta, 0 if there is none."""
        ask = int(self._s[book.BEST_ASK])
        return 0 if ask == book.NO_ASK else ask

    @property
    def mark_price2(self) -> int:
        """The makers' estimate of the price in half quanta: what the venue marks positions at."""
        return max(1, round(2.0 * efficient_price.maker_price(self._f, self._p)))

    @property
    def efficient_price(self) -> float:
        """The whole efficient price in quanta (private truth, for tests and research only)."""
        return float(efficient_price.efficient_price(self._f, self._p))

    @property
    def volatility_60s_bps(self) -> float:
        """True volatility now in 60-second-equivalent bps (private truth)."""
        return float(self._f[layout.F_SIGMA]) * math.sqrt(60.0)

    def dump(self) -> bytes:
        """Everything the future depends on."""
        image = np.zeros((POOL, book_image.N_COLUMNS), np.int64)
        n = book_image.pack_orders(*self._book, image)
        scalars = self._s.copy()
        # Which slots of the pool are free is no part of the market.
        scalars[book.FREE] = 0
        parts = (self._p, scalars, self._r, self._f, image[:n])
        return _MAGIC + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

    @classmethod
    def load(cls, config: MarketModelConfig, blob: bytes) -> MarketCore:
        """The market a `dump` described, under the same configuration (else ValueError)."""
        self = cls.__new__(cls)
        self._allocate(config)
        if blob[: len(_MAGIC)] != _MAGIC:
            msg = "not a market of this version"
            raise ValueError(msg)
        at = len(_MAGIC)
        stored = np.empty_like(self._p)
        for part in (stored, self._s, self._r, self._f):
            part[:] = np.frombuffer(blob, part.dtype, part.size, at)
            at += part.nbytes
        if not np.array_equal(stored, self._p):
            msg = "the stored market has another configuration"
            raise ValueError(msg)
        image = np.frombuffer(blob, np.int64, -1, at).reshape(-1, book_image.N_COLUMNS).copy()
        scalars = self._s.copy()
        self._s[list(_REBUILT)] = 0
        self._s[book.BEST_ASK] = book.NO_ASK
        book_image.unpack_orders(*self._book, self._out, image)
        free = self._s[book.FREE]
        self._s[:] = scalars
        self._s[book.FREE] = free
        return self
