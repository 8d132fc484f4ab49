"""A `Status` in plain lines, for people and for pipes."""

from __future__ import annotations

from collections.abc import Iterator

from market_maker.telemetry.snapshot import (
    HaltStatus,
    KillStatus,
    MarketStatus,
    Status,
    killed_markets,
)


def status_text(status: Status) -> str:
    """The whole status."""
    up_s = max(0.0, status.as_of_s - status.started_s)
    where = f"mode {status.mode} at {status.venue}, version {status.version}, up {up_s:.0f} s"
    lines = [
        f"{status.state.value}  {where}",
        *_account_lines(status),
    ]
    for market in status.markets.values():
        lines.extend(("", *_market_lines(market)))
    return "\n".join(lines)


def _account_lines(status: Status) -> Iterator[str]:
    """The account in one line, then the kill switch where it is more than off."""
    off = "off"
    killed = killed_markets(status)
    if status.kill_switch.engaged:
        off = "ENGAGED"
    elif killed:
        off = f"ENGAGED for {', '.join(killed)}"
    account = status.account
    if account is None:
        yield f"kill switch {off}"
    else:
        yield (
            f"account   equity {account.equity_quote:,.2f} {account.currency}, "
            f"today {account.day_pnl_quote:+,.2f} (limit -{account.max_daily_loss_quote:,.2f}), "
            f"drawdown {account.drawdown_quote:,.2f} of {account.max_drawdown_quote:,.2f}, "
            f"kill switch {off}"
        )
    if status.kill_switch.engaged:
        yield f"kill switch {kill_text(status.kill_switch)}"


def kill_text(kill: KillStatus) -> str:
    """The kill switch in a few words."""
    if not kill.engaged:
        return "off"
    return f"ENGAGED: {kill.detail or ', '.join(reason.value for reason in kill.reasons)}"


def halt_text(halt: HaltStatus) -> str:
    """One reason why nothing is quoted, and what ends it."""
    detail = f" ({halt.detail})" if halt.detail else ""
    return f"{halt.reason.value}{detail}; resting orders: {halt.resting.value}; until {halt.clears}"


def _market_lines(market: MarketStatus) -> Iterator[str]:
    position, pnl = market.position, market.pnl
    yield f"{market.market}  {market.state.value}, engine {market.engine}"
    for halt in market.halts:
        yield f"  halted    {halt_text(halt)}"
    if market.kill_switch.engaged:
        yield f"  kill      {kill_text(market.kill_switch)}"
    if market.book is not None:
        book = market.book
        yield (
            f"  book      {book.bid_price} x {book.bid_qty} / {book.ask_price} x {book.ask_qty}, "
            f"spread {book.spread_bps:.2f} bps, {book.verdict.value}"
        )
    yield (
        f"  position  {position.base:+} {market.base} ({position.notional_quote:,.2f} {market.quote}), "
        f"{abs(position.ratio):.0%} of the limit, {position.zone.value}"
    )
    yield f"  equity    {market.equity_quote:,.4f} {market.quote}"
    parts = ", ".join(
        f"{name.replace('_', ' ')} {value:+,.4f}" for name, value in pnl.parts().items() if value
    )
    yield f"  P&L       {pnl.total:+,.4f} {market.quote}" + (f" = {parts}" if parts else "")
    yield from _reading_lines(market)
    yield (
        f"  orders    {len(market.open_orders)} open, {market.unknown_orders} unknown, "
        f"{market.fills} fills this session"
    )
    for order in market.open_orders:
        yield f"    {order.side:<4} {order.qty} @ {order.price}  {order.state}  {order.client_id}"


def _reading_lines(market: MarketStatus) -> Iterator[str]:
    if market.readings is not None:
        readings = market.readings
        yield (
            f"  market    {readings.volatility.regime.value} volatility, "
            f"{readings.trend.direction.value} trend {readings.trend.strength:.2f}, "
            f"toxicity {readings.toxicity.score:.0%}"
        )
    ages = (
        f"{name} {'never' if feed.age_s is None else f'{feed.age_s:.1f} s ago'}"
        for name, feed in market.feeds.items()
    )
    if market.feeds:
        yield f"  feeds     {', '.join(ages)}"
