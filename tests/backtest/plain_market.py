"""The bot's own market and signals over recorded rows: what the compiled pass is held to."""

from __future__ import annotations

from collections.abc import Iterator

from synthetic_rows import INSTRUMENT

from market_maker.backtest.sweep_market import MarketPath
from market_maker.config.signals import MarketConfig, SignalsConfig
from market_maker.core.events import FundingUpdate, TradePrint
from market_maker.core.readings import Readings
from market_maker.kernels import sweep_market as sm
from market_maker.market.market import Market
from market_maker.market.market_view import MarketView
from market_maker.signals.signal_set import SignalSet
from market_maker.ticks.columns import Ticks, events_of


def plain_readings(
    market: MarketConfig, signals: SignalsConfig, ticks: Ticks, path: MarketPath
) -> Iterator[tuple[MarketView, Readings]]:
    """What the bot's own objects say at every marked instant."""
    book = Market(INSTRUMENT, market, watch_depth=signals.fair_price.book == "depth")
    readings = SignalSet(signals, INSTRUMENT)
    seen = book.view
    events = events_of(ticks)
    event = next(events, None)
    for now_ns in path.marks[:, sm.TIME_NS].tolist():
        while event is not None and event.recv_ns <= now_ns:
            view = book.apply(event)
            if view is not seen:
                seen = view
                if view.valid:
                    readings.on_view(view)
            if isinstance(event, TradePrint):
                readings.on_trade(event, view)
            elif isinstance(event, FundingUpdate):
                readings.on_funding(event)
            event = next(events, None)
        seen = book.check(now_ns)
        yield seen, readings.readings(now_ns)
