"""What a terminal shows while the bot runs: one `Status` drawn to fit 80x24 and more.

Owns the look and nothing else: it reads a status and returns something to print. It runs in a
process of its own (`live_process`), because one frame costs milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from market_maker.core.readings import Readings
from market_maker.core.reasons import BotState, Zone
from market_maker.core.side import Side
from market_maker.telemetry.compact_view import compact
from market_maker.telemetry.snapshot import (
    BookStatus,
    LevelStatus,
    MarketStatus,
    Status,
    killed_markets,
)

_STATE_STYLE = {
    BotState.QUOTING: "bold green",
    BotState.HALTED: "bold yellow",
    BotState.KILLED: "bold white on red",
    BotState.STOPPING: "yellow",
    BotState.STOPPED: "dim",
}
_ZONE_STYLE = {Zone.GREEN: "green", Zone.YELLOW: "yellow", Zone.RED: "red", Zone.OVER: "bold red"}
_SIDE_STYLE = {Side.BUY.label: "green", Side.SELL.label: "red"}
_REGIME_STYLE = {"calm": "green", "normal": "cyan", "elevated": "yellow", "extreme": "bold red"}
_PNL_NAMES = {
    "spread_capture": "spread capture",
    "adverse_selection": "adverse sel.",
    "inventory_carry": "inventory",
    "funding": "funding",
    "fees": "fees",
    "external": "external",
}
_BAR_CELLS = 10
_FIXED_LINES = 9
_MOST_LEVELS = 8
_LEAST_WIDTH, _LEAST_HEIGHT = 78, 24
_SVG_WIDTH = 96


def render(status: Status, width: int, height: int) -> RenderableType:
    """The whole view, or its essence on a small terminal; never taller than `height`."""
    if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
        return compact(status, height - 1)
    markets = tuple(status.markets.values())
    if not markets:
        return Group(_header(status), Text("waiting for the first market", style="dim"))
    first, others = markets[0], markets[1:]
    levels = min(_MOST_LEVELS, max(1, (height - 15) // 2), _ladder_depth(first))
    body_lines = max(2 * levels + 3, 10) + 2
    log_lines = max(1, height - body_lines - _FIXED_LINES - bool(others) * (len(others) + 1))
    body = Table.grid(expand=True, padding=(0, 0))
    body.add_column(ratio=3)
    body.add_column(ratio=2)
    body.add_row(_ladder(first, levels, body_lines), _money(first, body_lines))
    parts: list[RenderableType] = [_header(status), body, _market_panel(first)]
    if others:
        parts.append(_other_markets(others))
    parts.append(_log_panel(status.log_tail[-log_lines:], width))
    return Group(*parts)


_WEB_FONT = re.compile(r"@font-face\s*\{[^}]*\}")


def export_svg(status: Status, path: Path) -> None:
    """Write the view as a picture that fetches nothing from anywhere."""
    console = Console(
        record=True, width=_SVG_WIDTH, height=30, file=StringIO(), force_terminal=True,
        color_system="truecolor", legacy_windows=False,
    )  # fmt: skip
    console.print(render(status, _SVG_WIDTH, 26))
    picture = console.export_svg(title="market-maker", unique_id="market-maker")
    path.write_text(_WEB_FONT.sub("", picture), encoding="utf-8")


def _header(status: Status) -> RenderableType:
    line = Text(no_wrap=True, overflow="ellipsis")
    mode_style = "bold white on red" if status.mode == "live" else "bold black on cyan"
    line.append(f" {status.mode.upper()} ", style=mode_style)
    line.append(f" {status.venue}  ")
    line.append("● ", style=_STATE_STYLE.get(status.state, "cyan"))
    line.append(status.state.value.upper(), style=_STATE_STYLE.get(status.state, "cyan"))
    line.append(f"   up {_duration(status.as_of_s - status.started_s)}", style="dim")
    if status.kill_switch.engaged:
        reasons = ", ".join(reason.value for reason in status.kill_switch.reasons)
        line.append(f"   KILL SWITCH: {reasons}", style="bold white on red")
    elif killed := killed_markets(status):
        line.append(f"   KILL SWITCH: {', '.join(killed)}", style="bold white on red")
    else:
        line.append("   kill switch off", style="dim")
    line.append(f"   market-maker {status.version}", style="dim")
    return line


def _ladder(market: MarketStatus, levels: int, height: int) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    for justify in ("left", "right", "right", "right", "center"):
        table.add_column(justify=justify, no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_row(*(Text(t, style="dim") for t in ("level", "price", "bps", "size", "", "reason")))
    by_rank = sorted(market.levels, key=lambda level: level.level)
    sells = [level for level in by_rank if level.side == Side.SELL.label][:levels]
    buys = [level for level in by_rank if level.side == Side.BUY.label][:levels]
    for level in reversed(sells):
        table.add_row(*_level_cells(level, market.book))
    if market.book is not None:
        book = market.book
        table.add_row(*_touch_cells("ask", book.ask_price, book.ask_qty, book.verdict.value))
        spread = f"spread {book.spread_bps:.2f} bps"
        table.add_row(*_touch_cells("bid", book.bid_price, book.bid_qty, spread))
    for level in buys:
        table.add_row(*_level_cells(level, market.book))
    title = f"[b]{market.market}[/b] · {market.engine}"
    return Panel(table, title=title, border_style="blue", height=height)


def _level_cells(level: LevelStatus, book: BookStatus | None) -> Iterable[Text]:
    style = _SIDE_STYLE[level.side]
    rests = level.resting_price is not None
    price = level.resting_price if rests else level.target_price
    qty = level.resting_qty if rests else level.target_qty
    mark = "●" if rests and level.resting_price == level.target_price else "◐" if rests else "○"
    shown = style if rests else "dim"
    yield Text(f"{level.side} {level.level}", style=style)
    yield Text("-" if price is None else str(price), style=shown)
    yield Text(_from_mid(price, book), style="dim")
    yield Text("-" if price is None else str(qty), style=shown)
    yield Text(mark, style=shown)
    yield Text(level.reason.replace("_", " "), style="dim" if rests else "yellow")


def _touch_cells(name: str, price: Decimal, qty: Decimal, note: str) -> Iterable[Text]:
    yield Text(name, style="bold")
    yield Text(str(price), style="bold")
    yield Text("")
    yield Text(str(qty), style="bold")
    yield Text("")
    yield Text(note, style="dim")


def _from_mid(price: Decimal | None, book: BookStatus | None) -> str:
    if price is None or book is None or book.mid_price <= 0:
        return ""
    return f"{float(price / book.mid_price - 1) * 10_000:+.1f}"


def _money(market: MarketStatus, height: int) -> RenderableType:
    position = market.position
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_row("position", Text(f"{position.base:+} {market.base}", style="bold"))
    table.add_row(_bar(position.ratio, position.zone), f"{position.notional_quote:,.0f}")
    worst = f"{position.worst_short_base:+}/{position.worst_long_base:+}"
    table.add_row(Text("worst", style="dim"), Text(worst, style="dim"))
    for name, value in market.pnl.parts().items():
        if name != "external" or value:
            table.add_row(Text(_PNL_NAMES[name], style="dim"), _signed(value))
    table.add_row(Text("P&L", style="bold"), _signed(market.pnl.total, "bold"))
    table.add_row("equity", f"{market.equity_quote:,.2f}")
    return Panel(table, title=f"money in {market.quote}", border_style="blue", height=height)


def _bar(ratio: float, zone: Zone) -> Text:
    cells = min(_BAR_CELLS, round(abs(ratio) * _BAR_CELLS))
    bar = Text("█" * cells, style=_ZONE_STYLE[zone])
    bar.append("░" * (_BAR_CELLS - cells), style="dim")
    bar.append(f" {abs(ratio):.0%}")
    return bar


def _signed(value: Decimal, weight: str = "") -> Text:
    colour = "green" if value > 0 else "red" if value < 0 else "dim"
    return Text(f"{value:+,.4f}", style=f"{weight} {colour}".strip())


def _market_panel(market: MarketStatus) -> RenderableType:
    lines = [_readings_line(market, market.readings), _detail_line(market)]
    halts = Text(no_wrap=True, overflow="ellipsis")
    if market.halts:
        halts.append("halted: ", style="bold yellow")
        halts.append("; ".join(f"{h.reason.value} (until {h.clears})" for h in market.halts))
    else:
        halts.append("no halts", style="dim")
    return Panel(Group(*lines, halts), title="market", border_style="blue")


def _readings_line(market: MarketStatus, readings: Readings | None) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    if readings is None:
        return line.append("measuring", style="dim")
    volatility, trend = readings.volatility, readings.trend
    line.append(volatility.regime.value, style=_REGIME_STYLE[volatility.regime.value])
    horizons = zip(market.volatility_horizons_s, volatility.minute_bps, strict=False)
    shown = " ".join(f"{_duration_name(horizon)} {value:.1f}" for horizon, value in horizons)
    line.append(f"  bps/min {shown}", style="dim")
    line.append(f"  {trend.direction.value} {trend.strength:.2f}")
    return line.append(f"  toxic {readings.toxicity.score:.0%}")


def _detail_line(market: MarketStatus) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis", style="dim")
    if market.fair_price is not None:
        line.append(f"fair {market.fair_price:,.4f}  ")
    line.append(f"session fills {market.fills}  orders {len(market.open_orders)}  ")
    if market.unknown_orders:
        line.append(f"unknown {market.unknown_orders}  ", style="bold red")
    ages = (f"{name} {_age(feed.age_s)}" for name, feed in market.feeds.items())
    return line.append("heard " + " ".join(ages) if market.feeds else "")


def _other_markets(markets: Iterable[MarketStatus]) -> RenderableType:
    table = Table.grid(padding=(0, 2), expand=True)
    for market in markets:
        table.add_row(
            Text(market.market, style="bold"),
            Text(market.state.value, style=_STATE_STYLE.get(market.state, "cyan")),
            f"{market.position.base:+} {market.base}",
            Text(f"{abs(market.position.ratio):.0%}", style=_ZONE_STYLE[market.position.zone]),
            _signed(market.pnl.total),
            ", ".join(halt.reason.value for halt in market.halts),
        )
    return table


def _log_panel(lines: tuple[str, ...], width: int) -> RenderableType:
    text = Text("\n".join(line[: width - 4] for line in lines), style="dim", no_wrap=True)
    return Panel(text, title="log", border_style="blue")


def _ladder_depth(market: MarketStatus) -> int:
    return max((level.level + 1 for level in market.levels), default=1)


def _duration_name(seconds: float) -> str:
    return f"{seconds / 60:g}m" if seconds >= 60 else f"{seconds:g}s"


def _age(age_s: float | None) -> str:
    return "never" if age_s is None else f"{age_s:.0f}s"


def _duration(seconds: float) -> str:
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
