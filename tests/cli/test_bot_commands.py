from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from market_maker.core.reasons import HaltReason, KillReason
from market_maker.telemetry.snapshot import AccountStatus, HaltStatus, KillStatus, Status, encode

if TYPE_CHECKING:
    from tests.cli.conftest import FakeBot, Run


def test_status_shows_money_orders_and_feeds(run: Run, bot: FakeBot, tmp_path: Path) -> None:
    done = run("status", "--data-dir", tmp_path)
    assert done.code == 0
    for wanted in ("quoting", "SOL-USD", "+2.31", "10,001.2345", "+1.2345", "mm-7-0", "book"):
        assert wanted in done.out


def test_status_shows_the_account_in_one_line(
    run: Run, bot: FakeBot, tmp_path: Path, status: Status
) -> None:
    account = AccountStatus(
        currency="USD",
        equity_quote=Decimal("10001.5"),
        day_pnl_quote=Decimal("-3.25"),
        drawdown_quote=Decimal("4.75"),
        max_daily_loss_quote=Decimal(100),
        max_drawdown_quote=Decimal(200),
    )
    bot.replies["status"] = json.loads(encode(msgspec.structs.replace(status, account=account)))
    (line,) = (
        line
        for line in run("status", "--data-dir", tmp_path).out.splitlines()
        if line.startswith("account")
    )
    for wanted in ("10,001.50 USD", "today -3.25", "-100.00", "4.75 of 200.00", "kill switch off"):
        assert wanted in line


def test_a_market_that_was_killed_alone_is_not_called_off(
    run: Run, bot: FakeBot, tmp_path: Path, status: Status
) -> None:
    (market,) = status.markets.values()
    killed = KillStatus(engaged=True, reasons=(KillReason.COMMAND,), detail="command: news")
    changed = msgspec.structs.replace(
        status, markets={"SOL-USD": msgspec.structs.replace(market, kill_switch=killed)}
    )
    bot.replies["status"] = json.loads(encode(changed))
    shown = run("status", "--data-dir", tmp_path).out
    assert "kill switch ENGAGED for SOL-USD" in shown
    assert "kill switch off" not in shown


def test_status_json_is_the_document_itself(
    run: Run, bot: FakeBot, tmp_path: Path, status: Status
) -> None:
    done = run("status", "--data-dir", tmp_path, "--json")
    assert done.json() == json.loads(encode(status))


def test_a_quiet_status_only_exits(run: Run, bot: FakeBot, tmp_path: Path) -> None:
    done = run("status", "--data-dir", tmp_path, "--quiet")
    assert (done.code, done.out) == (0, "")


@pytest.mark.parametrize("command", ["status", "why"])
def test_a_market_that_the_bot_does_not_trade_is_named(
    run: Run, bot: FakeBot, tmp_path: Path, command: str
) -> None:
    done = run(command, "--data-dir", tmp_path, "--market", "DOGE-USD")
    assert done.code == 3
    assert "SOL-USD" in done.err


@pytest.mark.parametrize("command", ["status", "why", "rearm", "kill"])
def test_without_a_bot_the_exit_code_is_7(run: Run, tmp_path: Path, command: str) -> None:
    done = run(command, "--data-dir", tmp_path)
    assert done.code == 7
    assert str(tmp_path) in done.err
    assert done.out == ""


def test_why_explains_each_level_as_a_sum(
    run: Run, bot: FakeBot, tmp_path: Path, status: Status
) -> None:
    done = run("why", "--data-dir", tmp_path)
    for level in status.markets["SOL-USD"].levels:
        assert f"{level.side} {level.level}: " in done.out
        assert level.reason in done.out
    assert "inventory" in done.out
    assert "150.025 mid" in done.out


def test_why_says_what_ends_a_halt(run: Run, bot: FakeBot, tmp_path: Path, status: Status) -> None:
    reason = HaltReason.PRIVATE_DOWN
    (market,) = status.markets.values()
    halted = msgspec.structs.replace(
        market, halts=(HaltStatus(reason, 1.0, "", reason.resting, reason.clears),)
    )
    changed = msgspec.structs.replace(status, markets={"SOL-USD": halted})
    bot.replies["status"] = json.loads(encode(changed))
    assert reason.clears in run("why", "--data-dir", tmp_path).out
    shown = run("why", "--data-dir", tmp_path, "--json").json()
    assert shown["markets"]["SOL-USD"]["halts"][0]["reason"] == reason.value
    assert len(shown["markets"]["SOL-USD"]["levels"]) == 6


def test_kill_tells_the_bot_market_and_reason(run: Run, bot: FakeBot, tmp_path: Path) -> None:
    done = run("kill", "--data-dir", tmp_path, "--market", "SOL-USD", "--reason", "news", "--json")
    assert (done.code, done.json()["open_orders"]) == (0, 0)
    assert bot.asked[-1] == {
        "command": "kill",
        "arguments": {"market": "SOL-USD", "reason": "news"},
    }


@pytest.mark.parametrize(
    "reply",
    [
        {"open_orders": 2, "verified": True},
        {"open_orders": 0, "verified": False},
        {"open_orders": 0, "verified": True, "latched": False},
    ],
)
def test_a_kill_that_is_not_verified_exits_8(
    run: Run, bot: FakeBot, tmp_path: Path, reply: dict[str, object]
) -> None:
    bot.replies["kill"] = reply
    assert run("kill", "--data-dir", tmp_path).code == 8


def test_the_reason_of_a_kill_is_kept_as_one_short_line(
    run: Run, bot: FakeBot, tmp_path: Path
) -> None:
    run("kill", "--data-dir", tmp_path, "--reason", "\x1b[31mré\nd\x07" + "x" * 999)
    reason = str(bot.asked[-1]["arguments"]["reason"])
    assert reason.startswith(" [31mré d x")
    assert len(reason) == 200


def test_rearm_tells_the_bot(run: Run, bot: FakeBot, tmp_path: Path) -> None:
    done = run("rearm", "--data-dir", tmp_path, "--json")
    assert done.json() == {"rearmed": True, "detail": "resyncing"}
    assert bot.asked[-1] == {"command": "rearm", "arguments": {"market": None}}


def test_what_the_bot_refuses_exits_3(run: Run, bot: FakeBot, tmp_path: Path) -> None:
    bot.replies["rearm"] = ValueError("the position is still unexplained")
    done = run("rearm", "--data-dir", tmp_path)
    assert done.code == 3
    assert "still unexplained" in done.err
