from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.signals import MarketConfig
from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Feed,
    FeedStatus,
    FundingUpdate,
    Heartbeat,
    Timer,
    TradePrint,
)
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.market.market import Market

INSTRUMENT = Instrument(
    symbol="SOL-USD",
    base="SOL",
    quote="USD",
    settle="USD",
    kind=InstrumentKind.LINEAR,
    price_quantum=Decimal("0.01"),
    qty_quantum=Decimal("0.01"),
)


def snapshot(now_s: float, seq: int = 1) -> BookSnapshot:
    return BookSnapshot(
        int(now_s * NANOS), 0, seq, ((9970, 5), (9940, 7)), ((10030, 5), (10060, 7))
    )


def delta(now_s: float, prev: int, *changes: tuple[int, int, int]) -> BookDelta:
    return BookDelta(int(now_s * NANOS), 0, prev, prev + 1, changes)


def market(**config: float) -> Market:
    return Market(INSTRUMENT, MarketConfig.model_validate({"book_depth_bps": 100.0, **config}))


def trade(now_s: float, price: int = 10000, trade_id: str = "a") -> TradePrint:
    return TradePrint(int(now_s * NANOS), 0, trade_id, Side.BUY, price, 3)


def test_a_book_that_stands_still_while_trades_print_through_it_is_stale_until_it_moves() -> None:
    subject = market()
    subject.apply(snapshot(1))
    assert subject.apply(trade(1.9, 10031)).verdict is BookVerdict.VALID
    subject.apply(Heartbeat(2 * NANOS, Feed.BOOK))
    assert subject.apply(trade(2.5, 10030, "b")).verdict is BookVerdict.VALID
    assert subject.apply(trade(2.6, 10031, "c")).verdict is BookVerdict.STALE
    assert subject.apply(Heartbeat(3 * NANOS, Feed.BOOK)).verdict is BookVerdict.STALE
    assert subject.apply(trade(3.1, 10000, "d")).verdict is BookVerdict.STALE
    assert subject.apply(delta(3.2, 1, (1, 9970, 6))).verdict is BookVerdict.VALID


def test_depth_alone_makes_a_new_view_only_where_quotes_depend_on_it() -> None:
    config = MarketConfig(book_depth_bps=100.0)
    blind = Market(INSTRUMENT, config, watch_depth=False)
    seeing = Market(INSTRUMENT, config)
    for subject in (blind, seeing):
        subject.apply(snapshot(1))
    before = blind.view, seeing.view
    bids = blind.levels(Side.BUY, 2)
    deeper = BookDelta(2, 2, 1, 2, ((1, bids[1][0], bids[1][1] + 1),))
    assert blind.apply(deeper) is before[0]
    assert seeing.apply(deeper) is not before[1]
    best = BookDelta(3, 3, 2, 3, ((1, bids[0][0], bids[0][1] + 1),))
    assert blind.apply(best).depth_bid_qty == seeing.apply(best).depth_bid_qty


def test_view_is_the_same_object_while_nothing_relevant_changes() -> None:
    subject = market()
    view = subject.apply(snapshot(1))
    assert subject.apply(delta(1.1, 1, (1, 5000, 9))) is view
    assert subject.apply(Timer(2 * NANOS)) is view
    assert subject.apply(trade(2.1)) is view
    changed = subject.apply(delta(2.2, 2, (1, 9970, 6)))
    assert changed is not view
    assert (changed.version, changed.bid_qty) == (view.version + 1, 6)
    assert subject.view is changed


def test_depth_sums_the_levels_within_the_configured_distance() -> None:
    assert market(book_depth_bps=35.0).apply(snapshot(1)).depth_bid_qty == 5
    assert market(book_depth_bps=65.0).apply(snapshot(1)).depth_bid_qty == 12


def test_quiet_book_with_deltas_or_heartbeats_is_never_stale() -> None:
    subject = market(stale_after_s=5.0)
    view = subject.apply(snapshot(0))
    subject.apply(delta(4, 1, (1, 5000, 9)))
    assert subject.check(8 * NANOS) is view
    subject.apply(Heartbeat(8 * NANOS, Feed.BOOK))
    assert subject.check(12 * NANOS) is view


def test_silence_on_the_book_feed_is_stale_whatever_other_feeds_say() -> None:
    subject = market(stale_after_s=5.0)
    subject.apply(snapshot(0))
    view = subject.apply(trade(5.1))
    assert view.verdict is BookVerdict.STALE
    assert view.best_bid == 9970
    assert subject.apply(Heartbeat(6 * NANOS, Feed.TRADES)).verdict is BookVerdict.STALE
    assert subject.apply(Heartbeat(7 * NANOS, Feed.BOOK)).verdict is BookVerdict.VALID


def test_last_price_survives_a_stale_book() -> None:
    subject = market(stale_after_s=5.0)
    subject.apply(snapshot(0))
    assert subject.last_price2 == 20000
    subject.check(60 * NANOS)
    assert subject.last_price2 == 20000
    subject.apply(trade(61, price=10011))
    assert subject.last_price2 == 20022


def test_lost_book_feed_is_not_priced_from_until_a_snapshot() -> None:
    subject = market()
    subject.apply(snapshot(0))
    down = subject.apply(FeedStatus(NANOS, Feed.BOOK, up=False))
    assert down.verdict is BookVerdict.GAPPED
    assert subject.apply(FeedStatus(2 * NANOS, Feed.BOOK, up=True)).verdict is BookVerdict.GAPPED
    assert subject.apply(snapshot(3)).verdict is BookVerdict.VALID
    assert subject.gaps == 0


def test_own_best_bid_never_becomes_the_anchor() -> None:
    subject = market()
    subject.apply(snapshot(0))
    best = subject.view.best_bid
    for turn in range(5):
        # Our bid goes one step above what the market shows, five times.
        own = subject.view.best_bid + 10
        subject.apply(delta(1 + turn, 1 + turn, (1, own, 2)))
        view = subject.set_own(Side.BUY, own, 2)
        assert view.best_bid == best
        assert view.touch_bid == own
        subject.set_own(Side.BUY, own, 0)


def test_withdrawn_own_size_counts_as_others_after_the_grace() -> None:
    subject = market(own_grace_s=0.5)
    subject.apply(snapshot(0))
    subject.set_own(Side.BUY, 9970, 5)
    assert subject.view.best_bid == 9940
    assert subject.set_own(Side.BUY, 9970, 0).best_bid == 9940
    assert subject.check(NANOS // 4).best_bid == 9940
    assert subject.check(NANOS).best_bid == 9970


def test_part_of_a_level_that_is_ours_is_subtracted() -> None:
    subject = market()
    subject.apply(snapshot(0))
    view = subject.set_own(Side.SELL, 10030, 2)
    assert (view.best_ask, view.ask_qty, view.depth_ask_qty) == (10030, 3, 10)


def test_feed_ages_start_unknown_and_never_turn_negative() -> None:
    subject = market()
    assert subject.feed_age_ns(Feed.BOOK, 5) is None
    subject.apply(snapshot(10))
    assert subject.feed_age_ns(Feed.BOOK, 12 * NANOS) == 2 * NANOS
    assert subject.feed_age_ns(Feed.BOOK, 0) == 0
    subject.apply(FundingUpdate(11 * NANOS, 1e-4, 28800, 0, 20000))
    assert subject.feed_age_ns(Feed.FUNDING, 12 * NANOS) == NANOS
    assert subject.mark_price2 == 20000


def test_a_feed_that_is_up_and_says_nothing_has_no_age_but_its_silence_counts() -> None:
    subject = market()
    subject.check(10 * NANOS)
    for feed in (Feed.BOOK, Feed.TRADES):
        subject.apply(FeedStatus(11 * NANOS, feed, up=True))
        assert subject.feed_age_ns(feed, 310 * NANOS) is None
        assert subject.silence_ns(feed, 310 * NANOS) == 300 * NANOS
    subject.apply(snapshot(311))
    assert subject.silence_ns(Feed.BOOK, 312 * NANOS) == NANOS


def test_a_best_quote_moves_the_view_and_shows_that_the_touch_is_alive() -> None:
    subject = market(stale_after_s=5.0)
    subject.apply(snapshot(1))
    view = subject.apply(BestQuote(int(2.9 * NANOS), 0, 2, 9960, 3, 10030, 5))
    assert (view.best_bid, view.bid_qty, view.best_ask) == (9960, 3, 10030)
    assert subject.apply(trade(3.5, 10031)).verdict is BookVerdict.VALID
    assert subject.feed_age_ns(Feed.BEST, 3 * NANOS) == NANOS // 10
    # It does not speak for the depth behind it.
    assert subject.apply(BestQuote(7 * NANOS, 0, 3, 9960, 3, 10030, 5)).verdict is BookVerdict.STALE


def test_best_quotes_that_end_leave_the_book_to_the_deltas() -> None:
    subject = market()
    subject.apply(snapshot(1))
    subject.apply(BestQuote(2 * NANOS, 0, 9, 9960, 3, 10030, 5))
    assert subject.apply(delta(2.1, 1, (1, 9970, 4))).best_bid == 9960
    subject.apply(FeedStatus(int(2.2 * NANOS), Feed.BEST, up=False))
    view = subject.apply(delta(2.3, 2, (1, 9970, 4)))
    assert (view.best_bid, view.verdict) == (9970, BookVerdict.VALID)


def test_malformed_trade_is_counted_and_changes_nothing() -> None:
    subject = market()
    subject.apply(snapshot(0))
    subject.apply(trade(1, price=0))
    assert not subject.trade_accepted
    assert (subject.malformed, subject.last_price2) == (1, 20000)
    assert subject.view.verdict is BookVerdict.VALID


def test_gap_counts_and_sequence_are_told() -> None:
    subject = market()
    subject.apply(snapshot(0, seq=5))
    view = subject.apply(delta(1, 7))
    assert (view.verdict, subject.gaps, subject.sequence) == (BookVerdict.GAPPED, 1, 5)


def test_configuration_bounds_levels_buffer_and_tape() -> None:
    subject = market(max_levels=8, max_buffered_deltas=1, tape_length=2, tape_window_s=2.0)
    bids = tuple((9000 - i, 1) for i in range(20))
    subject.apply(BookSnapshot(0, 0, 1, bids, ((10000, 1),)))
    assert subject.levels(Side.BUY, 50) == bids[:8]
    subject.apply(delta(0.1, 5, (1, 9000, 7)))
    subject.apply(delta(0.1, 6, (1, 9000, 8)))
    subject.apply(BookSnapshot(0, 0, 5, bids, ((10000, 1),)))
    assert subject.view.verdict is BookVerdict.GAPPED
    for i in range(3):
        subject.apply(trade(1, trade_id=str(i)))
    assert subject.tape.volumes(2 * NANOS)[0] < 4.0
    assert not subject.tape.add(trade(1, trade_id="1"))
    assert subject.tape.add(trade(1, trade_id="0"))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_time_never_runs_backwards_in_views(steps: list[int]) -> None:
    subject = market(stale_after_s=3.0)
    subject.apply(snapshot(100))
    now_ns, seen_ns, seq = 100 * NANOS, 0, 1
    for step in steps:
        now_ns += step * NANOS
        subject.apply(BookDelta(now_ns, 0, seq, seq + 1, ((1, 9970, 5 + seq),)))
        seq += 1
        assert subject.view.recv_ns >= seen_ns
        assert subject.view.verdict is BookVerdict.VALID
        seen_ns = subject.view.recv_ns
