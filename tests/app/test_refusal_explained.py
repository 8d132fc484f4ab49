"""A level that risk or the venue refuses keeps saying why while it waits to try again."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from relay import Relay

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.commands import Approved
from market_maker.core.events import RejectReason, RequestOutcome, Result
from market_maker.core.reasons import DecisionReason, Refusal
from market_maker.runtime.components import Noted


def test_a_waiting_level_still_names_the_limit_that_refused_it() -> None:
    settings = Settings.model_validate(
        {
            "quoting": {"ladder": {"order_size_quote": 50.0, "min_size_quote": 10.0}},
            "risk": {"min_order_notional_quote": "60"},
        }
    )
    seen: list[Noted] = []

    async def work(run: VirtualRun) -> None:
        for _ in range(40):
            await asyncio.sleep(0.25)
            seen.extend(run.bot.markets["SOL-USD"].bot.strategy.noted.values())
        await run.stop()

    VirtualRun(settings).run(work)
    refused = [noted for noted in seen if noted.decision.reason is DecisionReason.RISK_REFUSED]
    assert len(refused) > 40
    assert all(noted.detail.startswith(Refusal.BELOW_MINIMUM.value) for noted in refused)


class Picky(Relay):
    """Rejects every order in its own words."""

    async def submit(self, order: Approved) -> RequestOutcome:
        await asyncio.sleep(0.05)
        outcome = RequestOutcome(
            recv_ns=order.approved_ns,
            kind=order.kind,
            client_id=order.client_id,
            result=Result.REJECTED,
            reason=RejectReason.INVALID,
        )
        return replace(outcome, detail="trading is restricted for this account")


def test_a_waiting_level_still_says_why_the_venue_rejected_it() -> None:
    seen: list[Noted] = []

    async def work(run: VirtualRun) -> None:
        for _ in range(12):
            await asyncio.sleep(0.25)
            seen.extend(run.bot.markets["SOL-USD"].bot.strategy.noted.values())
        await run.stop()

    VirtualRun(Settings(), wrap=lambda venue, _symbol: Picky(venue)).run(work)
    waiting = [n for n in seen if n.decision.reason is DecisionReason.VENUE_REJECTED]
    assert len(waiting) > 10
    assert {n.detail for n in waiting} == {"invalid: trading is restricted for this account"}
