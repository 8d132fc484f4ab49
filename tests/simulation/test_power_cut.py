"""What a power cut leaves of a journal in simulation."""

from __future__ import annotations

import asyncio

from market_maker.app.simulation.audit import Audit
from market_maker.app.simulation.tap import Tap
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream


def test_a_power_cut_takes_only_what_was_not_synced_and_cuts_where_it_likes() -> None:
    audit = Audit()
    run = VirtualRun(
        Settings(),
        wrap=lambda venue, symbol: Tap(audit.market(symbol), venue),
        journal=audit.journal,
    )
    audit.watch(run)
    before: list[int] = []

    async def work(run: VirtualRun) -> None:
        await asyncio.sleep(5.0)
        before.append(len(audit.taps["SOL-USD"].journal.lines))
        await asyncio.sleep(1.0)

    run.run(work)
    journal = audit.taps["SOL-USD"].journal
    left = [journal.torn(RandomStream(seed, "power"), NANOS) for seed in range(60)]
    assert all(journal.lines.startswith(part) for part in left)
    assert all(before[0] <= len(part) for part in left)
    assert len(set(left)) > 20
    whole = [part for part in left if part.endswith(b"\n")]
    assert 0 < len(whole) < len(left)
