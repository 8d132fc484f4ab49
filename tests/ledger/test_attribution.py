from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.risk import LedgerConfig
from market_maker.core.events import Fill, FundingPayment, Liquidity
from market_maker.core.instrument import MONEY_SCALE, NANOS, Instrument, InstrumentKind, Payoff
from market_maker.core.side import SIDES, Side
from market_maker.ledger.ledger import Ledger

USD = MONEY_SCALE


def _instrument(kind: InstrumentKind) -> Instrument:
    inverse = kind is InstrumentKind.INVERSE
    return Instrument(
        symbol="X",
        base="B",
        quote="USD",
        settle="B" if inverse else "USD",
        kind=kind,
        price_quantum=Decimal("0.5"),
        qty_quantum=Decimal(1) if inverse else Decimal("0.01"),
        contract_size=Decimal(100) if inverse else Decimal(1),
    )


def _ledger(kind: InstrumentKind = InstrumentKind.LINEAR, *, h: float = 5.0) -> Ledger:
    return Ledger(_instrument(kind), LedgerConfig(adverse_horizon_s=h), "mm", 1)


def _fill(n: int, now_ns: int, signed_qty: int, price: int, fee: int = 0) -> Fill:
    side = Side.BUY if signed_qty > 0 else Side.SELL
    return Fill(
        now_ns,
        now_ns,
        f"t{n}",
        "mm-1-1",
        "",
        side,
        price,
        abs(signed_qty),
        fee,
        Liquidity.MAKER,
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mid"), st.integers(190, 210), st.integers(0, 4 * NANOS)),
        st.tuples(st.just("fill"), st.integers(95, 105), st.integers(-9, 9).filter(bool)),
        st.tuples(st.just("fund"), st.integers(-(10**17), 10**17), st.just(0)),
        st.tuples(st.just("adopt"), st.integers(-20, 20), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(InstrumentKind), st.integers(-20, 20), STEPS)
@pytest.mark.scenario("SC73", "SC74", "INV5")
def test_parts_sum_to_equity_at_every_instant_for_every_payoff(
    kind: InstrumentKind, opening: int, steps: list[tuple[str, int, int]]
) -> None:
    ledger = _ledger(kind)
    payoff = Payoff(_instrument(kind))
    ledger.open_at(opening, (), 0)
    now_ns, mid2, cash, position = 0, 200, 0, opening
    ledger.on_mid(now_ns, mid2)
    for n, (what, a, b) in enumerate(steps):
        if what == "mid":
            now_ns += b
            mid2 = a
            ledger.on_mid(now_ns, mid2)
        elif what == "fill":
            ledger.apply(_fill(n, now_ns, b, a, fee=n * 10**12))
            cash -= payoff.value(b, 2 * a) + n * 10**12
            position += b
        elif what == "fund":
            ledger.apply(FundingPayment(now_ns, now_ns, f"f{n}", a))
            cash += a
        else:
            ledger.adopt_position(a)
            cash -= payoff.value(a - position, mid2)
            position = a
        equity = cash + payoff.value(position, mid2) - payoff.value(opening, 200)
        parts = ledger.pnl()
        assert ledger.position == position
        assert parts.total == ledger.equity_change == equity
        assert ledger.trading_pnl == equity - parts.external
        rest = parts.funding + parts.fees + parts.external
        assert ledger.realised + ledger.unrealised == equity - rest


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3000), st.integers(190, 210)), min_size=2, max_size=30),
    st.lists(st.tuples(st.integers(0, 28), st.integers(-5, 5).filter(bool)), max_size=12),
    st.integers(-5, 5),
)
def test_parts_equal_the_definitions_by_brute_force(
    moves: list[tuple[int, int]], fills: list[tuple[int, int]], opening: int
) -> None:
    """Each part against its formula with the whole path known (models.md, section 19)."""
    ledger = _ledger()
    payoff = Payoff(_instrument(InstrumentKind.LINEAR))
    ledger.open_at(opening, (), 0)
    path: list[tuple[int, int]] = []
    trades: list[tuple[int, int, int, int]] = []
    now_ns = 0
    for index, (dt_ms, mid2) in enumerate(moves):
        now_ns += dt_ms * 1_000_000
        ledger.on_mid(now_ns, mid2)
        path.append((now_ns, mid2))
        for n, (at, qty) in enumerate(fills):
            if at == index:
                price = mid2 // 2 - (1 if qty > 0 else -1)
                ledger.apply(_fill(100 * index + n, now_ns, qty, price))
                trades.append((now_ns, qty, price, mid2))
    end_mid2 = path[-1][1]

    def later(time_ns: int) -> int:
        return [mid2 for t, mid2 in path if t <= time_ns][-1]

    marks = [(q, m, later(min(t + 5 * NANOS, now_ns))) for t, q, _, m in trades]
    parts = ledger.pnl()
    assert parts.spread_capture == sum(
        payoff.value(q, m) - payoff.value(q, 2 * p) for _, q, p, m in trades
    )
    assert parts.adverse_selection == sum(
        payoff.value(q, h) - payoff.value(q, m) for q, m, h in marks
    )
    assert parts.inventory_carry == (
        payoff.value(opening, end_mid2)
        - payoff.value(opening, path[0][1])
        + sum(payoff.value(q, end_mid2) - payoff.value(q, h) for q, _, h in marks)
    )


def test_the_horizon_moves_money_between_adverse_selection_and_carry_only() -> None:
    short, long = _ledger(h=1.0), _ledger(h=60.0)
    for ledger in (short, long):
        ledger.on_mid(0, 200)
        ledger.apply(_fill(1, 0, 4, 99))
        for second in range(1, 10):
            ledger.on_mid(second * NANOS, 200 - second)
    a, b = short.pnl(), long.pnl()
    assert a.spread_capture == b.spread_capture
    assert a.total == b.total
    assert a.adverse_selection > b.adverse_selection
    assert b.inventory_carry == 0


def test_an_open_window_counts_its_mid_change_so_far_as_adverse() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, 100, 99))
    ledger.on_mid(NANOS, 198)
    parts = ledger.pnl()
    assert parts.spread_capture == USD // 2
    assert parts.adverse_selection == -USD // 2
    assert parts.inventory_carry == 0


def test_the_mid_at_the_deadline_itself_still_belongs_to_the_window() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, 100, 100))
    ledger.on_mid(5 * NANOS, 196)
    ledger.on_mid(5 * NANOS + 1, 190)
    parts = ledger.pnl()
    assert parts.adverse_selection == -USD
    assert parts.inventory_carry == -3 * USD // 2


@pytest.mark.scenario("SC63", "SC74")
def test_sc63_sc74_a_position_that_closes_keeps_its_loss() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, 100, 100))
    ledger.on_mid(NANOS, 180)
    assert ledger.unrealised == -5 * USD
    ledger.apply(_fill(2, NANOS, -100, 90))
    assert ledger.position == 0
    assert ledger.unrealised == 0
    assert ledger.realised == -5 * USD
    assert ledger.pnl().total == -5 * USD


@pytest.mark.scenario("SC73")
def test_sc73_a_short_at_the_mid_has_neither_gained_nor_lost() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, -100, 100))
    assert ledger.pnl().total == 0
    assert ledger.unrealised == 0


@pytest.mark.scenario("SC75")
def test_sc75_funding_is_a_part_and_each_payment_counts_once() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    payment = FundingPayment(0, 0, "f1", -3 * USD)
    ledger.apply(payment)
    ledger.apply(payment)
    assert ledger.pnl().funding == -3 * USD
    assert ledger.equity_change == -3 * USD


@pytest.mark.scenario("SC78")
def test_sc78_a_fill_through_zero_realises_the_first_leg_and_opens_the_second() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, 100, 100))
    ledger.apply(_fill(2, 0, -300, 104))
    assert ledger.position == -200
    assert ledger.realised == 2 * USD
    assert ledger.unrealised == 4 * USD
    assert ledger.pnl().total == 6 * USD


def test_an_inverse_contract_earns_in_base_when_the_price_rises() -> None:
    ledger = _ledger(InstrumentKind.INVERSE)
    ledger.on_mid(0, 200)
    ledger.apply(_fill(1, 0, 10, 100))
    ledger.on_mid(NANOS, 400)
    # 10 contracts of 100 USD from 50 to 100: 1000/50 - 1000/100 = 10 base.
    assert ledger.equity_change == 10 * MONEY_SCALE


def test_a_fill_before_the_first_mid_is_valued_at_its_own_price() -> None:
    ledger = _ledger()
    ledger.apply(_fill(1, 0, 10, 100))
    assert ledger.pnl().total == 0
    assert ledger.mid2 == 200


def test_markouts_equal_their_definition_and_are_missing_before_the_horizon() -> None:
    ledger = _ledger()
    ledger.on_mid(0, 20_000)
    ledger.apply(_fill(1, 0, 100, 9_999))
    ledger.on_mid(NANOS // 2, 19_990)
    assert [c.horizon_ns for c in ledger.drain_markouts()] == [NANOS // 4]
    ledger.on_mid(2 * NANOS, 20_010)
    (closed,) = ledger.drain_markouts()
    assert closed.horizon_ns == NANOS
    assert closed.markout_bps == pytest.approx(1e4 * (19_990 - 19_998) / 20_000)
    assert closed.adverse_bps == pytest.approx(-5.0)
    readings = {(m.side, m.horizon_ns): m for m in ledger.markouts()}
    assert readings[Side.BUY, NANOS // 4].mean_bps == pytest.approx(1.0)
    assert readings[Side.BUY, NANOS].n == 1
    assert readings[Side.BUY, NANOS].standard_error_bps is None
    assert readings[Side.BUY, 5 * NANOS].mean_bps is None
    assert readings[Side.SELL, NANOS].n == 0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 1500),
            st.integers(19_900, 20_100),
            st.one_of(st.none(), st.integers(-9, 9).filter(bool)),
        ),
        min_size=3,
        max_size=40,
    )
)
def test_markout_means_and_errors_equal_a_plain_twin(
    steps: list[tuple[int, int, int | None]],
) -> None:
    ledger = _ledger()
    path: list[tuple[int, int]] = []
    trades: list[tuple[int, int, int, int]] = []
    now_ns = 0
    for n, (dt_ms, mid2, qty) in enumerate(steps):
        now_ns += dt_ms * 1_000_000
        ledger.on_mid(now_ns, mid2)
        path.append((now_ns, mid2))
        if qty is not None:
            price = mid2 // 2 - (2 if qty > 0 else -2)
            ledger.apply(_fill(n, now_ns, qty, price))
            trades.append((now_ns, qty, price, mid2))
    for reading in ledger.markouts():
        rows = [
            (t // reading.horizon_ns, abs(q) * p, 1e4 * reading.side * (mark - 2 * p) / m)
            for t, q, p, m in trades
            if (q > 0) is (reading.side is Side.BUY) and t + reading.horizon_ns < now_ns
            for mark in [[x for at, x in path if at <= t + reading.horizon_ns][-1]]
        ]
        assert reading.n == len(rows)
        if not rows:
            continue
        weight = sum(w for _, w, _ in rows)
        mean = sum(w * m for _, w, m in rows) / weight
        assert reading.mean_bps == pytest.approx(mean, abs=1e-9)
        blocks = sorted({block for block, _, _ in rows})
        if len(blocks) < 2:
            assert reading.standard_error_bps is None
            continue
        scores = [sum(w * (m - mean) for b, w, m in rows if b == block) for block in blocks]
        factor = len(blocks) / (len(blocks) - 1)
        error = math.sqrt(sum(score**2 for score in scores) * factor) / weight
        assert reading.standard_error_bps == pytest.approx(error, abs=1e-6)


def test_readings_cover_both_sides_and_all_horizons_in_order() -> None:
    readings = _ledger().markouts()
    assert [m.side for m in readings] == [side for side in SIDES for _ in range(5)]
    horizons = [m.horizon_ns for m in readings[:5]]
    assert all(a < b for a, b in pairwise(horizons))


def test_s17_a_late_fill_never_turns_the_clock_of_the_windows_back() -> None:
    ledger = _ledger()
    ledger.on_mid(10 * NANOS, 200)
    ledger.apply(_fill(1, 2 * NANOS, 100, 100))
    ledger.on_mid(15 * NANOS, 198)
    ledger.on_mid(15 * NANOS + 1, 190)
    assert ledger.pnl().adverse_selection == -USD // 2
    assert ledger.pnl().inventory_carry == -2 * USD


def test_funding_older_than_the_memory_is_refused_not_guessed() -> None:
    ledger = _ledger()
    ledger.fills_pulled(8_000 * NANOS)
    ledger.apply(FundingPayment(NANOS, NANOS, "f1", USD))
    assert ledger.pnl().funding == 0
