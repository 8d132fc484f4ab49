"""What the account lends to the bot, and the name that the bot signs its orders with."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from market_maker.config.section import Section


class AccountConfig(Section):
    """Section `[account]`."""

    capital_quote: Decimal = Field(
        Decimal(10_000),
        gt=0,
        le=10**12,
        description="Money the bot may work with; drawdown, daily loss and shares of capital refer to it",
    )
    tag: str = Field(
        "mm",
        pattern="^[a-z0-9]{1,6}$",
        description="Start of every client order id; two bots on one account need different ones",
    )
