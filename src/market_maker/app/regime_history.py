"""Which volatility class a recording was in, and for how long: the bot's own kernel over its mids.

Owns only the walk over the recording. What always holds: classes are those that a bot with these settings would have
told at the end of each step, had it listened to this market alone.
"""

from __future__ import annotations

import math

from market_maker.config.signals import VolatilityConfig
from market_maker.core.instrument import NANOS
from market_maker.kernels import gate_layout as at
from market_maker.signals.volatility_regime import VolatilityRegime
from market_maker.ticks.facts import seconds
from market_maker.ticks.quality_page import Regimes
from market_maker.ticks.stream_gate import Sums


def regimes_of(sums: Sums, config: VolatilityConfig) -> Regimes:
    """Spells of equal class from the first known mid to the end."""
    step_s = sums.interval_ns / NANOS
    signal = VolatilityRegime(config, step_s)
    spells: list[tuple[str, int, int]] = []
    log_mid_bps = 0.0
    for row, mid2 in enumerate(sums.table[:, at.T_MID2].tolist()):
        if mid2 > 0:
            log_mid_bps = 1e4 * math.log(mid2)
        elif not log_mid_bps:
            continue
        signal.on_steps(1, log_mid_bps)
        begin = sums.start_ns + row * sums.interval_ns
        end = min(begin + sums.interval_ns, sums.end_ns)
        name = signal.reading().regime.value
        if spells and spells[-1][0] == name:
            spells[-1] = (name, spells[-1][1], end)
        else:
            spells.append((name, begin, end))
    note = (
        f"Told by the bot's own estimate with default settings, from the mid every {seconds(sums.interval_ns)}. It starts from "
        f"its prior and needs minutes to forget it, so short recordings say little."
    )
    return Regimes(tuple(spells), note)
