"""Fair value: the mid moved a little by who stands in the book and who has been trading.

Owns the coefficients and the fuse on their sum. A heavy bid or recent buying moves fair value
up. Refuses to price a book that is not valid: then fair value is whatever mid there is.
"""

from __future__ import annotations

from market_maker.config.signals import FairPriceConfig
from market_maker.core.readings import FairPriceReading
from market_maker.kernels.fair_price import fair_offset_bps
from market_maker.market.market_view import MarketView


class FairPrice:
    """Microprice with configured coefficients; `price_unit` is one quantum in quote currency."""

    __slots__ = ("_config", "_half_unit", "_use_depth", "times_capped")

    def __init__(self, config: FairPriceConfig, price_unit: float) -> None:
        """Remember the coefficients."""
        self._config = config
        self._half_unit = 0.5 * price_unit
        self._use_depth = config.book == "depth"
        self.times_capped = 0

    def reading(
        self, view: MarketView, trade_imbalance: float, jump_bps: float
    ) -> FairPriceReading:
        """Fair value of one view."""
        config = self._config
        mid = (view.best_bid + view.best_ask) * self._half_unit
        if not view.valid:
            return FairPriceReading(mid, 0.0, 0.0, trade_imbalance)
        bid, ask = view.bid_qty, view.ask_qty
        if self._use_depth:
            bid, ask = view.depth_bid_qty, view.depth_ask_qty
        book = (bid - ask) / (bid + ask)
        if not config.enabled:
            return FairPriceReading(mid, 0.0, book, trade_imbalance)
        offset_bps = fair_offset_bps(
            book, trade_imbalance, jump_bps, config.b_book_bps, config.b_flow_bps, config.b_jump
        )
        if abs(offset_bps) > config.cap_bps:
            self.times_capped += 1
            offset_bps = config.cap_bps if offset_bps > 0.0 else -config.cap_bps
        offset = mid * offset_bps * 1e-4
        return FairPriceReading(mid + offset, offset, book, trade_imbalance)
