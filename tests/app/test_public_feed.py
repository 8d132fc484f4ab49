"""Market data without an account: the embedded exchange's, its own or served elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from driving import SOL, configured

from market_maker.app.public_feed import open_feeds
from market_maker.config.options import RunOptions
from market_maker.config.paths import RECORD, DataPaths
from market_maker.core.errors import UnusableError, VenueUnavailableError
from market_maker.core.events import BookDelta, BookSnapshot, Feed, FeedStatus, TradePrint
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.ticks.columns import PublicEvent
from market_maker.ticks.packing import as_public


def listen(tmp_path: Path, seconds: float, **options: object) -> list[PublicEvent]:
    """What is heard in some seconds of virtual time."""
    loop = SimLoop()
    heard: list[PublicEvent] = []
    arguments = {"markets": (SOL,), "seed": 5, **options}
    run = RunOptions(**arguments)  # type: ignore[arg-type] # a test's own arguments

    async def work() -> None:
        clock = VirtualClock(loop)
        feeds = await open_feeds(configured(), run, DataPaths(tmp_path, RECORD), clock)
        assert feeds.seed == run.seed
        feed = feeds.feeds[SOL]
        assert (await feed.load_instrument()).symbol == SOL
        await feed.open(heard.append)
        await asyncio.sleep(seconds)
        await feed.resubscribe()
        await asyncio.sleep(0.5)
        await feed.close()
        feeds.close()

    loop.run_until_complete(work())
    loop.close()
    return heard


def test_a_feed_tells_the_market_and_nothing_of_an_account(tmp_path: Path) -> None:
    heard = listen(tmp_path, 30.0)
    assert all(as_public(event) is event for event in heard)
    told = [event.feed for event in heard if isinstance(event, FeedStatus) and event.up]
    assert sorted(told) == sorted(2 * (Feed.BOOK, Feed.TRADES, Feed.FUNDING))
    snapshots = [event for event in heard if isinstance(event, BookSnapshot)]
    assert len(snapshots) == 2
    seq = 0
    for event in heard:
        if isinstance(event, BookSnapshot):
            seq = event.seq
        elif isinstance(event, BookDelta):
            assert event.prev_seq == seq
            seq = event.seq
    assert any(isinstance(event, TradePrint) for event in heard)


def test_another_venue_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="binance"):
        listen(tmp_path, 1.0, venue="binance")


def test_an_unknown_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VenueUnavailableError):
        listen(tmp_path, 1.0, markets=("NO-SUCH",))
