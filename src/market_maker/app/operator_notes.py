"""What a recording of a paper session tells beside market data: when the bot came up, what an operator asked.

Notes travel as states of a stream that nobody trades on (best bid and offer, up), so that they lie between
the messages where they belong and every reader of recordings may pass them by. Always holds: what
is noted can be done again at the same place.
"""

from __future__ import annotations

from typing import Final

import msgspec

from market_maker.app.reach import Order
from market_maker.core.events import Event, Feed, FeedStatus
from market_maker.ticks.columns import Ticks

_BEGUN: Final = "paper session: bot came up at "
_ASKED: Final = "paper session: operator asks "


def begun_at(start_ns: int, now_ns: int) -> FeedStatus:
    """Says at `now_ns` that the bot came up at `start_ns`."""
    return FeedStatus(now_ns, Feed.BEST, up=True, detail=f"{_BEGUN}{start_ns}")


def start_in(event: Event | None) -> int | None:
    """When the bot of a recording came up, if its first event says so."""
    detail = _note(event)
    return int(detail.removeprefix(_BEGUN)) if detail.startswith(_BEGUN) else None


def sessions_in(ticks: Ticks) -> int:
    """How many paper sessions a recording tells of."""
    return sum(text.startswith(_BEGUN) for text in ticks.text.values())


def note_of(order: Order, now_ns: int) -> FeedStatus:
    """Says what an operator asked."""
    asked = msgspec.json.encode(order).decode()
    return FeedStatus(now_ns, Feed.BEST, up=True, detail=f"{_ASKED}{asked}")


def order_in(event: Event) -> Order | None:
    """What an operator asked here, if anything."""
    detail = _note(event)
    if not detail.startswith(_ASKED):
        return None
    return msgspec.json.decode(detail.removeprefix(_ASKED), type=Order)


def _note(event: Event | None) -> str:
    return event.detail if isinstance(event, FeedStatus) and event.feed is Feed.BEST else ""
