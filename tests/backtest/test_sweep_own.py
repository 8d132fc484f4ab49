"""What a swept bot learns from its fills is what the bot's own signal learns."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.signals import ToxicityConfig
from market_maker.core.side import Side
from market_maker.kernels import sweep_layout as at
from market_maker.kernels import sweep_own as own
from market_maker.signals.fill_toxicity import FillToxicity

CONFIG = ToxicityConfig(min_fills=3, fill_memory=5, recovery_s=50.0, clean_fills=10)


def _settings() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    p = np.zeros(at.SETTINGS)
    p[at.T_MEMORY], p[at.T_MIN_FILLS] = CONFIG.fill_memory, CONFIG.min_fills
    p[at.T_ONE_SIDED], p[at.T_LOSS_BPS] = CONFIG.one_sided_share, CONFIG.loss_bps
    p[at.T_CLEAN], p[at.T_RECOVERY_S] = CONFIG.clean_fills, CONFIG.recovery_s
    p[at.ADVERSE_BPS], p[at.ADVERSE_MIN_FILLS] = 0.5, 3
    return p


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.sampled_from([1, -1]), st.floats(-4.0, 3.0), st.floats(0.0, 20.0)
        ),
        max_size=60,
    )
)
def test_the_level_is_that_of_the_bots_signal(told: list[tuple[bool, int, float, float]]) -> None:
    p, o = _settings(), np.zeros(own.SIZE)
    plain = FillToxicity(CONFIG)
    now_s = 0.0
    for filled, sign, bps, later_s in told:
        now_s += later_s
        side = Side.BUY if sign > 0 else Side.SELL
        if filled:
            plain.on_fill(side, bps, now_s)
            own.own_fill(p, o, sign, bps, now_s)
        else:
            plain.on_markout(side, CONFIG.markout_horizon_s, bps, now_s)
            own.own_markout(p, o, sign, bps, now_s)
        assert own.level_at(p, o, now_s) == plain.level(now_s)
        assert o[own.HALF_SPREAD] == plain.half_spread_bps


def test_own_fills_replace_the_prior_once_there_are_enough() -> None:
    p, o = _settings(), np.zeros(own.SIZE)
    p[at.ADVERSE_HORIZON_NS] = 5_000_000_000
    q = np.zeros(at.SCALARS, dtype=np.int64)
    fills = np.zeros((3, at.FILL_WIDTH), dtype=np.int64)
    fills[:, at.F_PRICE], fills[:, at.F_MID2], fills[:, at.F_QTY] = 1000, 2000, 7
    fills[:, at.F_SIDE] = [1, 1, -1]
    q[at.FILLS] = 2
    own.mark_out(p, o, q, fills, 1996, 6_000_000_000)
    assert own.adverse_bps(p, o) == 0.5
    q[at.FILLS] = 3
    own.mark_out(p, o, q, fills, 1996, 6_000_000_000)
    # Two bids lost 20 bps each, the offer gained them: two thirds of 20 less one third.
    assert own.adverse_bps(p, o) == np.float64((2 * 20.0 - 20.0) / 3)
