"""States of markets as engines see them, drawn at random."""

from __future__ import annotations

from hypothesis import strategies as st

from market_maker.quoting.engine import QuoteState


@st.composite
def states(draw: st.DrawFn) -> QuoteState:
    """Any state that prices, sizes and estimates of real markets can make."""
    fair = draw(st.floats(1e-4, 1e6))
    sigma = fair * 1e-4 * draw(st.floats(0.01, 500))
    k = draw(st.floats(0.01, 20)) / (fair * 1e-4)
    limit = 10.0 ** draw(st.floats(-3, 6))
    ratio = draw(st.floats(-1, 1))
    return QuoteState(
        fair=fair,
        sigma_clean=sigma * draw(st.floats(0.2, 1)),
        sigma_total=sigma,
        buy_a=draw(st.floats(1e-6, 50)),
        sell_a=draw(st.floats(1e-6, 50)),
        k=k,
        k_low=k,
        k_high=k,
        inventory=ratio * limit,
        inventory_ratio=ratio,
        max_inventory=limit,
        order_size=limit / draw(st.floats(0.5, 200)),
        drift=fair * 1e-4 * draw(st.floats(-20, 20)),
        carry=fair * 1e-6 * draw(st.floats(-1, 1)),
        maker_fee=fair * 1e-4 * draw(st.floats(-1, 10)),
        levels=draw(st.integers(1, 6)),
        tick=fair * 1e-5,
        vol_scale=draw(st.floats(0.5, 3)),
        skew_scale=draw(st.floats(0.5, 3)),
        competition_bps=draw(st.floats(0, 100)),
        sigma_reference=draw(st.sampled_from([0.0, 0.2, 1.0, 5.0])) * sigma,
    )
