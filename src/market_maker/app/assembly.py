"""One account's bot over its venues, from settings to the last market; every mode's is put together here.

Like `build` it imports the compiled rooms, so a composition root imports it late. Refuses to know what a
clock, a store or a venue really is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from market_maker.app.build import Session, build_market
from market_maker.app.reload import change_rules
from market_maker.config.schema import Settings
from market_maker.core.clock import Clock
from market_maker.core.units import money_from_decimal
from market_maker.risk.account import AccountRisk
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.bot import Bot
from market_maker.runtime.journal import Journal
from market_maker.runtime.observer import Observe, OrderSink
from market_maker.runtime.recovery import Past, no_past
from market_maker.runtime.state import StateStore
from market_maker.venues.base import Venue

Log = Callable[[str, str, str], None]
"""Takes level, event and detail of what an operator should know."""


class Identity(msgspec.Struct, frozen=True):
    """Which session it is; `scope` names the account's books in the store."""

    mode: str
    scope: str
    seed: int
    epoch: int


class Reporting(msgspec.Struct, frozen=True):
    """Where each market's facts go, by its symbol."""

    observe: Callable[[str], Observe]
    log_order: Callable[[str], OrderSink]
    journal: Callable[[str, Callable[[str], None]], Journal]
    log: Log


async def build_bot(
    identity: Identity,
    settings: Settings,
    venues: Mapping[str, Venue],
    clock: Clock,
    state: StateStore,
    reporting: Reporting,
    *,
    read_past: Callable[[str, int], Past | None] = no_past,
    on_close: Callable[[], None] = lambda: None,
) -> Bot:
    """Build the bot of every market in `venues`, in their order; nothing is started."""
    account = AccountRisk(
        settings.risk,
        money_from_decimal(settings.account.capital_quote),
        KillSwitch(state.latches()),
        state.load_risk(identity.scope),
    )
    bot = Bot(settings, account, state, identity.scope, clock, reporting.log, on_close)
    session = Session(
        mode=identity.mode,
        scope=identity.scope,
        seed=identity.seed,
        epoch=identity.epoch,
        clock=clock,
        state=state,
        account=account,
        on_breach=bot.on_breach,
        on_rules=partial(change_rules, bot),
        on_log=reporting.log,
        read_past=read_past,
    )
    for symbol, venue in venues.items():
        bot.add(
            await build_market(
                session,
                settings.for_market(symbol),
                symbol,
                venue,
                reporting.observe(symbol),
                reporting.log_order(symbol),
                partial(reporting.journal, symbol),
            )
        )
    return bot


async def trade(bot: Bot) -> None:
    """Run until told to stop; a stop during the start is obeyed at once."""
    loop = asyncio.get_running_loop()
    starting = loop.create_task(bot.start())
    stopping = loop.create_task(bot.stopping.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        await stopping
    else:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
