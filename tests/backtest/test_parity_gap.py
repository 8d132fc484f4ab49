"""A gap's parts sum to it exactly, turn with the sessions, and name the cause that was planted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sessions import BEGAN_NS, MID2
from order_reports import SOL
from paired_sessions import FEE, MID, PAYOFF, Made, Mids, compared, session_of

from market_maker.backtest.parity.comparable import common_period
from market_maker.backtest.parity.fill_match import match_fills
from market_maker.backtest.parity.gap import CAUSES, trading_gain
from market_maker.backtest.parity.order_match import match_orders
from market_maker.backtest.parity.parity import Compared, Verdict
from market_maker.backtest.session import Session
from market_maker.core.instrument import MONEY_SCALE, NANOS

UNIT = PAYOFF.value(1, 2)  # what one quantum is worth per quantum of price
FILLS = (
    Made(5.0, 1, MID - 2, 100, 1),
    Made(12.0, -1, MID + 3, 60, 2),
    Made(13.0, -1, MID + 3, 40, 2),
    Made(30.0, 1, MID - 1, 70, 3, level=1),
)
MOVING: Mids = ((0.0, MID2), (8.0, MID2 + 6), (20.0, MID2 - 4), (40.0, MID2 + 10))


def parts_of(result: Compared) -> dict[str, int]:
    """Parts that are not zero, as money."""
    return {
        name: int(part.exact * MONEY_SCALE)
        for name, part in result.parity.parts.items()
        if part.exact
    }


def _with(row: int, **changes: object) -> tuple[Made, ...]:
    fills = list(FILLS)
    fills[row] = fills[row]._replace(**changes)  # type: ignore[arg-type] # tests change single fields
    return tuple(fills)


made_fills = st.lists(
    st.builds(
        Made,
        second=st.integers(1, 590).map(lambda tenth: tenth / 10),
        side=st.just(1),
        price=st.integers(MID - 20, MID + 20),
        qty=st.integers(1, 50),
        order=st.integers(-1, 8),
        fee=st.integers(-(10**15), 10**15),
        sent=st.none(),
    ),
    max_size=12,
)
made_mids = st.lists(st.integers(MID2 - 50, MID2 + 50), min_size=1, max_size=6)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Any session: an order's fills are on one side and level."""
    fills = [
        fill._replace(side=1 if fill.order % 2 else -1, level=max(fill.order, 0) % 3)
        for fill in draw(made_fills)
    ]
    moves = draw(made_mids)
    return session_of(
        fills,
        [(float(i * 9), mid2) for i, mid2 in enumerate(moves)],
        opening=draw(st.integers(-100, 100)),
        funding=[(float(draw(st.integers(1, 59))), draw(st.integers(-(10**18), 10**18)))],
        epoch=draw(st.integers(1, 2)),
    )


@given(sessions(), sessions())
@settings(max_examples=60, deadline=None)
def test_parts_sum_exactly_and_turn_with_the_sessions(left: Session, right: Session) -> None:
    there, back = compared(left, right), compared(right, left)
    period = common_period(left, right)
    gap = trading_gain(right, period) - trading_gain(left, period)
    parts, turned = there.parity.parts, back.parity.parts
    assert sum(part.exact for part in parts.values()) * MONEY_SCALE == gap
    assert there.parity.gap.exact * MONEY_SCALE == gap
    mirror = {"missed_fills": "extra_fills", "extra_fills": "missed_fills"}
    for name in CAUSES:
        assert turned[mirror.get(name, name)].exact == -parts[name].exact
    assert there.path.sums.sum() == pytest.approx(gap / MONEY_SCALE, abs=1e-9)


@given(sessions(), sessions())
@settings(max_examples=40, deadline=None)
def test_every_quantum_lies_in_one_piece(left: Session, right: Session) -> None:
    period = common_period(left, right)
    partner = match_orders(left, right, period, NANOS)
    named = partner[partner >= 0].tolist()
    assert len(set(named)) == len(named)
    pieces = match_fills(left.fills, right.fills, partner, period, NANOS)
    for side, session in (("left", left), ("right", right)):
        for row in range(len(session.fills.qty)):
            own = [piece for piece in pieces if getattr(piece, side) == row]
            qty = int(session.fills.qty[row]) if session.fills.order[row] >= 0 else 0
            spans = sorted(
                (getattr(p, f"{side}_from"), getattr(p, f"{side}_from") + p.qty) for p in own
            )
            assert sum(end - begin for begin, end in spans) == qty
            assert [begin for begin, _ in spans] == ([0] + [end for _, end in spans])[: len(spans)]
    for piece in pieces:
        if piece.left >= 0 and piece.right >= 0:
            assert left.fills.side[piece.left] == right.fills.side[piece.right]


@given(sessions())
@settings(max_examples=25, deadline=None)
def test_a_session_is_identical_to_itself(session: Session) -> None:
    parity = compared(session, session, exact=True).parity
    assert parity.verdict is Verdict.IDENTICAL
    assert parity.divergence is None
    assert parity.matched.unmatched == 0.0


def test_a_missed_fill_is_found_as_missed_with_its_fee() -> None:
    result = compared(session_of(FILLS, MOVING), session_of(FILLS[1:], MOVING))
    # Bought two below a mid that is three higher when its five seconds are over; later moves are carried.
    own = 100 * 5 * UNIT - FEE
    carried = 100 * 2 * UNIT
    assert parts_of(result) == {"missed_fills": -own, "inventory_carry": -carried}
    assert [pair.cause for pair in result.parity.pairs] == ["missed", *["matched"] * 3]


def test_an_extra_fill_is_found_as_extra() -> None:
    flat: Mids = ((0.0, MID2),)
    extra = (*FILLS, Made(50.0, -1, MID + 4, 30, 9))
    result = compared(session_of(FILLS, flat), session_of(extra, flat))
    assert parts_of(result) == {"extra_fills": 30 * 4 * UNIT - FEE}


def test_another_price_at_the_same_mid_is_price() -> None:
    result = compared(session_of(FILLS, MOVING), session_of(_with(0, price=MID - 1), MOVING))
    assert parts_of(result) == {"price": -100 * UNIT}


def test_a_price_that_moved_with_the_mid_is_latency() -> None:
    late = _with(0, second=8.5, sent=4.0, price=MID + 1)
    result = compared(session_of(FILLS, MOVING), session_of(late, MOVING))
    assert parts_of(result) == {"latency": -100 * 3 * UNIT}
    assert result.parity.delay is not None
    assert result.parity.delay.p90 > 1000


@pytest.mark.parametrize(
    ("price", "latency", "rest"), [(MID, -2, 0), (MID - 3, 0, 1), (MID + 4, -3, -3)]
)
def test_latency_is_at_most_what_the_mid_explains_of_a_price(
    price: int, latency: int, rest: int
) -> None:
    late = _with(0, second=8.5, sent=4.0, price=price)
    parts = parts_of(compared(session_of(FILLS, MOVING), session_of(late, MOVING)))
    expected = {"price": 100 * rest * UNIT, "latency": 100 * latency * UNIT}
    assert parts == {name: amount for name, amount in expected.items() if amount}


def test_the_same_price_later_costs_nothing() -> None:
    late = _with(0, second=8.5, sent=4.0)
    result = compared(session_of(FILLS, MOVING), session_of(late, MOVING))
    assert parts_of(result) == {}
    assert result.parity.verdict is Verdict.WITHIN


def test_another_fee_is_fees() -> None:
    result = compared(session_of(FILLS, MOVING), session_of(_with(2, fee=3 * FEE), MOVING))
    assert parts_of(result) == {"fees": -2 * FEE}


def test_funding_is_funding() -> None:
    left = session_of(FILLS, MOVING, funding=((7.0, 50),))
    right = session_of(FILLS, MOVING, funding=((7.0, 20),))
    assert parts_of(compared(left, right)) == {"funding": -30}


def test_a_position_from_before_is_inventory_carry() -> None:
    result = compared(session_of(FILLS, MOVING), session_of(FILLS, MOVING, opening=10))
    assert parts_of(result) == {"inventory_carry": 10 * 5 * UNIT}


def test_a_partial_fill_misses_only_the_rest() -> None:
    flat: Mids = ((0.0, MID2),)
    result = compared(session_of(FILLS, flat), session_of(_with(0, qty=30), flat))
    parity = result.parity
    share = FEE - FEE * 30 // 100
    assert parts_of(result) == {
        "missed_fills": -(70 * 2 * UNIT - share),
        "fees": FEE * 30 // 100 - FEE,
    }
    assert float(parity.matched.missed) == pytest.approx(70 * float(SOL.qty_quantum))


def test_only_the_common_time_counts() -> None:
    whole = session_of(FILLS, MOVING, seconds=60)
    late = session_of(FILLS[1:], MOVING, began_s=10.0, seconds=50, opening=100)
    result = compared(whole, late)
    assert result.parity.period.begin_ns == BEGAN_NS + 10 * NANOS
    assert parts_of(result) == {}
    assert (result.parity.left.fills, result.parity.right.fills) == (3, 3)


def test_the_same_id_far_apart_is_chance() -> None:
    """Sessions in virtual time begin at one moment, and number alike."""
    far = Made(25.0, 1, MID - 2, 100, 1)
    parity = compared(session_of(FILLS[:1]), session_of([far])).parity
    assert [pair.cause for pair in parity.pairs] == ["missed", "extra"]


def _sessions_of_one_fill(other: Sequence[Made]) -> Compared:
    return compared(session_of(FILLS[:1], epoch=1), session_of(other, epoch=2))


@pytest.mark.parametrize(
    ("fill", "cause"),
    [
        (Made(9.0, 1, MID - 2, 100, 7), "missed"),
        (Made(5.5, 1, MID - 2, 100, 7), "matched"),
        (Made(5.5, 1, MID - 2, 100, 7, level=1), "matched"),
        (Made(5.5, -1, MID - 2, 100, 7), "missed"),
        (Made(9.0, 1, MID - 2, 100, 1), "missed"),
    ],
)
def test_without_common_ids_what_rested_together_or_filled_nearby_is_the_same(
    fill: Made, cause: str
) -> None:
    assert _sessions_of_one_fill([fill]).parity.pairs[0].cause == cause
