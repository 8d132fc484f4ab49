"""One market's public state behind one door: events in, one view out.

Owns the order book, the trade tape, the age of every feed and the verdict on whether the
market may be priced from. The view is replaced only when something that a quote depends on
changed, so `is` tells whether there is anything to do. Time only moves forward here: an
event that claims to be older than the last one counts as simultaneous with it.
"""

from __future__ import annotations

from market_maker.config.signals import MarketConfig
from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    MarketEvent,
    Timer,
    TradePrint,
)
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.market.order_book import OrderBook
from market_maker.market.trade_tape import TradeTape

_NOTHING = MarketView(0, 0, BookVerdict.EMPTY, 0, 0, 0, 0, 0, 0, 0, 0)


class Market:
    """Facade over book and tape for one instrument."""

    __slots__ = (
        "_began_ns",
        "_book",
        "_changed_ns",
        "_contradicted",
        "_contradicted_ns",
        "_hold_until_ns",
        "_now_ns",
        "_own_grace_ns",
        "_seen_ns",
        "_stale_ns",
        "_watch_depth",
        "instrument",
        "last_price2",
        "mark_price2",
        "tape",
        "trade_accepted",
        "view",
    )

    def __init__(
        self, instrument: Instrument, config: MarketConfig, *, watch_depth: bool = True
    ) -> None:
        """Start with an empty view.

        Without `watch_depth` a change behind the best prices alone makes no new view: quotes do
        not depend on it then, and its depth is as of the last change at the best.
        """
        self.instrument = instrument
        self._watch_depth = watch_depth
        self.tape = TradeTape(config.tape_length, config.tape_window_s)
        self.view = _NOTHING
        self.last_price2 = 0
        self.mark_price2 = 0
        self.trade_accepted = False
        self._book = OrderBook(config.max_levels, config.max_buffered_deltas, config.book_depth_bps)
        self._stale_ns = int(config.stale_after_s * NANOS)
        self._contradicted_ns = int(config.contradicted_after_s * NANOS)
        self._contradicted = False
        self._changed_ns = 0
        self._own_grace_ns = int(config.own_grace_s * NANOS)
        self._seen_ns: dict[Feed, int] = {}
        self._hold_until_ns = 0
        self._began_ns = 0
        self._now_ns = 0

    def apply(self, event: MarketEvent | Heartbeat | FeedStatus | Timer) -> MarketView:
        """Take one event in; returns the view, the same object if nothing relevant changed."""
        now_ns = self._pass_time(event.recv_ns)
        if isinstance(event, BookDelta):
            self._seen_ns[Feed.BOOK] = self._changed_ns = now_ns
            self._contradicted = False
            self._book.apply_delta(event)
        elif isinstance(event, TradePrint):
            self._apply_trade(event, now_ns)
        elif isinstance(event, BookSnapshot):
            self._seen_ns[Feed.BOOK] = self._changed_ns = now_ns
            self._contradicted = False
            self._book.apply_snapshot(event)
        elif not isinstance(event, Timer):
            self._apply_other(event, now_ns)
        return self._judge(now_ns)

    def check(self, now_ns: int) -> MarketView:
        """Judge staleness anew."""
        return self._judge(self._pass_time(now_ns))

    def set_own(self, side: Side, price: int, qty: int) -> MarketView:
        """Tell our resting total at a price (0: none); the view excludes it from now on.

        Withdrawn size stays excluded until the public level changes, for the configured grace.
        """
        self._book.set_own(side, price, qty)
        if not self._hold_until_ns:
            self._hold_until_ns = self._now_ns + self._own_grace_ns
        return self._judge(self._now_ns)

    @property
    def exit_price2(self) -> int:
        """A price for whoever must leave without a book: of last price and mark the fresher."""
        seen = self._seen_ns
        heard_ns = max(seen.get(feed, 0) for feed in (Feed.BOOK, Feed.TRADES, Feed.BEST))
        marked = self.mark_price2 > 0 and seen.get(Feed.FUNDING, 0) > heard_ns
        return self.mark_price2 if marked or not self.last_price2 else self.last_price2

    @property
    def gaps(self) -> int:
        """Times the book lost track of the venue's sequence."""
        return self._book.gaps

    @property
    def malformed(self) -> int:
        """Book messages and trades that were refused as impossible."""
        return self._book.malformed + self.tape.malformed

    @property
    def sequence(self) -> int:
        """Sequence number of the last book message applied."""
        return self._book.seq

    def feed_age_ns(self, feed: Feed, now_ns: int) -> int | None:
        """Time since anything arrived on a feed; None if nothing ever did."""
        seen_ns = self._seen_ns.get(feed)
        return None if seen_ns is None else max(0, now_ns - seen_ns)

    def silence_ns(self, feed: Feed, now_ns: int) -> int:
        """Time without anything on a feed: since its last message, or since we began to listen."""
        age_ns = self.feed_age_ns(feed, now_ns)
        return max(0, now_ns - self._began_ns) if age_ns is None else age_ns

    def snapshot(self, now_ns: int) -> BookSnapshot | None:
        """The public book as it is known, own size included; None while it follows no venue."""
        return self._book.snapshot(now_ns)

    def levels(self, side: Side, limit: int) -> tuple[tuple[int, int], ...]:
        """Public depth of one side, best first, own size included."""
        return self._book.levels(side, limit)

    def _pass_time(self, now_ns: int) -> int:
        """Follow the clock, which never goes back here."""
        if not self._began_ns:
            self._began_ns = now_ns
        self._now_ns = now_ns = max(self._now_ns, now_ns)
        return now_ns

    def _apply_trade(self, trade: TradePrint, now_ns: int) -> None:
        self._seen_ns[Feed.TRADES] = now_ns
        self.trade_accepted = self.tape.add(trade)
        if self.trade_accepted:
            self.last_price2 = 2 * trade.price
            # A book that stands still while trades print through it is dead, whatever beats.
            view = self.view
            if not view.touch_bid <= trade.price <= view.touch_ask:
                self._contradicted |= now_ns - self._changed_ns > self._contradicted_ns

    def _apply_other(
        self, event: BestQuote | FundingUpdate | FeedStatus | Heartbeat, now_ns: int
    ) -> None:
        if isinstance(event, BestQuote):
            # A touch that moves contradicts no trade; whether the depth still follows, it cannot say.
            self._seen_ns[Feed.BEST] = self._changed_ns = now_ns
            self._contradicted = False
            self._book.apply_best(event)
        elif isinstance(event, FundingUpdate):
            self._seen_ns[Feed.FUNDING] = now_ns
            if event.mark_price2 > 0:
                self.mark_price2 = event.mark_price2
        elif isinstance(event, Heartbeat):
            self._seen_ns[event.feed] = now_ns
        elif event.feed is Feed.BOOK:
            # A book feed that came up says nothing of the old book: its snapshot will.
            self._book.lose_feed()
        elif event.feed is Feed.BEST:
            self._book.lose_best()

    def _judge(self, now_ns: int) -> MarketView:
        book = self._book
        if self._hold_until_ns and now_ns >= self._hold_until_ns:
            self._hold_until_ns = 0
            book.release_holds()
        top = book.top()
        verdict = book.verdict()
        silent = now_ns - self._seen_ns.get(Feed.BOOK, now_ns) > self._stale_ns
        if (silent or self._contradicted) and verdict is not BookVerdict.GAPPED:
            verdict = BookVerdict.STALE
        old = self.view
        bid, ask, bid_qty, ask_qty, depth_bid, depth_ask, touch_bid, touch_ask = top
        moved = bid != old.best_bid or ask != old.best_ask
        if (
            not moved
            and verdict is old.verdict
            and bid_qty == old.bid_qty
            and ask_qty == old.ask_qty
            and (
                not self._watch_depth
                or (depth_bid == old.depth_bid_qty and depth_ask == old.depth_ask_qty)
            )
            and touch_bid == old.touch_bid
            and touch_ask == old.touch_ask
        ):
            return old
        if verdict is BookVerdict.VALID:
            self.last_price2 = bid + ask
        self.view = MarketView(old.version + 1, now_ns, verdict, *top)
        return self.view
