"""SIGKILL at chosen and at random moments of a bot whose exchange lives on in another process.

After each death: what was left or arrives late is found and taken away, fills that nobody heard of
are booked once, and the bot quotes again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from bot_process import SOL, BotProcess
from exchange_process import ExchangeProcess, agrees, settled
from line_proxy import LineProxy

from market_maker.core.events import Fill, OrderState
from market_maker.runtime.journal import journal_files

ROUNDS = 2


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path) as served:
        yield served


class DeadlyPost:
    """Kills the bot when it sends, or is about to be told, something of a kind."""

    def __init__(self, bot: BotProcess, proxy: LineProxy) -> None:
        self.bot = bot
        self.proxy = proxy
        self.struck = threading.Event()
        self.order = ""

    def strike(self, line: bytes) -> bytes:
        """Kill, and let nothing of the line through."""
        if not self.struck.is_set():
            self.bot.process.kill()
            self.proxy.held.append(line)
            self.struck.set()
        return b""

    def on_up(self, kind: bytes) -> None:
        """Strike at a request of a kind."""
        mark = b'"call":{"type":"%s"' % kind

        def hook(line: bytes) -> bytes:
            if self.struck.is_set() or mark in line:
                request = msgspec.json.decode(line)
                call = request["call"]
                self.order = self.order or call.get("client_id") or call["order"]["client_id"]
                return self.strike(line)
            return line

        self.proxy.up = hook

    def on_down(self, mark: bytes) -> None:
        """Strike at a message with a mark."""

        def hook(line: bytes) -> bytes:
            return self.strike(line) if self.struck.is_set() or mark in line else line

        self.proxy.down = hook


def back_in_business(exchange: ExchangeProcess, bot: BotProcess, left: set[str]) -> None:
    """Quoting, books that agree, and nothing of the time before in the book."""
    bot.until_quoting()
    truth = settled(exchange, bot)
    assert not left & {order.client_id for order in truth.open_orders}


def end_well(exchange: ExchangeProcess, bot: BotProcess) -> None:
    """A kill leaves nothing, and the books agree to the last fee."""
    assert bot.run("kill").code == 0
    truth = exchange.truth()
    assert truth.open_orders == ()
    assert agrees(bot.market(), truth)
    assert len({fill.trade_id for fill in truth.fills}) == len(truth.fills)


def test_death_at_every_point_of_an_order_s_way(tmp_path: Path, exchange: ExchangeProcess) -> None:
    with (
        LineProxy(tmp_path / "p.sock", exchange.socket) as proxy,
        exchange.bot(tmp_path / "bot", proxy.path) as bot,
    ):
        for kind, arrives in ((b"Place", False), (b"Place", True), (b"Change", True)):
            post = DeadlyPost(bot, proxy)
            bot.until_quoting()
            post.on_up(kind)
            _die(exchange, bot, proxy, post, arrives=arrives)
        for mark in (b'"result":"accepted"', b'"type":"Fill"'):
            post = DeadlyPost(bot, proxy)
            bot.until_quoting()
            post.on_down(mark)
            _die(exchange, bot, proxy, post, arrives=False)
        bot.until_quoting()
        end_well(exchange, bot)
    assert any(isinstance(fill, Fill) for fill in exchange.truth().fills)


def _die(
    exchange: ExchangeProcess, bot: BotProcess, proxy: LineProxy, post: DeadlyPost, *, arrives: bool
) -> None:
    assert post.struck.wait(60)
    bot.process.wait(60)
    left = {order.client_id for order in exchange.truth().open_orders}
    journal = b"".join(path.read_bytes() for path in journal_files(bot.paths.journal_dir(SOL)))
    assert post.order.encode() in journal, "the intent is written before it is sent"
    if arrives:
        bot.start()
        proxy.release()  # while the bot is coming up
        proxy.up = proxy.down = bytes
    else:
        proxy.held.clear()
        proxy.cut()
        proxy.up = proxy.down = bytes
        bot.start()
    back_in_business(exchange, bot, left | {post.order})


def test_death_at_random_moments(tmp_path: Path, exchange: ExchangeProcess) -> None:
    chance = random.Random(7)
    with exchange.bot(tmp_path / "bot") as bot:
        for _ in range(ROUNDS):
            bot.until_quoting()
            time.sleep(chance.uniform(0, 2))
            bot.crash()
            left = {order.client_id for order in exchange.truth().open_orders}
            bot.start()
            back_in_business(exchange, bot, left)
        bot.until(lambda status: status.markets[SOL].fills > 0, "a fill")
        end_well(exchange, bot)


def test_kill_reaches_a_served_exchange_without_the_bot(
    tmp_path: Path, exchange: ExchangeProcess
) -> None:
    with exchange.bot(tmp_path / "bot") as bot:
        bot.until_quoting()
        bot.crash()
        assert exchange.truth().open_orders
        assert bot.run("kill").code == 0
        assert exchange.truth().open_orders == ()
        assert all(order.state is not OrderState.OPEN for order in exchange.truth().open_orders)
        exchange.stop()
        done = bot.run("kill")
        assert (done.code, "no exchange answers" in done.err) == (8, True)
