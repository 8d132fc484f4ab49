"""A venue that also tells its best bid and offer by itself: the whole bot takes it, and replays it."""

from __future__ import annotations

from pathlib import Path

from driving import SOL, always, configured, halts, quotes_both_sides, until
from relay import Relay
from replaying import Tapes, reproduced

from market_maker.app.virtual import VirtualRun
from market_maker.core.errors import ExitCode
from market_maker.core.events import (
    BestQuote,
    BookDelta,
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    Heartbeat,
)
from market_maker.core.side import Side
from market_maker.market.order_book import OrderBook
from market_maker.runtime.status import market_status
from market_maker.venues.base import Sink


class WithBestQuotes(Relay):
    """Tells the touch that each delta leaves just before the delta itself, until it hangs up."""

    async def open(self, sink: Sink) -> None:
        book = OrderBook(1000, 10, 10.0)
        quotes = 0

        def tap(event: Event) -> None:
            nonlocal quotes
            if isinstance(event, BookSnapshot):
                book.apply_snapshot(event)
            elif isinstance(event, BookDelta):
                book.apply_delta(event)
                quotes += 1
                if quotes < 300:
                    sink(_touch(book, event))
                elif quotes == 300:
                    sink(FeedStatus(event.recv_ns, Feed.BEST, up=False, detail="hung up"))
            elif isinstance(event, Heartbeat):
                sink(Heartbeat(event.recv_ns, Feed.BEST))
            sink(event)

        await self.inner.open(tap)


def _touch(book: OrderBook, delta: BookDelta) -> BestQuote:
    (bid,), (ask,) = (book.levels(side, 1) or ((0, 0),) for side in (Side.BUY, Side.SELL))
    return BestQuote(delta.recv_ns, delta.venue_ns, delta.seq, *bid, *ask)


def test_best_quotes_reach_the_books_the_status_and_the_journal(tmp_path: Path) -> None:
    tapes = Tapes()

    async def work(run: VirtualRun) -> None:
        await until(lambda: quotes_both_sides(run), 15.0)
        feeds = market_status(run.bot.markets[SOL], run.bot.account, run.clock.now_ns()).feeds
        assert feeds[Feed.BEST.value].up
        await until(lambda: tapes.kept[SOL].lines.count(b"hung up") > 0, 60.0)
        # The stream's end alone is no reason to stop quoting.
        await always(lambda: halts(run) == set(), 3.0)
        assert await run.stop() is ExitCode.CLEAN

    run = VirtualRun(
        configured(), seed=7, journal=tapes.open, wrap=lambda venue, _symbol: WithBestQuotes(venue)
    )
    run.run(work)
    assert b'"type":"BestQuote"' in tapes.kept[SOL].lines
    reproduced(run, tapes.kept, tmp_path)
