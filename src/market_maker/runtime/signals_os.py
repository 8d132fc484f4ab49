"""Operating-system signals as calls on the loop.

Standard signals coalesce, so each callback must mean a state and not a toggle: calling it
once or ten times is the same. Signals that arrived while the process was starting are
replayed, so none is ever lost.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from market_maker import early_signals


def attach(
    loop: asyncio.AbstractEventLoop, callbacks: Mapping[signal.Signals, Callable[[], None]]
) -> Callable[[], None]:
    """Call `callbacks[signal]()` on the loop for every arrival, earlier ones included.

    Returns a function that hands the signals back to `early_signals`, so that those which
    arrive during the last moments of a shutdown do not kill the process.
    """
    for number, callback in callbacks.items():
        loop.add_signal_handler(number, callback)
    for arrived in early_signals.take():
        replayed = callbacks.get(signal.Signals(arrived))
        if replayed is not None:
            loop.call_soon(replayed)

    def detach() -> None:
        for number in callbacks:
            loop.remove_signal_handler(number)
        early_signals.install()

    return detach
