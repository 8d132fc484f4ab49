"""Who presses: trade imbalance, order-flow imbalance and the usual volume.

Owns the shell over the flow kernel. Fair value and toxicity read it; nobody else counts trades
for them. Volumes are notional in quote currency, times are seconds since the signals began.
"""

from __future__ import annotations

from market_maker.config.signals import OrderFlowConfig
from market_maker.core.side import Side
from market_maker.kernels import order_flow as kernel
from market_maker.kernels.order_flow import Floats
from market_maker.market.market_view import MarketView

_COLD_WEIGHT_S = 60.0


class OrderFlow:
    """Shell over the order-flow kernel; imbalances are positive when buyers press."""

    __slots__ = ("_state", "ofi", "trade_imbalance")

    def __init__(self, config: OrderFlowConfig) -> None:
        """Start balanced, with the configured volume rate as prior."""
        state = self._state = kernel.new_order_flow(config.cold_volume_per_s, _COLD_WEIGHT_S)
        state[kernel.TRADE_TAU_S] = 0.5 * config.trade_window_s
        state[kernel.OFI_TAU_S] = 0.5 * config.ofi_window_s
        state[kernel.RATE_TAU_S] = 0.5 * config.rate_window_s
        state[kernel.PRIOR_SHARE] = config.prior_share
        self.trade_imbalance = 0.0
        self.ofi = 0.0

    @property
    def state(self) -> Floats:
        """The kernel's array, for drivers that run many events in one compiled call."""
        return self._state

    def on_view(self, view: MarketView, now_s: float) -> None:
        """Count a new top of book."""
        self.trade_imbalance, self.ofi = kernel.flow_on_book(
            self._state,
            now_s,
            float(view.best_bid),
            float(view.best_ask),
            float(view.bid_qty),
            float(view.ask_qty),
        )

    def on_trade(self, side: Side, notional: float, now_s: float) -> None:
        """Count a trade by its aggressor's side."""
        self.trade_imbalance, self.ofi = kernel.flow_on_trade(
            self._state, now_s, int(side), notional
        )

    def advance(self, now_s: float) -> None:
        """Let time pass without an event."""
        self.trade_imbalance, self.ofi = kernel.flow_at(self._state, now_s)

    def interrupt(self) -> None:
        """The book is out: its next state is no flow."""
        kernel.flow_interrupt(self._state)

    @property
    def volume_per_s(self) -> float:
        """Usual traded notional per second."""
        return float(self._state[kernel.RATE_VOLUME] / self._state[kernel.RATE_TIME])
