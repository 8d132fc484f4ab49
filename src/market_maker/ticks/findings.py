"""What can be wrong with recorded data: a closed list of findings, their weight, and the verdict.

Owns names and meanings. What always holds: a verdict is the worst of its findings, so a file is ready only if nothing but
remarks is to be said of it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """Whether to trust a backtest on it."""

    READY = "ready"
    USABLE = "usable with warnings"
    UNUSABLE = "not usable"


class Weight(StrEnum):
    """How much a finding says against the data."""

    REMARK = "remark"
    WARNING = "warning"
    FAILURE = "failure"


class Finding(StrEnum):
    """Everything that a gate may find."""

    UNREADABLE = "unreadable"
    NO_BOOK = "no_book"
    NO_DEPTH = "no_depth"
    NO_TRADES = "no_trades"
    BRIDGE_MISSING = "bridge_missing"
    BRIDGE_BROKEN = "bridge_broken"
    BRIDGE_UNPROVEN = "bridge_unproven"
    BOOK_LOST = "book_lost"
    SEQUENCE_GAP = "sequence_gap"
    OUT_OF_SEQUENCE = "out_of_sequence"
    SNAPSHOT_MISMATCH = "snapshot_mismatch"
    CROSSED_BOOK = "crossed_book"
    LOCKED_BOOK = "locked_book"
    MISSING_SIDE = "missing_side"
    STALE_BOOK = "stale_book"
    TRADE_THROUGH = "trade_through"
    PRICE_SCALE = "price_scale"
    DUPLICATE = "duplicate"
    REPEAT = "repeat"
    OUT_OF_ORDER = "out_of_order"
    VENUE_TIME_BACK = "venue_time_back"
    CLOCK_BEHIND = "clock_behind"
    CLOCK_DRIFT = "clock_drift"
    CLOCK_JUMP = "clock_jump"
    ONE_CLOCK = "one_clock"
    NO_VENUE_TIME = "no_venue_time"
    SLOW_FEED = "slow_feed"
    HOLE = "hole"
    BOOK_SILENT = "book_silent"
    TRADES_SILENT = "trades_silent"
    BEST_SILENT = "best_silent"
    FEED_DOWN = "feed_down"
    OFF_GRID = "off_grid"
    GRID_UNSURE = "grid_unsure"
    BAD_VALUE = "bad_value"
    ZERO_TRADE = "zero_trade"
    TORN_MESSAGE = "torn_message"


MEANINGS: dict[Finding, str] = {
    Finding.UNREADABLE: "the file cannot be read as a recording",
    Finding.NO_BOOK: "nothing tells bids and asks",
    Finding.NO_DEPTH: "only best bid and ask are recorded, no levels behind them",
    Finding.NO_TRADES: "no trades are recorded, so nothing proves that a resting order would fill",
    Finding.BRIDGE_MISSING: "changes of the book without the snapshot that they change",
    Finding.BRIDGE_BROKEN: "the first change after a snapshot does not follow on it",
    Finding.BRIDGE_UNPROVEN: "the feed has no sequence, so nothing proves that changes follow on the snapshot, or that none is missing",
    Finding.BOOK_LOST: "no book is known: before the first snapshot, after a gap, while the feed was down",
    Finding.SEQUENCE_GAP: "messages of the book are missing",
    Finding.OUT_OF_SEQUENCE: "messages of the book that are older than what was known",
    Finding.SNAPSHOT_MISMATCH: "a snapshot differs from the book that changes had made until then",
    Finding.CROSSED_BOOK: "the best bid is above the best ask",
    Finding.LOCKED_BOOK: "the best bid equals the best ask",
    Finding.MISSING_SIDE: "the book has no bids or no asks",
    Finding.STALE_BOOK: "the book stands still while trades print outside of it",
    Finding.TRADE_THROUGH: "trades print beyond every best price shown within a second of them",
    Finding.PRICE_SCALE: "trades and book are not in the same unit of price",
    Finding.DUPLICATE: "messages that came before, with the same number or the same venue time",
    Finding.REPEAT: "messages that repeat the one before and change nothing",
    Finding.OUT_OF_ORDER: "receive times run back",
    Finding.VENUE_TIME_BACK: "the venue's times run back within one feed",
    Finding.CLOCK_BEHIND: "messages are received before the venue sent them: a clock is off",
    Finding.CLOCK_DRIFT: "the clocks move apart",
    Finding.CLOCK_JUMP: "one clock was set while recording",
    Finding.ONE_CLOCK: "receive time and venue time are the same, so latency is unknown",
    Finding.NO_VENUE_TIME: "the venue's time is not recorded, so latency is unknown",
    Finding.SLOW_FEED: "messages came late",
    Finding.HOLE: "nothing at all was recorded for unusually long",
    Finding.BOOK_SILENT: "the book fell silent for unusually long while other feeds went on",
    Finding.TRADES_SILENT: "trades fell silent for unusually long while other feeds went on",
    Finding.BEST_SILENT: "best prices fell silent for unusually long while other feeds went on",
    Finding.FEED_DOWN: "the recorder lost a feed",
    Finding.OFF_GRID: "prices or sizes that are no multiple of tick or lot",
    Finding.GRID_UNSURE: "too little data to infer tick or lot",
    Finding.BAD_VALUE: "impossible values: not finite, negative, of no side or of no kind",
    Finding.ZERO_TRADE: "trades of nothing",
    Finding.TORN_MESSAGE: "a message without its end",
}


class Span(msgspec.Struct, frozen=True):
    """One case: from when to when, and how large (ns, levels, messages: as the finding counts)."""

    begin_ns: int
    end_ns: int
    size: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One finding with its numbers; `share` is of time or of messages, as the text says."""

    finding: Finding
    weight: Weight
    text: str
    count: int = 0
    share: float = 0.0
    begin_ns: int = 0
    end_ns: int = 0
    spans: tuple[Span, ...] = ()


_ORDER = (Weight.REMARK, Weight.WARNING, Weight.FAILURE)


def verdict_of(found: tuple[Found, ...]) -> Verdict:
    """The worst of all findings decides."""
    worst = max((_ORDER.index(item.weight) for item in found), default=0)
    return tuple(Verdict)[worst]


def sorted_by_weight(found: list[Found]) -> tuple[Found, ...]:
    """Failures first, then warnings, then remarks."""
    return tuple(sorted(found, key=lambda item: -_ORDER.index(item.weight)))
