"""The order book against a venue that keeps every state it ever published."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from market_maker.core.events import BookDelta, BookSnapshot
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import SIDES, Side
from market_maker.market.order_book import OrderBook

Levels = dict[int, int]
BIDS, ASKS = st.integers(90, 104), st.integers(96, 110)


class _BookMachine(RuleBasedStateMachine):
    """Publishes deltas and snapshots, some of which are lost, late, repeated or merged."""

    def __init__(self) -> None:
        super().__init__()
        self.book = OrderBook(max_levels=64, max_buffered_deltas=8, depth_bps=10_000)
        self.sides: dict[Side, Levels] = {Side.BUY: {}, Side.SELL: {}}
        self.seq = 10
        self.history: dict[int, dict[Side, Levels]] = {}
        self.sent: list[BookDelta | BookSnapshot] = []
        self.travelling: list[BookDelta | BookSnapshot] = []
        self.own: dict[Side, Levels] = {Side.BUY: {}, Side.SELL: {}}
        self._keep()

    # The venue

    @rule(
        changes=st.lists(
            st.one_of(
                st.tuples(st.just(Side.BUY), BIDS, st.integers(0, 9)),
                st.tuples(st.just(Side.SELL), ASKS, st.integers(0, 9)),
            ),
            min_size=1,
            max_size=5,
        ),
        jump=st.integers(1, 3),
    )
    def levels_change(self, changes: list[tuple[Side, int, int]], jump: int) -> None:
        before = self.seq
        self.seq += jump
        for side, price, qty in changes:
            if qty:
                self.sides[side][price] = qty
            else:
                self.sides[side].pop(price, None)
        self._keep()
        told = tuple((int(side), price, qty) for side, price, qty in changes)
        self.travelling.append(BookDelta(0, 0, before, self.seq, told))

    @rule()
    def a_snapshot_leaves(self) -> None:
        bids = tuple(sorted(self.sides[Side.BUY].items(), reverse=True))
        asks = tuple(sorted(self.sides[Side.SELL].items()))
        self.travelling.append(BookSnapshot(0, 0, self.seq, bids, asks))

    # The network

    @precondition(lambda self: self.travelling)
    @rule()
    def the_next_message_arrives(self) -> None:
        self._arrives(self.travelling.pop(0))

    @precondition(lambda self: len(self.travelling) > 1)
    @rule(pick=st.integers(0, 20))
    def a_message_overtakes(self, pick: int) -> None:
        self._arrives(self.travelling.pop(pick % len(self.travelling)))

    @precondition(lambda self: self.travelling)
    @rule()
    def a_message_is_lost(self) -> None:
        self.travelling.pop(0)

    @precondition(lambda self: self.sent)
    @rule(pick=st.integers(0, 200))
    def an_old_message_arrives_again(self, pick: int) -> None:
        self._arrives(self.sent[pick % len(self.sent)])

    @precondition(lambda self: self.book.synced)
    @rule(bid=BIDS, back=st.booleans())
    def a_malformed_delta_arrives(self, bid: int, *, back: bool) -> None:
        seq = self.book.seq
        self.book.apply_delta(BookDelta(0, 0, seq, seq if back else seq + 1, ((1, bid, -3),)))
        assert back or not self.book.synced

    @rule()
    def the_feed_is_lost_and_the_venue_counts_anew(self) -> None:
        self.book.lose_feed()
        self.travelling.clear()
        self.sent.clear()
        self.history.clear()
        self.seq = 1
        self._keep()

    @rule()
    def everything_arrives_and_a_snapshot_settles_it(self) -> None:
        self.travelling.clear()
        self.a_snapshot_leaves()
        self._arrives(self.travelling.pop())
        assert self.book.synced
        assert self.book.seq == self.seq

    # We

    @rule(side=st.sampled_from(SIDES), bid=BIDS, ask=ASKS, qty=st.integers(0, 9))
    def our_size_changes(self, side: Side, bid: int, ask: int, qty: int) -> None:
        price = bid if side is Side.BUY else ask
        self.own[side][price] = qty
        self.book.set_own(side, price, qty)
        self.book.release_holds()

    # What must always hold

    @invariant()
    def a_synchronised_book_is_what_the_venue_had_at_its_number(self) -> None:
        if self.book.synced:
            truth = self.history[self.book.seq]
            assert self.book.levels(Side.BUY) == tuple(
                sorted(truth[Side.BUY].items(), reverse=True)
            )
            assert self.book.levels(Side.SELL) == tuple(sorted(truth[Side.SELL].items()))

    @invariant()
    def the_best_prices_are_those_of_others(self) -> None:
        if not self.book.synced:
            assert self.book.verdict() in {BookVerdict.EMPTY, BookVerdict.GAPPED}
            return
        truth = self.history[self.book.seq]
        bids, asks = self._others(truth, Side.BUY), self._others(truth, Side.SELL)
        bid, ask, bid_qty, ask_qty, _, _, touch_bid, touch_ask = self.book.top()
        assert (bid, ask) == (max(bids, default=0), min(asks, default=0))
        assert (bid_qty, ask_qty) == (bids.get(bid, 0), asks.get(ask, 0))
        assert touch_bid == max(truth[Side.BUY], default=0)
        assert touch_ask == min(truth[Side.SELL], default=0)
        verdict = self.book.verdict()
        if bids and asks:
            expected = (
                BookVerdict.VALID
                if touch_bid < touch_ask
                else BookVerdict.LOCKED
                if touch_bid == touch_ask
                else BookVerdict.CROSSED
            )
            assert verdict is expected
        else:
            assert verdict is not BookVerdict.VALID

    # Inside

    def _others(self, truth: dict[Side, Levels], side: Side) -> Levels:
        own = self.own[side]
        left = {price: qty - own.get(price, 0) for price, qty in truth[side].items()}
        return {price: qty for price, qty in left.items() if qty > 0}

    def _keep(self) -> None:
        self.history[self.seq] = {side: dict(levels) for side, levels in self.sides.items()}

    def _arrives(self, message: BookDelta | BookSnapshot) -> None:
        self.sent.append(message)
        if isinstance(message, BookSnapshot):
            self.book.apply_snapshot(message)
        else:
            self.book.apply_delta(message)


_BookMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_a_book_is_right_or_says_that_it_is_not = _BookMachine.TestCase
