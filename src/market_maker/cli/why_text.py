"""Why each level quotes what it quotes, or does not quote, in lines and in JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from market_maker.cli.status_text import halt_text, kill_text
from market_maker.telemetry.snapshot import LevelStatus, MarketStatus, Status


def why_text(status: Status) -> str:
    """The explanation for people."""
    lines = []
    if status.kill_switch.engaged:
        lines.append(f"kill switch {kill_text(status.kill_switch)}; `rearm` releases it")
    for market in status.markets.values():
        lines.append(f"{market.market}  {market.state.value}")
        lines.extend(f"  halted: {halt_text(halt)}" for halt in market.halts)
        if market.kill_switch.engaged:
            lines.append(f"  kill switch {kill_text(market.kill_switch)}")
        for level in market.levels:
            lines.extend(_level_lines(market, level))
    return "\n".join(lines)


def why_json(status: Status) -> str:
    """The same facts for programs."""
    document = {
        "kill_switch": status.kill_switch,
        "as_of_s": status.as_of_s,
        "markets": {
            name: {
                "state": market.state,
                "halts": market.halts,
                "kill_switch": market.kill_switch,
                "mid_price": market.book.mid_price if market.book is not None else None,
                "levels": market.levels,
            }
            for name, market in status.markets.items()
        },
    }
    return msgspec.json.encode(document).decode()


def _level_lines(market: MarketStatus, level: LevelStatus) -> Iterator[str]:
    rests = "nothing rests"
    if level.resting_price is not None:
        rests = f"{level.resting_qty} rests at {level.resting_price}"
    detail = f" ({level.detail})" if level.detail else ""
    yield f"  {level.side} {level.level}: {rests}; {level.action}: {level.reason}{detail}"
    if level.target_price is None or market.book is None:
        return
    parts = " ".join(
        f"{value:+f} {name.replace('_', ' ')}" for name, value in level.breakdown.items() if value
    )
    yield f"    wants {level.target_qty} @ {level.target_price} = {market.book.mid_price} mid {parts}"
