from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.events import TradePrint
from market_maker.core.instrument import NANOS
from market_maker.core.side import Side
from market_maker.market.trade_tape import TradeTape

Print = tuple[int, Side, int]
prints = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(list(Side)), st.integers(1, 1000)), max_size=30
)


@given(prints)
@settings(max_examples=100, deadline=None)
def test_volumes_equal_the_decayed_sums(steps: list[Print]) -> None:
    tape = TradeTape(10, window_s=60.0)
    now_ns = 0
    trades: list[tuple[int, Side, int]] = []
    for i, (wait_s, side, qty) in enumerate(steps):
        now_ns += wait_s * NANOS
        assert tape.add(TradePrint(now_ns, 0, str(i), side, 100, qty))
        trades.append((now_ns, side, qty))
    now_ns += 7 * NANOS
    wanted = [
        sum(q * math.exp(-(now_ns - t) / (30.0 * NANOS)) for t, s, q in trades if s is side)
        for side in (Side.BUY, Side.SELL)
    ]
    assert tape.volumes(now_ns) == pytest.approx(wanted)


def test_trade_sent_again_counts_once() -> None:
    tape = TradeTape(10, 60.0)
    trade = TradePrint(1, 1, "x", Side.SELL, 100, 5)
    assert tape.add(trade)
    assert not tape.add(trade)
    assert tape.volumes(1) == (0.0, 5.0)
    assert (tape.duplicates, tape.last) == (1, trade)


@pytest.mark.parametrize(("price", "qty"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_malformed_trade_is_refused(price: int, qty: int) -> None:
    tape = TradeTape(10, 60.0)
    assert not tape.add(TradePrint(1, 1, "x", Side.BUY, price, qty))
    assert (tape.malformed, tape.last) == (1, None)
