"""Fills the `/status` document from the running bot.

Reads, never writes; called a few times a second, off the path of any decision.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from market_maker import __version__
from market_maker.core.clock import Clock
from market_maker.core.events import Feed
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.core.units import Grid, money_to_decimal, money_to_float
from market_maker.ledger.order_lifecycle import OrderStatus
from market_maker.quoting.ladder import MICRO, PART_NAMES
from market_maker.risk.account import AccountRisk
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.rates import Lane
from market_maker.runtime.bot import Bot, TradedMarket, latch_detail
from market_maker.telemetry.snapshot import (
    AccountStatus,
    BookStatus,
    FeedHealth,
    HaltStatus,
    KillStatus,
    LevelStatus,
    Limit,
    LimitUse,
    MarketStatus,
    MarkoutStatus,
    OpenOrderStatus,
    PositionStatus,
    Status,
    pnl_of,
    process_state,
)

if TYPE_CHECKING:
    # It brings the compiled rooms, and the status is served before they are up.
    from market_maker.runtime.market_bot import MarketBot
    from market_maker.runtime.strategy import Strategy

_IN_BOOK = (OrderStatus.OPEN, OrderStatus.AMENDING, OrderStatus.CANCELLING)
_FEEDS = (Feed.BOOK, Feed.TRADES, Feed.FUNDING)
_OPTIONAL_FEEDS = (Feed.BEST,)
"""Streams that only some venues have: shown once they spoke."""


def build_status(
    bot: Bot,
    clock: Clock,
    *,
    mode: str,
    venue: str,
    started_ns: int,
    clock_offset_s: float,
    log_tail: Callable[[int], tuple[str, ...]],
) -> Status:
    """The process and all its markets, now."""
    now_ns = clock.now_ns()
    markets = {
        symbol: market_status(market, bot.account, now_ns) for symbol, market in bot.markets.items()
    }
    rates = bot.account.rates
    return Status(
        version=__version__,
        mode=mode,
        venue=venue,
        state=process_state(markets),
        kill_switch=_kill(bot.account.kill),
        started_s=started_ns / NANOS,
        as_of_s=now_ns / NANOS,
        clock_offset_s=clock_offset_s,
        account=_account(bot),
        rate_tokens={lane.value: float(rates.tokens(lane, now_ns)) for lane in Lane},
        markets=markets,
        log_tail=log_tail(6),
    )


def market_status(market: TradedMarket, account: AccountRisk, now_ns: int) -> MarketStatus:
    """One market, now."""
    strategy = market.bot.strategy
    parts = strategy.parts
    instrument = parts.market.instrument
    grid = Grid(instrument)
    ledger = parts.ledger
    switch = market.kill if market.kill.engaged else account.kill
    pnl = ledger.pnl()
    return MarketStatus(
        market=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        engine=parts.pricing.engine.name,
        state=strategy.state,
        halts=tuple(
            HaltStatus(reason, halt.since_ns / NANOS, halt.detail, reason.resting, reason.clears)
            for reason, halt in parts.gate.reasons.items()
        ),
        kill_switch=_kill(switch),
        book=_book(strategy, grid),
        fair_price=strategy.quotes.ladder.fair if strategy.quotes.ladder is not None else None,
        position=_position(strategy, grid),
        open_orders=_open_orders(strategy, grid, now_ns),
        unknown_orders=len(ledger.unknown_orders(now_ns)),
        levels=_levels(strategy, grid),
        fills=strategy.fills,
        equity_quote=money_to_decimal(account.capital + ledger.equity_change),
        pnl=pnl_of(
            spread_capture=money_to_decimal(pnl.spread_capture),
            adverse_selection=money_to_decimal(pnl.adverse_selection),
            inventory_carry=money_to_decimal(pnl.inventory_carry),
            funding=money_to_decimal(pnl.funding),
            fees=money_to_decimal(pnl.fees),
            external=money_to_decimal(pnl.external),
        ),
        readings=strategy.quotes.readings,
        volatility_horizons_s=tuple(
            float(s) for s in market.settings.signals.volatility.horizons_s
        ),
        statistics=parts.signals.statistics()
        | _tape(strategy, grid, now_ns)
        | _counters(market.bot, grid),
        markouts=_markouts(strategy),
        feeds=_feeds(strategy, now_ns),
        limits=_limits(market, account, grid),
    )


def _account(bot: Bot) -> AccountStatus:
    account = bot.account
    market = next(iter(bot.markets.values()), None)
    instrument = market.bot.strategy.parts.market.instrument if market is not None else None
    return AccountStatus(
        currency=instrument.settle if instrument is not None else "",
        equity_quote=money_to_decimal(account.equity),
        day_pnl_quote=money_to_decimal(-account.daily_loss),
        drawdown_quote=money_to_decimal(account.drawdown),
        max_daily_loss_quote=money_to_decimal(account.max_daily_loss),
        max_drawdown_quote=money_to_decimal(account.max_drawdown),
    )


def _kill(switch: KillSwitch) -> KillStatus:
    latches = tuple(switch.reasons.values())
    if not latches:
        return KillStatus()
    return KillStatus(
        engaged=True,
        reasons=tuple(latch.reason for latch in latches),
        since_s=min(latch.since_ns for latch in latches) / NANOS,
        detail=latch_detail(switch.reasons),
    )


def _book(strategy: Strategy, grid: Grid) -> BookStatus | None:
    view = strategy.view
    if not view.version:
        return None
    mid2 = view.mid2
    return BookStatus(
        verdict=view.verdict,
        bid_price=grid.price_decimal(view.best_bid),
        bid_qty=grid.qty_decimal(view.bid_qty),
        ask_price=grid.price_decimal(view.best_ask),
        ask_qty=grid.qty_decimal(view.ask_qty),
        mid_price=grid.price_decimal(mid2) / 2,
        spread_bps=2e4 * view.spread / mid2 if view.best_bid and view.best_ask else 0.0,
    )


def _tape(strategy: Strategy, grid: Grid, now_ns: int) -> dict[str, float]:
    """What aggressors bought and sold lately, in base currency."""
    tape = strategy.parts.market.tape
    bought, sold = tape.volumes(now_ns)
    size = float(grid.instrument.qty_quantum * grid.instrument.contract_size)
    return {
        "tape_bought_base": bought * size,
        "tape_sold_base": sold * size,
        "tape_duplicates": float(tape.duplicates),
    }


def _counters(bot: MarketBot, grid: Grid) -> dict[str, float]:
    """What the ledger, the reconciler and the post-only safety know besides."""
    parts = bot.strategy.parts
    totals = parts.ledger.totals
    return {
        "foreign_orders": float(len(bot.reconciler.foreign)),
        "opening_position_base": grid.base(parts.ledger.opening_position),
        "post_only_ticks_buy": float(parts.post_only.effective_ticks(Side.BUY)),
        "post_only_ticks_sell": float(parts.post_only.effective_ticks(Side.SELL)),
        "taker_share": totals.taker_share,
        "post_only_taker_fills": float(totals.leaked_fills),
        "post_only_taker_share": totals.leaked_share,
    }


def _position(strategy: Strategy, grid: Grid) -> PositionStatus:
    ledger = strategy.parts.ledger
    inventory = strategy.quotes.inventory
    size = grid.instrument.contract_size
    report = ledger.position_report
    liquidation2 = report.liquidation_price2 if report is not None and report.qty else None
    mid = grid.price_decimal(ledger.mid2) / 2
    base = grid.qty_decimal(ledger.position) * size
    return PositionStatus(
        base=base,
        notional_quote=base * mid,
        ratio=inventory.ratio if inventory is not None else 0.0,
        zone=strategy.parts.risk.zone,
        worst_long_base=grid.qty_decimal(ledger.worst_long) * size,
        worst_short_base=grid.qty_decimal(ledger.worst_short) * size,
        liquidation_price=grid.price_decimal(liquidation2) / 2 if liquidation2 else None,
    )


def _open_orders(strategy: Strategy, grid: Grid, now_ns: int) -> tuple[OpenOrderStatus, ...]:
    return tuple(
        OpenOrderStatus(
            client_id=record.client_id,
            venue_id=record.venue_id,
            side=record.side.label,
            level=record.level.index if record.level is not None else None,
            state=record.status.value,
            resting=record.status in _IN_BOOK,
            price=grid.price_decimal(record.price),
            qty=grid.qty_decimal(record.qty),
            filled_qty=grid.qty_decimal(record.seen),
            age_s=max(0, now_ns - record.created_ns) / NANOS,
        )
        for record in strategy.parts.ledger.live_orders()
    )


def _levels(strategy: Strategy, grid: Grid) -> tuple[LevelStatus, ...]:
    ladder = strategy.quotes.ladder
    result = []
    for level in strategy.levels:
        target = ladder.target(level) if ladder is not None else None
        record = strategy.parts.ledger.order_at(level)
        resting = record if record is not None and record.status in _IN_BOOK else None
        noted = strategy.noted.get(level)
        priced = target is not None and target.price > 0
        quantum = grid.instrument.price_quantum
        result.append(
            LevelStatus(
                side=level.side.label,
                level=level.index,
                target_price=grid.price_decimal(target.price) if target and priced else None,
                target_qty=grid.qty_decimal(target.qty) if target is not None else Decimal(0),
                resting_price=grid.price_decimal(resting.price) if resting else None,
                resting_qty=grid.qty_decimal(resting.remaining) if resting else Decimal(0),
                action=noted.decision.action.value if noted else "wait",
                reason=noted.decision.reason.value if noted else "halted",
                detail=noted.detail if noted else "",
                breakdown={
                    name: part * quantum / MICRO
                    for name, part in zip(PART_NAMES, target.parts, strict=True)
                }
                if target and priced
                else {},
            )
        )
    return tuple(result)


def _markouts(strategy: Strategy) -> tuple[MarkoutStatus, ...]:
    return tuple(
        MarkoutStatus(
            side=markout.side.label,
            horizon_s=markout.horizon_ns / NANOS,
            mean_bps=markout.mean_bps,
            standard_error_bps=markout.standard_error_bps or 0.0,
            fills=markout.n,
        )
        for markout in strategy.parts.ledger.markouts()
        if markout.mean_bps is not None
    )


def _feeds(strategy: Strategy, now_ns: int) -> dict[str, FeedHealth]:
    feeds = {}
    for feed in (*_FEEDS, *_OPTIONAL_FEEDS):
        age_ns = strategy.parts.market.feed_age_ns(feed, now_ns)
        if age_ns is None and feed in _OPTIONAL_FEEDS:
            continue
        if age_ns is None:
            feeds[feed.value] = FeedHealth(up=False, last_update_s=None, age_s=None)
        else:
            last_s = (now_ns - age_ns) / NANOS
            feeds[feed.value] = FeedHealth(up=True, last_update_s=last_s, age_s=age_ns / NANOS)
    last_ns = strategy.feeds.private_seen_ns
    feeds[Feed.PRIVATE.value] = FeedHealth(
        up=strategy.feeds.private_up,
        last_update_s=last_ns / NANOS if last_ns else None,
        age_s=(now_ns - last_ns) / NANOS if last_ns else None,
    )
    return feeds


def _limits(market: TradedMarket, account: AccountRisk, grid: Grid) -> dict[Limit, LimitUse]:
    strategy = market.bot.strategy
    ledger = strategy.parts.ledger
    limits = strategy.parts.risk.limits
    position = ledger.position
    limit = limits.hard(position)
    mid = grid.price(ledger.mid2 / 2)
    balance = ledger.balance_report
    margin = market.settings.risk.max_margin_utilisation
    equity = balance.equity if balance is not None else 0
    return {
        Limit.POSITION_BASE: LimitUse(grid.base(limit), grid.base(abs(position))),
        Limit.NOTIONAL_QUOTE: LimitUse(
            float(market.settings.risk.max_position_notional_quote), grid.base(abs(position)) * mid
        ),
        Limit.DRAWDOWN_QUOTE: LimitUse(
            money_to_float(account.max_drawdown), money_to_float(max(0, account.drawdown))
        ),
        Limit.DAILY_LOSS_QUOTE: LimitUse(
            money_to_float(account.max_daily_loss), money_to_float(max(0, account.daily_loss))
        ),
        Limit.MARGIN_RATIO: LimitUse(
            margin, balance.margin_used / equity if balance is not None and equity > 0 else 0.0
        ),
    }
