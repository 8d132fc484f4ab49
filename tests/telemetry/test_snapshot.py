from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.core.reasons import BotState
from market_maker.telemetry.snapshot import (
    PNL_PARTS,
    LimitUse,
    Status,
    decode,
    encode,
    pnl_of,
    process_state,
)

MONEY = st.decimals(-(10**9), 10**9, places=18, allow_nan=False)


def test_a_status_survives_the_way_through_json(status: Status) -> None:
    assert decode(encode(status)) == status
    assert msgspec.convert(json.loads(encode(status)), Status) == status


def test_one_status_is_one_line(status: Status) -> None:
    assert b"\n" not in encode(status)


def test_breakdowns_of_the_sample_sum_to_the_distance_from_mid(status: Status) -> None:
    for market in status.markets.values():
        assert market.book is not None
        for level in market.levels:
            assert level.target_price is not None
            distance = level.target_price - market.book.mid_price
            assert sum(level.breakdown.values()) == distance


@given(parts=st.tuples(*[MONEY] * len(PNL_PARTS)))
def test_the_total_is_exactly_the_sum_of_the_parts(parts: tuple[Decimal, ...]) -> None:
    pnl = pnl_of(**dict(zip(PNL_PARTS, parts, strict=True)))
    assert pnl.total == sum(pnl.parts().values())
    assert tuple(pnl.parts()) == PNL_PARTS


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ((), BotState.STARTING),
        ((BotState.QUOTING, BotState.QUOTING), BotState.QUOTING),
        ((BotState.QUOTING, BotState.HALTED), BotState.HALTED),
        ((BotState.KILLED, BotState.HALTED), BotState.KILLED),
        ((BotState.STOPPING, BotState.KILLED), BotState.STOPPING),
    ],
)
def test_the_process_shows_its_least_healthy_market(
    status: Status, states: tuple[BotState, ...], shown: BotState
) -> None:
    (sample,) = status.markets.values()
    markets = {
        str(number): msgspec.structs.replace(sample, state=state)
        for number, state in enumerate(states)
    }
    assert process_state(markets) is shown


def test_a_limit_of_zero_is_always_used_up() -> None:
    assert LimitUse(limit=0.0, used=0.0).ratio == 1.0
    assert LimitUse(limit=4.0, used=1.0).ratio == 0.25
