"""The connection to a served exchange, spoilt at the level of bytes: no answer is ever made up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import pytest
from driving import SOL, configured, halts, quotes_both_sides, until
from invariants import Audit
from memory_link import Cable

from market_maker.app.virtual import VirtualRun
from market_maker.config.simulated import SimulatedConfig
from market_maker.core.commands import Approved, CancelRequest, TimeInForce
from market_maker.core.errors import QueryFailedError, VenueUnavailableError
from market_maker.core.events import (
    BookSnapshot,
    Event,
    Feed,
    FeedStatus,
    RequestKind,
    Result,
)
from market_maker.core.reasons import HaltReason
from market_maker.core.side import Side
from market_maker.ledger.client_ids import market_tag
from market_maker.runtime.sim_loop import SimLoop, VirtualClock
from market_maker.venues.base import Venue
from market_maker.venues.simulated import remote_protocol as words
from market_maker.venues.simulated.exchange import SimulatedExchange, open_exchange
from market_maker.venues.simulated.feeds import STREAMS
from market_maker.venues.simulated.remote_client import RemoteVenue
from market_maker.venues.simulated.remote_server import RemoteServer
from market_maker.venues.simulated.wire import Wire

EPOCH_NS = 1_700_000_000_000_000_000


class Line:
    """One client, one server, and the cable between them."""

    def __init__(self) -> None:
        config = SimulatedConfig()
        self.loop = SimLoop()
        self.clock = VirtualClock(self.loop, EPOCH_NS)
        self.exchange: SimulatedExchange = open_exchange(config, 5, {SOL: config})
        self.cable = Cable(RemoteServer(Wire(self.exchange, self.clock), self.clock).serve)
        self.venue = RemoteVenue(self.cable.connect, SOL, self.clock, "t", 1)
        self.heard: list[Event] = []
        self.orders = 0

    def order(self) -> Approved:
        """A buy far below the market."""
        self.orders += 1
        return Approved(
            token=self.orders,
            approved_ns=self.clock.now_ns(),
            kind=RequestKind.SUBMIT,
            client_id=f"t-{self.orders}",
            side=Side.BUY,
            price=self.exchange.best(SOL)[0] - 50,
            qty=100,
            post_only=True,
            reduce_only=False,
            time_in_force=TimeInForce.GTC,
            level=None,
        )

    def run(self, scenario: Callable[[Line], Awaitable[None]]) -> None:
        async def whole() -> None:
            await self.venue.open(self.heard.append)
            await asyncio.sleep(1)
            await scenario(self)

        try:
            self.loop.run_until_complete(whole())
        finally:
            self.loop.run_until_complete(self.leave())
            self.loop.close()
        assert self.loop.unhandled == []

    async def leave(self) -> None:
        self.cable.cut()
        await self.venue.close()
        await asyncio.sleep(1)

    def states(self) -> dict[Feed, bool]:
        """What each feed said of itself last."""
        return {e.feed: e.up for e in self.heard if isinstance(e, FeedStatus)}


def answers_only(change: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """Spoil answers and leave events alone."""
    return lambda data: change(data) if b'"type":"Answer"' in data else data


async def recovered(line: Line) -> None:
    """The cable is whole again: every feed comes back with a new book."""
    line.cable.down = line.cable.up = bytes
    line.heard.clear()
    await until(lambda: line.states() == dict.fromkeys(STREAMS, True), 40)
    await asyncio.sleep(1)
    assert any(isinstance(event, BookSnapshot) for event in line.heard)


def _beginning(data: bytes, left: int) -> bytes | None:
    return data[:left] or None


def test_an_answer_cut_short_at_any_byte_is_no_answer() -> None:
    async def scenario(line: Line) -> None:
        for left in (*range(0, 240, 23), -2, -1):
            line.cable.down = answers_only(partial(_beginning, left=left))
            order = line.order()
            asked = asyncio.ensure_future(line.venue.submit(order))
            await asyncio.sleep(0.5)
            line.cable.cut()
            outcome = await asked
            assert outcome.result is Result.UNKNOWN, left
            assert outcome.client_id == order.client_id
            line.cable.down = bytes
            await until(lambda: line.states() == dict.fromkeys(STREAMS, True), 60)
        assert len(line.exchange.open_orders(SOL)) == line.orders

    Line().run(scenario)


WRONG = [
    b"\n",
    b"nonsense\n",
    b'{"type":"Answer"}\n',
    b'{"type":"Answer","id":"x","value":{}}\n',
    b'{"type":"Nobody","id":1}\n',
    b"\x00\xff\xfe\n",
    b"[]\n",
    b'{"type":"Told","round":1,"event":{"type":"Fill"}}\n',
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_malformed_body_ends_the_connection_and_proves_nothing(wrong: bytes) -> None:
    async def scenario(line: Line) -> None:
        line.cable.down = answers_only(lambda _: wrong)
        outcome = await line.venue.submit(line.order())
        assert outcome.result is Result.UNKNOWN
        await until(lambda: line.states() == dict.fromkeys(STREAMS, False), 1)
        with pytest.raises(QueryFailedError):
            await line.venue.open_orders()
        assert not await line.venue.arm_dead_man(5.0)
        await recovered(line)
        assert len(await line.venue.open_orders()) == 1

    Line().run(scenario)


@pytest.mark.parametrize("body", [b"null", b"true", b"[]", b'{"result":"accepted"}', b"12"])
def test_a_whole_answer_of_the_wrong_kind_proves_nothing(body: bytes) -> None:
    async def scenario(line: Line) -> None:
        def other(data: bytes) -> bytes:
            kept = msgspec.json.decode(data)
            return words.line(words.Answer(kept["id"], msgspec.Raw(body)))

        line.cable.down = answers_only(other)
        assert (await line.venue.submit(line.order())).result is Result.UNKNOWN
        assert (await line.venue.cancel(CancelRequest("t-1"))).result is Result.UNKNOWN
        with pytest.raises(QueryFailedError):
            await line.venue.balance()
        line.cable.down = bytes
        assert await line.venue.open_orders() == (), "both were done"

    Line().run(scenario)


def test_an_answer_to_another_request_is_not_taken_for_ours() -> None:
    async def scenario(line: Line) -> None:
        line.cable.down = answers_only(lambda data: data.replace(b'"t-1"', b'"t-9"'))
        assert (await line.venue.submit(line.order())).result is Result.UNKNOWN

    Line().run(scenario)


def test_a_half_open_connection_is_found_out_and_replaced() -> None:
    async def scenario(line: Line) -> None:
        line.cable.up = line.cable.down = lambda _: b""
        waited_s = await until(lambda: line.states() == dict.fromkeys(STREAMS, False), 20)
        assert waited_s < 12
        outcome = asyncio.ensure_future(line.venue.submit(line.order()))
        await asyncio.sleep(11)
        assert (await outcome).result is Result.UNKNOWN
        await recovered(line)

    Line().run(scenario)


def test_while_nobody_listens_it_asks_ever_more_rarely_and_then_comes_back() -> None:
    async def scenario(line: Line) -> None:
        line.cable.refuse = True
        line.cable.cut()
        await asyncio.sleep(100)
        assert (await line.venue.submit(line.order())).result is Result.UNKNOWN
        assert 6 <= line.cable.refused <= 20
        line.cable.refuse = False
        await recovered(line)

    Line().run(scenario)


def test_a_connection_that_a_query_opened_again_is_subscribed_too() -> None:
    async def scenario(line: Line) -> None:
        asking = True

        async def ask() -> None:
            while asking:
                with contextlib.suppress(QueryFailedError):
                    await line.venue.open_orders()
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(ask()) for _ in range(3)]
        line.cable.cut()
        await recovered(line)
        asking = False
        await asyncio.gather(*tasks)

    Line().run(scenario)


def test_a_subscription_that_fails_is_asked_for_again() -> None:
    async def scenario(line: Line) -> None:
        line.cable.cut()
        line.cable.down = answers_only(
            lambda data: data if b"seed" in data else words.line(words.Failure(_id(data), "busy"))
        )
        await asyncio.sleep(5)
        await recovered(line)

    Line().run(scenario)


def test_a_caller_that_gives_up_during_the_greeting_leaves_no_half_open_door() -> None:
    async def scenario(line: Line) -> None:
        line.cable.cut()
        line.cable.down = lambda _: b""
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await line.venue.open_orders()
        await recovered(line)

    Line().run(scenario)


def _id(data: bytes) -> int:
    return int(msgspec.json.decode(data)["id"])


def test_the_server_ends_a_connection_that_speaks_nonsense_and_serves_the_others() -> None:
    async def scenario(line: Line) -> None:
        for nonsense in (b"hello\n", b'{"id":1,"call":{"type":"Launch"}}\n', b"\xff" * 100 + b"\n"):
            link = await line.cable.connect()
            link.write(nonsense)
            assert await link.read() == b""
        early = await line.cable.connect()
        early.write(words.line(words.Request(1, words.AskPosition())))
        assert b"say hello first" in await early.read()
        early.write(words.line(words.Request(2, words.Hello(words.VERSION, "NO-SUCH", ""))))
        assert b"the exchange serves SOL-USD" in await early.read()
        early.write(words.line(words.Request(3, words.Hello(99, SOL, ""))))
        assert b"version" in await early.read()
        early.write(words.line(words.Request(4, words.Hello(words.VERSION, SOL, ""))))
        assert b'"seed":5' in await early.read()
        early.write(words.line(words.Request(5, words.AskTruth())))
        assert b"--oracle" in await early.read()
        early.close()
        assert await line.venue.position() is not None

    Line().run(scenario)


def test_another_market_behind_the_same_socket_is_refused() -> None:
    async def scenario(line: Line) -> None:
        line.venue.market_seed = 4
        line.cable.cut()
        await asyncio.sleep(5)
        with pytest.raises(VenueUnavailableError, match="market 5, not 4"):
            await line.venue.load_instrument()
        line.venue.market_seed = 5

    Line().run(scenario)


def test_the_whole_bot_over_a_cable_that_is_cut_spoilt_and_silent() -> None:
    audit = Audit()
    cables: list[Cable] = []
    settings = configured(ledger={"in_flight_horizon_s": 4.0})
    tag = market_tag(settings.account.tag, SOL)

    def wrap(_venue: Venue, symbol: str) -> Venue:
        run = audit.run
        cables.append(Cable(RemoteServer(Wire(run.exchange, run.clock), run.clock).serve))
        venue = RemoteVenue(cables[0].connect, symbol, run.clock, tag, 1)
        return audit.wrap(venue, symbol)

    async def work(run: VirtualRun) -> None:
        cable = cables[0]
        await until(lambda: quotes_both_sides(run), 30)
        for round_ in range(6):
            await asyncio.sleep(5 + round_ / 7)
            cable.down = (
                lambda data: data[: len(data) // 2],
                lambda _: b"",
                answers_only(lambda _: b"nonsense\n"),
            )[round_ % 3]
            if round_ >= 3:
                cable.cut()
            await until(lambda: HaltReason.PRIVATE_DOWN in halts(run), 30)
            cable.down = bytes
            await until(lambda: quotes_both_sides(run), 90)  # errors may have come in a burst
        assert await run.stop() == 0

    audit.watch(VirtualRun(settings, wrap=wrap, journal=audit.journal)).run(work)
    audit.check_end()
