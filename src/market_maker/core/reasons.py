"""Closed vocabularies: why we refused, held, halted or were killed.

Metrics, journal, `why` and the documentation are generated from these enums, so a reason
exists once. A halt reason also declares what happens to resting orders and what clears it.
"""

from __future__ import annotations

from enum import StrEnum

from market_maker.core.enums import plain_members


@plain_members
class BookVerdict(StrEnum):
    """Whether a book may be priced from."""

    VALID = "valid"
    EMPTY = "empty"
    ONE_SIDED = "one_sided"
    LOCKED = "locked"
    CROSSED = "crossed"
    GAPPED = "gapped"
    STALE = "stale"


@plain_members
class Refusal(StrEnum):
    """Why the risk manager refused an order."""

    KILLED = "killed"
    GATE_CLOSED = "gate_closed"
    LEVEL_OCCUPIED = "level_occupied"
    UNKNOWN_ORDER = "unknown_order"
    OFF_GRID = "off_grid"
    BOOK_INVALID = "book_invalid"
    PRICE_BAND = "price_band"
    WOULD_CROSS = "would_cross"
    SELF_CROSS = "self_cross"
    BELOW_MINIMUM = "below_minimum"
    FAT_FINGER = "fat_finger"
    MAX_POSITION = "max_position"
    MAX_NOTIONAL = "max_notional"
    CAPITAL_SHARE = "capital_share"
    ZONE = "zone"
    MARGIN = "margin"
    LIQUIDATION = "liquidation"
    NOT_REDUCING = "not_reducing"
    ORDER_RATE = "order_rate"
    RETRY_AFTER = "retry_after"
    FEES_UNKNOWN = "fees_unknown"


@plain_members
class Zone(StrEnum):
    """Inventory zone by share of the tightest binding limit."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    OVER = "over"


@plain_members
class DecisionReason(StrEnum):
    """Why a level did what it did; one per decision."""

    NO_ORDER = "no_order"
    STATIC = "static"
    WITHIN_TOLERANCE = "within_tolerance"
    TOO_YOUNG = "too_young"
    PRICE_MOVED = "price_moved"
    SIZE_CHANGED = "size_changed"
    SMALL_MOVE = "small_move"
    IN_FLIGHT = "in_flight"
    UNKNOWN_OUTCOME = "unknown_outcome"
    HALTED = "halted"
    BOOK_INVALID = "book_invalid"
    SPREAD_TOO_TIGHT = "spread_too_tight"
    IMBALANCE = "imbalance"
    TOXIC = "toxic"
    COUNTER_TREND = "counter_trend"
    EXTREME_VOLATILITY = "extreme_volatility"
    AT_LIMIT = "at_limit"
    REDUCE_ONLY_ZONE = "reduce_only_zone"
    BELOW_MINIMUM = "below_minimum"
    NO_EDGE = "no_edge"
    FEES_UNKNOWN = "fees_unknown"
    NOT_QUOTED = "not_quoted"
    ENGINE_INVALID = "engine_invalid"
    COOLDOWN = "cooldown"
    CHURN_BUDGET = "churn_budget"
    RISK_REFUSED = "risk_refused"
    VENUE_REJECTED = "venue_rejected"


@plain_members
class Resting(StrEnum):
    """What a halt does to resting orders."""

    KEEP = "keep"
    CANCEL = "cancel"


@plain_members
class HaltReason(StrEnum):
    """Why the gate is closed. Each declares resting orders' fate and what clears it."""

    STARTING = "starting"
    SYNCING = "syncing"
    BOOK_INVALID = "book_invalid"
    FEED_STALE = "feed_stale"
    FEED_DOWN = "feed_down"
    PRIVATE_DOWN = "private_down"
    UNKNOWN_ORDERS = "unknown_orders"
    UNEXPLAINED_POSITION = "unexplained_position"
    ERROR_BURST = "error_burst"
    RATE_LIMITED = "rate_limited"
    MARGIN = "margin"
    OVER_LIMIT = "over_limit"
    JOURNAL_FAILED = "journal_failed"
    DEAD_MAN_UNARMED = "dead_man_unarmed"
    LOOP_STALLED = "loop_stalled"
    TASK_DIED = "task_died"
    INVARIANT = "invariant"
    MARKET_CLOSED = "market_closed"
    RULES_CHANGED = "rules_changed"
    KILLED = "killed"
    STOPPING = "stopping"

    @property
    def resting(self) -> Resting:
        """What happens to orders that rest when this reason arises."""
        return Resting.KEEP if self in _KEEPS else Resting.CANCEL

    @property
    def clears(self) -> str:
        """What ends the halt, for `why` and the documentation."""
        return _CLEARS[self]


_KEEPS = frozenset({HaltReason.RATE_LIMITED})

_CLEARS = {
    HaltReason.STARTING: "start-up completes",
    HaltReason.SYNCING: "orders, fills and position agree with the venue",
    HaltReason.BOOK_INVALID: "a valid two-sided book",
    HaltReason.FEED_STALE: "a message on the stale feed",
    HaltReason.FEED_DOWN: "the market data feed is back and synchronised",
    HaltReason.PRIVATE_DOWN: "the private feed is back and a resync has completed",
    HaltReason.UNKNOWN_ORDERS: "unknown orders resolved by the reconciler",
    HaltReason.UNEXPLAINED_POSITION: "an operator checks the account and runs `rearm`",
    HaltReason.ERROR_BURST: "the error window passes without further errors",
    HaltReason.RATE_LIMITED: "the venue's retry-after passes",
    HaltReason.MARGIN: "margin use back below its limit",
    HaltReason.OVER_LIMIT: "position back inside its limit",
    HaltReason.JOURNAL_FAILED: "the journal can be written again",
    HaltReason.DEAD_MAN_UNARMED: "the venue confirms the dead-man's switch",
    HaltReason.LOOP_STALLED: "a book that was asked for after the stall",
    HaltReason.TASK_DIED: "a restart of the bot",
    HaltReason.INVARIANT: "a restart of the bot; please report the journal",
    HaltReason.MARKET_CLOSED: "the venue takes an order again; it is asked every few seconds",
    HaltReason.RULES_CHANGED: "a restart of the bot: the venue changed what prices or sizes count in",
    HaltReason.KILLED: "`rearm` or SIGUSR2, followed by a resync",
    HaltReason.STOPPING: "nothing: the process is ending",
}


@plain_members
class KillReason(StrEnum):
    """What engaged the kill switch."""

    SIGNAL = "signal"
    COMMAND = "command"
    DRAWDOWN = "drawdown"
    DAILY_LOSS = "daily_loss"
    FEED_DEAD = "feed_dead"
    ERROR_BURST = "error_burst"
    UNEXPLAINED_POSITION = "unexplained_position"
    UNKNOWN_ORDERS = "unknown_orders"
    CREDENTIALS = "credentials"
    INVARIANT = "invariant"


@plain_members
class BotState(StrEnum):
    """Where a market's bot is in its life."""

    STARTING = "starting"
    SYNCING = "syncing"
    QUOTING = "quoting"
    HALTED = "halted"
    KILLED = "killed"
    STOPPING = "stopping"
    STOPPED = "stopped"
