"""SIGHUP: new settings for a running bot, all or nothing.

Only what can change without forgetting anything may change: limits, ladder, pipeline, engine,
endings. Risk memory, signals and books stay, and so does what post-only safety and pipeline
remember, unless their own settings change. A file with any other difference is refused whole.
"""

from __future__ import annotations

from market_maker.app.build import recorded_settings, retuned
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import UNITS, Instrument
from market_maker.core.reasons import HaltReason
from market_maker.runtime.bot import Bot, TradedMarket
from market_maker.runtime.components import Components

TUNABLE = frozenset({"risk", "quoting", "engines", "shutdown", "kill", "markets"})
"""Sections that a running bot can take over."""


def reload(bot: Bot, new: Settings) -> None:
    """Apply new settings to every market, or raise UnusableError and change nothing."""
    fixed = [name for name in Settings.model_fields if name not in TUNABLE]
    for symbol, market in bot.markets.items():
        old, asked = market.settings, new.for_market(symbol)
        changed = [name for name in fixed if getattr(old, name) != getattr(asked, name)]
        if changed:
            raise UnusableError(
                f"[{'], ['.join(changed)}] cannot change while the bot runs: restart it, or undo"
                " the change; nothing was reloaded"
            )
    prepared = [
        (market, new.for_market(symbol), _components(market, new.for_market(symbol)))
        for symbol, market in bot.markets.items()
    ]
    bot.settings = new
    bot.account.configure(new.risk)
    for market, settings, parts in prepared:
        parts.risk.configure(settings.risk, parts.market.instrument)
        market.bot.resize(parts, recorded_settings(settings))
        bot.add(TradedMarket(market.bot, market.kill, market.journal, settings))


def change_rules(bot: Bot, symbol: str, instrument: Instrument) -> None:
    """Go on under other rules of a market; a change of its units needs a restart."""
    market = bot.markets[symbol]
    old = market.bot.strategy.parts.market.instrument
    changed = [name for name in UNITS if getattr(old, name) != getattr(instrument, name)]
    if changed:
        market.bot.fail(HaltReason.RULES_CHANGED, f"the venue changed {', '.join(changed)}")
        return
    parts, settings = market.bot.strategy.parts, market.settings
    amends = market.bot.venue.capabilities.amend
    parts.risk.configure(settings.risk, instrument)
    parts = retuned(parts, settings, settings, instrument, amends=amends)
    market.bot.resize(parts, recorded_settings(settings))


def _components(market: TradedMarket, settings: Settings) -> Components:
    parts = market.bot.strategy.parts
    amends = market.bot.venue.capabilities.amend
    instrument = parts.market.instrument
    return retuned(parts, market.settings, settings, instrument, amends=amends)
