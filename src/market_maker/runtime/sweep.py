"""Takes every order of a market away, and believes only what the venue shows afterwards.

Owns the course of a kill, of a shutdown and of a market that failed. Refuses to know which of them
it serves. It always holds that neither a venue nor an error of an adapter or of our books ends it:
whoever cannot wait cancels the task, and `bare` tells what was seen by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from market_maker.config.runtime import RuntimeConfig
from market_maker.core.clock import Clock
from market_maker.core.instrument import NANOS
from market_maker.runtime.reconciler import Reconciler
from market_maker.runtime.strategy import Strategy


class Sweep:
    """One market's; the gate must be closed to quotes while it runs."""

    def __init__(
        self,
        strategy: Strategy,
        reconciler: Reconciler,
        clock: Clock,
        config: RuntimeConfig,
        on_error: Callable[[str], None],
    ) -> None:
        self._strategy = strategy
        self._reconciler = reconciler
        self._clock = clock
        self._config = config
        self._on_error = on_error
        self._shown = False

    @property
    def bare(self) -> bool:
        """Whether the venue showed that nothing rests while we knew of no order either."""
        return self._shown and not self._strategy.parts.ledger.live_orders()

    def forget(self) -> None:
        """Something is sent again: what was shown before proves nothing."""
        self._shown = False

    async def run(self) -> None:
        """Cancel at the venue until it shows nothing of ours, twice, a horizon apart.

        Returns only then: what is in flight may still arrive after the first empty answer.
        """
        horizon_s = self._strategy.parts.ledger.patience.horizon_ns / NANOS
        first_s, longest_s = self._config.resync_backoff_s, self._config.resync_backoff_max_s
        pause_s = first_s
        empty_since_ns = 0
        while True:
            accepted = empty = False
            try:
                accepted = await self._reconciler.cancel_ours()
                empty = accepted and await self._reconciler.nothing_rests()
                self._shown = empty and not self._strategy.parts.ledger.live_orders()
                if empty:
                    await self._reconciler.check()
            except Exception as error:  # noqa: BLE001 - whatever breaks, cancelling goes on
                empty = False
                self._on_error(repr(error))
            now_ns = self._clock.monotonic_ns()
            if not empty:
                empty_since_ns = 0
            elif not empty_since_ns:
                empty_since_ns = now_ns
            settled = not self._strategy.parts.ledger.live_orders()
            if empty and (settled or now_ns - empty_since_ns > horizon_s * NANOS):
                return
            # An order that the cancel overtook is why something rests: do not wait long.
            pause_s = first_s if accepted else min(2 * pause_s, longest_s)
            await asyncio.sleep(pause_s)
