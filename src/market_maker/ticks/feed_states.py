"""Which feeds speak at the end of some rows, and the rows that say that they speak no more.

Refuses to know why a recording ends. What always holds: a feed that spoke counts as up until a state
says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from market_maker.core.events import Feed, FeedStatus
from market_maker.ticks.columns import FEED_NUMBERS, Kind, Ticks
from market_maker.ticks.packing import ticks_of

_SPOKEN: Final = {
    Feed.BOOK: (Kind.LEVEL, Kind.SNAPSHOT),
    Feed.TRADES: (Kind.TRADE,),
    Feed.FUNDING: (Kind.FUNDING,),
    Feed.BEST: (Kind.BEST,),
}


def states_of(ticks: Ticks) -> dict[Feed, bool]:
    """Whether each feed of which these rows know is up at their end."""
    states = {}
    for feed, number in FEED_NUMBERS.items():
        told = np.flatnonzero((ticks.kind == Kind.STATUS) & (ticks.price == number))
        if len(told):
            states[feed] = bool(ticks.side[told[-1]] > 0)
        elif np.isin(ticks.kind, _SPOKEN[feed]).any():
            states[feed] = True
    return states


def endings(states: Mapping[Feed, bool], now_ns: int, detail: str) -> Ticks:
    """Rows that take every feed down that is up."""
    return ticks_of(
        FeedStatus(now_ns, feed, up=False, detail=detail) for feed, up in states.items() if up
    )
