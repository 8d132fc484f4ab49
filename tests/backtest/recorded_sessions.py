"""Short sessions in virtual time, watched and journalled; made once and read by many tests."""

from __future__ import annotations

import functools
from typing import NamedTuple

from driving import SOL, configured
from meddling import BUSY
from replaying import Tapes

from market_maker.app.virtual import VirtualRun
from market_maker.backtest.session import Session
from market_maker.backtest.session_log import SessionLogs


class Watched(NamedTuple):
    """A run that is over, its session and its journal."""

    run: VirtualRun
    session: Session
    journal: bytes


@functools.cache
def watched(seed: int = 5, duration_s: float = 240.0) -> Watched:
    """A busy session of the bot on the embedded exchange."""
    logs, tapes = SessionLogs(), Tapes()
    settings = configured(venue=BUSY)
    run = VirtualRun(settings, seed=seed, observe=logs.observe, journal=tapes.open)
    run.trade(duration_s)
    return Watched(run, logs[SOL].session(), tapes.kept[SOL].lines)
