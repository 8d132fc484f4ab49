"""Engaging and releasing the kill switch, through the bot or, where no bot answers, without it.

Always holds: a kill that does not end in an error has a latch that survives, and a venue without orders of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec

from market_maker.app.exchange_link import cancel_served, read_served
from market_maker.app.wall_clock import WallClock
from market_maker.cli.bot import QUICK_S, BotAddress
from market_maker.core.errors import (
    AnotherInstanceError,
    MarketMakerError,
    NoSuchBotError,
    OrdersMayRestError,
)
from market_maker.core.reasons import KillReason
from market_maker.risk.kill_switch import KillSwitch
from market_maker.runtime.control_client import BotNotAnsweringError, ask
from market_maker.runtime.lock import Holder, holder_of
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import SqliteStore

VERIFIED_S = 40.0
"""How long a bot may take to cancel everything and see it gone."""

_END_S = 5.0
_POLL_S = 0.05


class KillReport(msgspec.Struct, frozen=True):
    """What was done; `by` is bot or command."""

    by: str
    open_orders: int
    detail: str


def kill(address: BotAddress, market: str | None, reason: str, *, force: bool) -> KillReport:
    """Cancel everything and latch; raises OrdersMayRestError unless nothing rests."""
    try:
        return _kill_through_bot(address, market, reason)
    except BotNotAnsweringError as silent:
        why = str(silent)
    except NoSuchBotError as absent:
        if not address.paths.account_dir.is_dir():
            raise NoSuchBotError(
                f"no bot has ever run on {address.paths.account_dir}; give its --data-dir"
            ) from absent
        why = str(absent)
    unlatched = _latch(address, market or "", reason or why)
    holder = holder_of(address.paths.lock_file)
    if holder is not None and force:
        _end(address.paths.lock_file, holder)
    elif holder is not None:
        with contextlib.suppress(OSError):
            address.paths.kill_file.touch()
    latch = f"the latch could NOT be written ({unlatched})" if unlatched else "the latch is set"
    hung = holder is not None and not force
    report = _cancel_at_venue(address, why, latch, hung=hung)
    if unlatched:
        raise _restart_would_quote(unlatched)
    return report


def rearm(address: BotAddress, market: str | None) -> str:
    """Ask the bot to release the switch; returns what it says."""
    reply = ask(address.paths.control_socket, "rearm", {"market": market}, timeout_s=VERIFIED_S)
    return str(reply.get("detail", ""))


def _kill_through_bot(address: BotAddress, market: str | None, reason: str) -> KillReport:
    # A bot that hangs must be found out quickly; one that answers may take its time to verify.
    ask(address.paths.control_socket, "status", timeout_s=QUICK_S)
    reply = ask(
        address.paths.control_socket,
        "kill",
        {"market": market, "reason": reason},
        timeout_s=VERIFIED_S,
    )
    report = KillReport("bot", int(reply["open_orders"]), str(reply.get("detail", "")))
    if report.open_orders or not reply["verified"]:
        raise OrdersMayRestError(
            f"the kill switch is engaged, but the venue has not confirmed that nothing rests "
            f"({report.open_orders} orders known): {report.detail}"
        )
    if not reply.get("latched", True):
        raise _restart_would_quote(f"{address.paths.state_file} cannot be written")
    return report


def _restart_would_quote(unlatched: str) -> OrdersMayRestError:
    return OrdersMayRestError(
        f"nothing rests now, but a restart would quote: {unlatched}; mend that and repeat"
    )


def _latch(address: BotAddress, market: str, detail: str) -> str:
    """Engage the switch on disk; returns what went wrong, because cancelling must go on anyway."""
    try:
        store = SqliteStore(address.paths.state_file)
        try:
            switch = KillSwitch(StateStore(store).latches(market))
            switch.engage(KillReason.COMMAND, WallClock().now_ns(), detail)
        finally:
            store.close()
    except MarketMakerError as error:
        return str(error)
    return "" if switch.persisted else f"{address.paths.state_file} cannot be written"


def _cancel_at_venue(address: BotAddress, why: str, latch: str, *, hung: bool) -> KillReport:
    try:
        served = read_served(address.paths)
        if served is None:
            remaining = _cancel_embedded(address, why, latch)
        else:
            remaining = asyncio.run(cancel_served(served, WallClock()))
    except OrdersMayRestError:
        raise
    except MarketMakerError as error:
        raise OrdersMayRestError(f"{why}; {latch}, but cancelling failed: {error}") from error
    if remaining:
        raise OrdersMayRestError(f"{why}; {latch}, but {remaining} orders still rest")
    if hung:
        raise OrdersMayRestError(
            f"{why}; {latch} and nothing rests now, but the bot may send what it was about to when "
            "it wakes up, before it cancels again; --force ends it"
        )
    return KillReport("command", 0, f"{why}: latched on disk and cancelled at the venue")


def _cancel_embedded(address: BotAddress, why: str, latch: str) -> int:
    # Compiles kernels: a bot that answers must not wait for that.
    from market_maker.venues.simulated.exchange import (  # noqa: PLC0415 - as said above
        cancel_everything,
    )

    try:
        return cancel_everything(address.paths.exchange_dir)
    except AnotherInstanceError as error:
        raise OrdersMayRestError(
            f"{why}, and {error}; {latch}, but orders may rest. The bot cancels them when it "
            "wakes up; --force ends it and cancels now"
        ) from error


def _end(lock_file: Path, holder: Holder) -> None:
    """End a bot that does not answer, and wait until the kernel has let go of its locks."""
    deadline = time.monotonic() + _END_S
    if holder.is_alive():
        os.kill(holder.pid, signal.SIGKILL)
    while holder_of(lock_file) is not None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
