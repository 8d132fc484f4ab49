"""The market at one instant, as every consumer sees it: one frozen value per event.

Prices are integer quanta, `mid2` half quanta. Sizes exclude our own resting orders, so that
we never price from ourselves.
"""

from __future__ import annotations

import msgspec

from market_maker.core.reasons import BookVerdict

_VALID = BookVerdict.VALID


class MarketView(msgspec.Struct, frozen=True, gc=False):
    """Top of book and depth after one event.

    `depth_bid_qty` and `depth_ask_qty` sum the best levels within the configured distance.
    `touch_bid` and `touch_ask` are the best prices of the others before own size was
    subtracted (what post-only is judged against). `version` counts changes that a quote may
    depend on. Prices are 0 where a side is empty.
    """

    version: int
    recv_ns: int
    verdict: BookVerdict
    best_bid: int
    best_ask: int
    bid_qty: int
    ask_qty: int
    depth_bid_qty: int
    depth_ask_qty: int
    touch_bid: int
    touch_ask: int

    @property
    def mid2(self) -> int:
        """Twice the mid price in quanta; meaningful only for a two-sided book."""
        return self.best_bid + self.best_ask

    @property
    def spread(self) -> int:
        """Best ask minus best bid in quanta."""
        return self.best_ask - self.best_bid

    @property
    def valid(self) -> bool:
        """Whether quotes may be priced from this view."""
        return self.verdict is _VALID
