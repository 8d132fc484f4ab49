"""What an operating system does to a bot: no space, a folder that is gone, a long freeze, company."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bot_process import SOL, BotProcess
from exchange_process import ExchangeProcess, agrees, settled

from market_maker.core.reasons import HaltReason
from market_maker.telemetry.snapshot import Status


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path) as served:
        yield served


def halted(reason: HaltReason) -> Callable[[Status], object]:
    def holds(status: Status) -> bool:
        return reason in {halt.reason for halt in status.markets[SOL].halts}

    return holds


def end_well(exchange: ExchangeProcess, bot: BotProcess) -> None:
    """A kill leaves nothing, and the books agree to the last fee."""
    assert bot.run("kill").code == 0
    truth = exchange.truth()
    assert truth.open_orders == ()
    assert agrees(bot.market(), truth)


def emptied(exchange: ExchangeProcess, bot: BotProcess) -> None:
    bot.wait(lambda: not exchange.truth().open_orders, "an empty book at the exchange")


def test_without_a_disk_it_cancels_stays_silent_and_comes_back(
    tmp_path: Path, exchange: ExchangeProcess
) -> None:
    with exchange.bot(tmp_path / "bot", MM_JOURNAL__MAX_FILE_MB="0.1") as bot:
        bot.until_quoting()
        # No file may grow any more, as on a full disk; sockets are no files.
        before = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (0, -1))
        bot.until(halted(HaltReason.JOURNAL_FAILED), "a halt")
        emptied(exchange, bot)
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, before)
        bot.until_quoting()
        settled(exchange, bot)

        # Nothing can be created any more, as in a folder that became read-only.
        folder = bot.paths.journal_dir(SOL)
        folder.rename(away := folder.with_name("away"))
        bot.until(halted(HaltReason.JOURNAL_FAILED), "a halt")
        emptied(exchange, bot)
        away.rename(folder)
        bot.until_quoting()

        bot.crash()
        bot.start()
        bot.until_quoting()
        settled(exchange, bot)
        end_well(exchange, bot)


def test_after_a_long_freeze_it_finds_what_the_exchange_did_meanwhile(
    tmp_path: Path, exchange: ExchangeProcess
) -> None:
    with exchange.bot(tmp_path / "bot", MM_RUNTIME__DEAD_MAN_TIMEOUT_S="2") as bot:
        bot.until_quoting()
        left = {order.client_id for order in exchange.truth().open_orders}
        bot.send(signal.SIGSTOP)
        emptied(exchange, bot)  # the dead-man's switch
        frozen = exchange.truth()
        bot.send(signal.SIGCONT)
        bot.until(lambda status: status.as_of_s * 1e9 > frozen.now_ns, "an answer")
        bot.until_quoting()
        truth = settled(exchange, bot)
        assert not left & {order.client_id for order in truth.open_orders}
        end_well(exchange, bot)


@pytest.mark.scenario("SC97")
def test_two_bots_of_one_account_leave_each_other_s_orders_alone(
    tmp_path: Path, exchange: ExchangeProcess
) -> None:
    long_s = "300"  # a frozen bot keeps its orders
    with (
        exchange.bot(
            tmp_path / "a", MM_ACCOUNT__TAG="aa", MM_RUNTIME__DEAD_MAN_TIMEOUT_S=long_s
        ) as first,
        exchange.bot(
            tmp_path / "b", MM_ACCOUNT__TAG="bb", MM_RUNTIME__DEAD_MAN_TIMEOUT_S=long_s
        ) as second,
    ):
        bots = {"aa": first, "bb": second}

        def of(tag: str) -> set[str]:
            resting = exchange.truth().open_orders
            return {o.client_id for o in resting if o.client_id.startswith(tag)}

        def settled(tag: str) -> set[str]:
            """Its orders once nothing of a frozen bot is under way any more."""
            alike, orders = 0, of(tag)
            while alike < 300:
                now = of(tag)
                alike, orders = (alike + 1 if now == orders else 0), now
            return orders

        first.until_quoting()
        second.until_quoting()
        twin = first.run("run", "--market", SOL, "--metrics-port", "0")
        assert twin.code == 6, twin.err
        for tag, other in (("aa", "bb"), ("bb", "aa")):
            bots[other].send(signal.SIGSTOP)  # so that it cannot put back what somebody takes
            before = settled(other)
            bots[tag].crash()
            assert of(tag)
            bots[tag].start()
            bots[tag].until_quoting()
            assert bots[tag].run("kill").code == 0
            assert of(tag) == set()
            filled = {fill.client_id for fill in exchange.truth().fills}
            assert before
            assert before - filled <= of(other)
            bots[other].send(signal.SIGCONT)
            assert bots[tag].run("rearm").code == 0
            first.until_quoting()
            second.until_quoting()
        assert first.run("kill").code == second.run("kill").code == 0
        assert exchange.truth().open_orders == ()
