"""The live view where there is no room for it: one fact a line, the most urgent first.

Owns what is worth a line on a terminal of, say, 40x10. Each line is cut at the right, never wrapped, so the
height is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from market_maker.core.side import Side
from market_maker.telemetry.snapshot import LevelStatus, MarketStatus, Status, killed_markets


def compact(status: Status, height: int) -> RenderableType:
    """At most `height` lines."""
    lines = (Text(text, no_wrap=True, overflow="ellipsis") for text in _lines(status))
    return Group(*(line for line, _ in zip(lines, range(max(1, height)), strict=False)))


def _lines(status: Status) -> Iterator[str]:
    yield f"{status.state.value.upper()} {status.mode} {status.venue}"
    if status.kill_switch.engaged:
        yield f"KILL SWITCH: {', '.join(reason.value for reason in status.kill_switch.reasons)}"
    for name in killed_markets(status):
        yield f"KILL SWITCH: {name}"
    if not status.markets:
        yield "waiting for the first market"
    for market in status.markets.values():
        yield from _market_lines(market)
    for market in status.markets.values():
        yield from _quote_lines(market)


def _market_lines(market: MarketStatus) -> Iterator[str]:
    """State, money and position of one market."""
    book = market.book
    touch = f"{book.bid_price}/{book.ask_price}" if book is not None else "no book"
    yield f"{market.market} {touch}"
    if market.halts:
        yield f" halted: {', '.join(halt.reason.value for halt in market.halts)}"
    position = market.position
    yield f" {position.base:+} {market.base} {abs(position.ratio):.0%} P&L {market.pnl.total:+,.2f}"


def _quote_lines(market: MarketStatus) -> Iterator[str]:
    """The quotes nearest to the market first, a level a line."""
    depth = max((level.level + 1 for level in market.levels), default=0)
    sides = [{lv.level: lv for lv in market.levels if lv.side == s.label} for s in Side]
    for rank in range(depth):
        yield " " + "  ".join(_quote(levels[rank]) for levels in sides if rank in levels)


def _quote(level: LevelStatus) -> str:
    if level.resting_price is None:
        return f"{level.side} - {level.reason.replace('_', ' ')}"
    return f"{level.side} {level.resting_qty}@{level.resting_price}"
