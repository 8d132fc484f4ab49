"""The two sides of a market.

Owns the sign convention: buying is +1, selling is -1, everywhere.
"""

from __future__ import annotations

from enum import IntEnum

from market_maker.core.enums import plain_members


@plain_members
class Side(IntEnum):
    """Side of an order or of a trade's aggressor; the value is its sign."""

    BUY = 1
    SELL = -1

    @property
    def label(self) -> str:
        """Lower-case name for logs, metrics and JSON."""
        return "buy" if self is Side.BUY else "sell"


SIDES = (Side.BUY, Side.SELL)
