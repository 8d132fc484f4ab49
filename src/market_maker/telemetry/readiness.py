"""Whether a status is that of a bot that does its work: what `/readyz` answers.

Ready means that every market is in the state of quoting and has a quote out, or one on its way. A
market whose levels all wait for a reason that no next message ends (refused, blocked, too small) is not.
"""

from __future__ import annotations

from market_maker.core.reasons import BotState, DecisionReason
from market_maker.quoting.decision import Action
from market_maker.telemetry.snapshot import MarketStatus, Status

_PASSING = frozenset(
    {DecisionReason.IN_FLIGHT, DecisionReason.UNKNOWN_OUTCOME, DecisionReason.COOLDOWN}
)


def readiness(status: Status | None) -> tuple[bool, str]:
    """Ready or not, and why not, market by market."""
    if status is None:
        return False, "starting"
    waiting = [
        f"{name}: {reason}"
        for name, market in status.markets.items()
        if (reason := _idle_because(market))
    ]
    return not waiting, "; ".join(waiting) or "quoting"


def _idle_because(market: MarketStatus) -> str:
    """Why a market shows no quote, empty if it does."""
    if market.state is not BotState.QUOTING:
        return f"{market.state.value} ({', '.join(halt.reason for halt in market.halts)})"
    silent: dict[str, None] = {}
    for level in market.levels:
        waits = level.action == Action.WAIT and level.reason not in _PASSING
        if level.resting_price is not None or not waits:
            return ""
        silent[f"{level.reason}: {level.detail}" if level.detail else level.reason] = None
    return f"no level can be quoted ({'; '.join(silent)})"
