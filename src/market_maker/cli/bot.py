"""Talks to the bot of a data directory and mode."""

from __future__ import annotations

from pathlib import Path

import msgspec

from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.core.errors import UnusableError
from market_maker.runtime.control_client import ask
from market_maker.telemetry.snapshot import Status

QUICK_S = 3.0
"""How long a bot may take to say what it already knows."""


class BotAddress(msgspec.Struct, frozen=True):
    """Which bot is meant."""

    data_dir: Path
    mode: Mode

    @property
    def paths(self) -> DataPaths:
        """Where its files lie."""
        return DataPaths(self.data_dir, self.mode)

    def status(self) -> Status:
        """What the bot says about itself; raises NoSuchBotError if there is none."""
        return msgspec.convert(ask(self.paths.control_socket, "status", timeout_s=QUICK_S), Status)


def only_market(status: Status, market: str | None) -> Status:
    """The status with one market, or all if none is named."""
    if market is None:
        return status
    if market not in status.markets:
        raise UnusableError(
            f"the bot does not trade {market}; it trades {', '.join(status.markets)}"
        )
    return msgspec.structs.replace(status, markets={market: status.markets[market]})
