"""Volatility classes of a recording are those that the bot's own signal tells."""

from __future__ import annotations

import numpy as np
from good_recording import good_recording

from market_maker.app.regime_history import regimes_of
from market_maker.config.signals import VolatilityConfig
from market_maker.kernels import gate_layout as at
from market_maker.ticks.stream_gate import Sums, gate_over


def _sums(mids2: np.ndarray) -> Sums:
    sums = gate_over(good_recording(), 10, 5).sums()
    state = np.concatenate([sums.state[: at.TABLE], np.zeros(len(mids2) * at.N_COLUMNS, np.int64)])
    state[at.NOW] = sums.start_ns + len(mids2) * sums.interval_ns
    longer = Sums(state)
    longer.table[:, at.T_MID2] = mids2
    return longer


def test_a_storm_amid_calm_is_a_spell_of_its_own() -> None:
    mids = np.full(3600, 2_000_000)
    mids[1800:1860] += np.where(np.arange(60) % 2, 20_000, 0)
    regimes = regimes_of(_sums(mids), VolatilityConfig())
    names = [name for name, _, _ in regimes.spells]
    assert "extreme" in names
    assert names[0] != "extreme"
    begin = next(begin for name, begin, _ in regimes.spells if name == "extreme")
    start = regimes.spells[0][1]
    assert 1800 <= (begin - start) // 10**9 <= 1810
    ends = [end for _, _, end in regimes.spells]
    begins = [begin for _, begin, _ in regimes.spells]
    assert begins[1:] == ends[:-1]


def test_nothing_is_told_before_the_first_mid() -> None:
    mids = np.full(600, 2_000_000)
    mids[:100] = 0
    sums = _sums(mids)
    regimes = regimes_of(sums, VolatilityConfig())
    assert regimes.spells[0][1] == sums.start_ns + 100 * sums.interval_ns
