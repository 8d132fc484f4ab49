"""The ladder kernel's rounding is the compiled twin of `core.units.Grid`."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.core.side import Side
from market_maker.core.units import Grid
from market_maker.kernels import ladder


def grid(tick: int, lot: int, digits: int | None) -> Grid:
    return Grid(
        Instrument(
            symbol="X",
            base="X",
            quote="USD",
            settle="USD",
            kind=InstrumentKind.SPOT,
            price_quantum=Decimal("0.01"),
            qty_quantum=Decimal("0.01"),
            tick=tick,
            lot=lot,
            price_significant_digits=digits,
        )
    )


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(Side),
    st.floats(0.01, 1e9) | st.integers(1, 10**9).map(float),
    st.integers(1, 500),
    st.none() | st.integers(1, 7),
)
def test_prices_round_as_the_grid_rounds(
    side: Side, price: float, tick: int, digits: int | None
) -> None:
    expected = grid(tick, 1, digits).passive_price(side, price)
    assert ladder.passive_price(int(side), price, tick, digits or 0) == expected
    assert ladder.passive_price.py_func(int(side), price, tick, digits or 0) == expected


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1e9) | st.integers(0, 10**9).map(float), st.integers(1, 500))
@pytest.mark.scenario("SC69")
def test_sizes_round_as_the_grid_rounds(qty: float, lot: int) -> None:
    assert ladder.floor_qty(qty, lot) == grid(1, lot, None).floor_qty(qty)
