"""The streams of the embedded exchange, by name and by number."""

from __future__ import annotations

from typing import Final

from market_maker.core.events import Feed

STREAMS: Final = (Feed.BOOK, Feed.TRADES, Feed.FUNDING, Feed.PRIVATE)
BOOK, TRADES, FUNDING, PRIVATE = range(4)
