"""What one market's strategy is made of, and what it reports to."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from market_maker.core.enums import plain_members
from market_maker.ledger.ledger import Ledger
from market_maker.market.market import Market
from market_maker.quoting.decision import Decision
from market_maker.quoting.post_only_safety import PostOnlySafety
from market_maker.quoting.pricing_engine import PricingEngine
from market_maker.quoting.reprice_pipeline import RepricePipeline
from market_maker.risk.gate import Gate
from market_maker.risk.risk_manager import RiskManager
from market_maker.runtime.journal import HoldCounter
from market_maker.runtime.observer import Observer, OrderSink
from market_maker.runtime.recorder import Recorder
from market_maker.signals.signal_set import SignalSet


@plain_members
class Repair(StrEnum):
    """Work that needs the venue, asked for by synchronous code."""

    RESYNC = "resync"
    RESUBSCRIBE = "resubscribe"
    RECONCILE = "reconcile"
    RULES = "rules"


class Components(msgspec.Struct, frozen=True):
    """The parts that judge; each owns its state, none knows another's."""

    market: Market
    signals: SignalSet
    pricing: PricingEngine
    pipeline: RepricePipeline
    post_only: PostOnlySafety
    ledger: Ledger
    risk: RiskManager
    gate: Gate


class Reports(msgspec.Struct, frozen=True):
    """Where the strategy writes what it did, and how it asks to be woken at an instant."""

    journal: Recorder
    holds: HoldCounter
    observer: Observer
    log_order: OrderSink
    wake_at: Callable[[int], None]


class Noted(msgspec.Struct, frozen=True, gc=False):
    """The last decision of a level and what risk said of it, kept for `why` and `/status`."""

    decision: Decision
    detail: str = ""
