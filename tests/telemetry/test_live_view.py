from __future__ import annotations

from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.console import Console

from market_maker.core.reasons import BotState, HaltReason, KillReason
from market_maker.telemetry.live_view import export_svg, render
from market_maker.telemetry.snapshot import HaltStatus, KillStatus, LevelStatus, Status


def _screen(status: Status, width: int, height: int) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, height=height, color_system=None, legacy_windows=False)
    console.print(render(status, width, height))
    return out.getvalue().rstrip("\n").split("\n")


def _variants(status: Status) -> list[Status]:
    (market,) = status.markets.values()
    halts = tuple(HaltStatus(r, 1.0, "detail", r.resting, r.clears) for r in HaltReason)
    log = tuple(f"12:00:00 line {n} " + "x" * 200 for n in range(40))
    deep = tuple(
        msgspec.structs.replace(level, level=rank)
        for level in market.levels[:1] + market.levels[3:4]
        for rank in range(10)
    )
    killed = KillStatus(engaged=True, reasons=tuple(KillReason), since_s=1.0, detail="d")
    replace = msgspec.structs.replace
    bare = replace(market, book=None, readings=None, fair_price=None, levels=(), open_orders=())
    return [
        status,
        replace(status, log_tail=log, kill_switch=killed, state=BotState.KILLED),
        replace(status, markets={"SOL-USD": replace(market, halts=halts, unknown_orders=9)}),
        replace(status, markets={"SOL-USD": replace(market, levels=deep)}),
        replace(status, markets=dict.fromkeys(("SOL-USD", "BTC-USD", "ETH-USD"), market)),
        replace(status, markets={"SOL-USD": bare}),
        replace(status, markets={}),
    ]


@pytest.mark.parametrize(
    ("width", "height"),
    [(20, 5), (40, 10), (60, 30), (80, 24), (120, 12), (120, 24), (120, 40), (200, 60)],
)
@pytest.mark.parametrize("variant", range(7))
def test_every_status_fits_the_terminal(
    status: Status, variant: int, width: int, height: int
) -> None:
    lines = _screen(_variants(status)[variant], width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width


def _shown(status: Status) -> str:
    return "\n".join(_screen(status, 80, 24))


def test_what_a_trader_looks_for_is_on_a_small_terminal(status: Status) -> None:
    shown = _shown(status)
    for wanted in (
        "SIM",
        "QUOTING",
        "SOL-USD",
        "glft",
        "150.03",
        "188.25",
        "150.02",
        "149.96",
        "150.16",
        "+2.31 SOL",
        "35%",
        "+1.2345",
        "-1.1100",
        "-2.67/+5.63",
        "normal",
        "no halts",
        "risk refused",
        "10,001.23",
        "reason=feed_stale",
    ):
        assert wanted in shown


def test_halts_say_what_ends_them(status: Status) -> None:
    (market,) = status.markets.values()
    reason = HaltReason.FEED_STALE
    halted = msgspec.structs.replace(
        market, halts=(HaltStatus(reason, 1.0, "", reason.resting, reason.clears),)
    )
    shown = _shown(msgspec.structs.replace(status, markets={"SOL-USD": halted}))
    assert reason.clears in shown


def test_an_engaged_kill_switch_cannot_be_missed(status: Status) -> None:
    killed = KillStatus(engaged=True, reasons=(KillReason.DRAWDOWN,))
    shown = _shown(msgspec.structs.replace(status, kill_switch=killed))
    assert "KILL SWITCH: drawdown" in shown


def test_a_market_that_was_killed_alone_is_named_in_the_header(status: Status) -> None:
    (market,) = status.markets.values()
    killed = msgspec.structs.replace(
        market,
        state=BotState.KILLED,
        kill_switch=KillStatus(engaged=True, reasons=(KillReason.COMMAND,)),
    )
    changed = msgspec.structs.replace(status, markets={"SOL-USD": killed})
    for width, height in ((80, 24), (40, 10)):
        shown = "\n".join(_screen(changed, width, height))
        assert "KILL SWITCH: SOL-USD" in shown
        assert "kill switch off" not in shown


def test_a_tiny_terminal_shows_the_essence(status: Status) -> None:
    shown = "\n".join(_screen(status, 40, 10))
    for wanted in ("QUOTING", "SOL-USD 150.02/150.03", "+2.31 SOL 35%", "P&L +1.23", "buy", "sell"):
        assert wanted in shown
    assert "│" not in shown


def test_sells_stand_above_buys_by_price(status: Status) -> None:
    lines = _screen(status, 80, 24)
    order = [
        next(n for n, line in enumerate(lines) if name in line)
        for name in ("sell 2", "sell 1", "sell 0", "ask", "bid", "buy 0", "buy 1", "buy 2")
    ]
    assert order == sorted(order)


def test_a_level_shows_whether_its_order_is_where_it_should_be(status: Status) -> None:
    (market,) = status.markets.values()

    def mark(level: LevelStatus) -> str:
        changed = msgspec.structs.replace(market, levels=(level,))
        lines = _screen(msgspec.structs.replace(status, markets={"SOL-USD": changed}), 80, 24)
        row = next(line for line in lines if f"{level.side} {level.level}" in line)
        return next(character for character in row if character in "●◐○")

    resting, moved, missing = market.levels[:3]
    assert [mark(level) for level in (resting, moved, missing)] == ["●", "◐", "○"]


def test_the_picture_is_well_formed_and_the_same_each_time(status: Status, tmp_path: Path) -> None:
    export_svg(status, tmp_path / "one.svg")
    export_svg(status, tmp_path / "two.svg")
    first = (tmp_path / "one.svg").read_bytes()
    assert first == (tmp_path / "two.svg").read_bytes()
    assert ET.fromstring(first).tag.endswith("svg")
