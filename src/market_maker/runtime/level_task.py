"""The shell of one (side, level) slot: wait, decide, execute, again.

Owns nothing but the version it last acted on. Every judgement is the strategy's, every
effect the executor's; a change that arrives while a request is under way is seen on return.
"""

from __future__ import annotations

from collections.abc import Callable

from market_maker.core.clock import Clock
from market_maker.core.commands import Approved, CancelRequest, LevelId
from market_maker.core.instrument import NANOS
from market_maker.runtime.executor import Executor
from market_maker.runtime.observer import Observer
from market_maker.runtime.strategy import Strategy


async def run_level(
    level: LevelId,
    strategy: Strategy,
    executor: Executor,
    clock: Clock,
    observer: Observer,
    turned: Callable[[int], None],
) -> None:
    """Quote one slot until cancelled; `turned` hears of each moment before something is decided."""
    seen = -1
    signal = strategy.signal
    last = level == strategy.levels[-1]
    while True:
        while signal.version == seen:
            await signal.wait()
        seen = signal.version
        now_ns = clock.now_ns()
        turned(now_ns)
        command = strategy.decide(level, seen, now_ns)
        if last:
            observer.observe_tick_to_decision((clock.now_ns() - strategy.cause_ns) / NANOS)
        match command:
            case None:
                continue
            case Approved():
                observer.observe_tick_to_send((clock.now_ns() - strategy.cause_ns) / NANOS)
                await executor.send(command)
            case CancelRequest():
                await executor.cancel(command)
