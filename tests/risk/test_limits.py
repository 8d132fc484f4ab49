from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.instrument import MONEY_SCALE, Instrument, InstrumentKind
from market_maker.core.readings import InventoryReading
from market_maker.core.reasons import Refusal, Zone
from market_maker.risk.inventory import MAX_RATIO, InventoryZones, inventory_ratio
from market_maker.risk.limits import (
    Account,
    LimitRules,
    Limits,
)

USD = MONEY_SCALE


def _instrument(kind: InstrumentKind = InstrumentKind.LINEAR, *, lot: int = 1) -> Instrument:
    inverse = kind is InstrumentKind.INVERSE
    return Instrument(
        symbol="X",
        base="SOL",
        quote="USD",
        settle="SOL" if inverse else "USD",
        kind=kind,
        price_quantum=Decimal("0.01"),
        qty_quantum=Decimal(1) if inverse else Decimal("0.01"),
        lot=lot,
        max_leverage=Decimal(3),
        maintenance_margin_rate=Decimal("0.01"),
    )


def _account(equity: int = 10_000, other_margin: int = 0) -> Account:
    return Account(10_000 * USD, equity * USD, other_margin * USD)


def _limits(config: RiskConfig, account: Account, **kwargs: object) -> Limits:
    kind = kwargs.get("kind", InstrumentKind.LINEAR)
    assert isinstance(kind, InstrumentKind)
    return LimitRules(config, _instrument(kind)).evaluate(30_000, account, 1.0, 1.0)


def test_the_defaults_cap_a_10000_account_at_1000() -> None:
    limits = _limits(RiskConfig(), _account())
    # 1,000 USD at 150 USD a coin is 6.66 coins: 666 quanta.
    assert (limits.long, limits.short) == (666, 666)
    assert limits.long_reason is Refusal.MAX_NOTIONAL


@pytest.mark.scenario("SC47")
def test_x06_the_tightest_limit_binds_and_is_named() -> None:
    loose = {"max_position_notional_quote": Decimal(1_000_000), "capital_share": 50.0}
    assert (
        _limits(RiskConfig(max_position_qty=Decimal("2.5")), _account()).long_reason
        is Refusal.MAX_POSITION
    )
    assert _limits(RiskConfig(max_position_qty=Decimal("2.5")), _account()).long == 250
    share = _limits(
        RiskConfig(max_position_notional_quote=Decimal(1_000_000), capital_share=0.05), _account()
    )
    assert (share.long, share.long_reason) == (333, Refusal.CAPITAL_SHARE)
    margin = _limits(
        RiskConfig.model_validate(loose | {"max_margin_utilisation": 0.01}), _account()
    )
    # 1 % of 10,000 at 3x is 300 USD of position.
    assert (margin.long, margin.long_reason) == (200, Refusal.MARGIN)
    distance = _limits(
        RiskConfig.model_validate(loose | {"min_liquidation_distance_bps": 9000.0}), _account()
    )
    assert distance.long_reason is Refusal.LIQUIDATION


def test_k09_margin_of_other_markets_and_lower_equity_tighten_the_limit() -> None:
    config = RiskConfig(max_position_notional_quote=Decimal(1_000_000), capital_share=50.0)
    free = _limits(config, _account()).long
    assert _limits(config, _account(other_margin=2_500)).long < free
    assert _limits(config, _account(equity=5_000)).long < free
    assert _limits(config, _account(other_margin=6_000)).long == 0
    assert _limits(config, _account(equity=-1)).long == 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([InstrumentKind.LINEAR, InstrumentKind.INVERSE]),
    st.floats(50, 5000),
    st.integers(100, 20_000),
)
def test_a_position_at_the_limit_survives_the_stress_and_not_much_more(
    kind: InstrumentKind, distance_bps: float, equity: int
) -> None:
    """Maintenance against equity at the stressed price, by the plain formula."""
    config = RiskConfig(
        max_position_notional_quote=Decimal(10**12),
        capital_share=100.0,
        max_margin_utilisation=1.0,
        min_liquidation_distance_bps=distance_bps,
    )
    account = Account(10**30, equity * USD, 0)
    limits = LimitRules(config, _instrument(kind)).evaluate(30_000, account, 1.0, 1.0)
    per = 0.01 if kind is InstrumentKind.LINEAR else 1.0

    def ratio(qty: int, price: float) -> float:
        if kind is InstrumentKind.LINEAR:
            left = equity + qty * per * (price - 150.0)
            need = 0.01 * abs(qty) * per * price
        else:
            left = equity - qty * per * (1 / price - 1 / 150.0)
            need = 0.01 * abs(qty) * per / price
        return left / need

    for qty, reason, sign in (
        (limits.long, limits.long_reason, -1),
        (-limits.short, limits.short_reason, 1),
    ):
        stressed = 150.0 * (1 + sign * distance_bps / 1e4)
        assert ratio(qty, stressed) > 0.99
        if reason is Refusal.LIQUIDATION and abs(qty) > 1000:
            assert ratio(int(qty * 1.02), stressed) < 1.0


def test_an_inverse_market_is_capped_in_quote_and_in_settlement_terms() -> None:
    config = RiskConfig(max_position_notional_quote=Decimal(500))
    account = Account(100 * USD, 100 * USD, 0)
    limits = LimitRules(config, _instrument(InstrumentKind.INVERSE)).evaluate(
        30_000, account, 1.0, 1.0
    )
    # 500 contracts of 1 USD; 10 % of 100 SOL would be 1500.
    assert (limits.long, limits.long_reason) == (500, Refusal.MAX_NOTIONAL)


def test_spot_cannot_be_short_and_is_paid_in_full() -> None:
    config = RiskConfig(max_position_notional_quote=Decimal(1_000_000), capital_share=50.0)
    limits = _limits(config, _account(equity=300), kind=InstrumentKind.SPOT)
    assert (limits.long, limits.short) == (200, 0)


@given(st.integers(1, 50), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@pytest.mark.scenario("SC69", "SC76")
def test_sc69_limits_are_multiples_of_the_lot_and_scales_tighten_one_side(
    lot: int, long_scale: float, short_scale: float
) -> None:
    rules = LimitRules(RiskConfig(), _instrument(lot=lot))
    limits = rules.evaluate(30_000, _account(), long_scale, short_scale)
    assert limits.long % lot == limits.short % lot == limits.hard_long % lot == 0
    assert limits.long <= limits.hard_long * long_scale
    assert limits.long > limits.hard_long * long_scale - lot
    assert limits.short <= limits.hard_short * short_scale
    assert limits.hard_long == limits.hard_short == 666 - 666 % lot


HUNDRED = Limits(100, 100, 100, 100, Refusal.MAX_NOTIONAL, Refusal.MAX_NOTIONAL)


def _reading(position: int, zones: InventoryZones | None = None) -> InventoryReading:
    zones = zones or InventoryZones(RiskConfig())
    return zones.reading(position, HUNDRED)


@pytest.mark.parametrize(
    ("position", "zone", "buy_scale", "sell_scale"),
    [
        (0, Zone.GREEN, 1.0, 1.0),
        (29, Zone.GREEN, 1.0, 1.0),
        (30, Zone.YELLOW, 0.5, 1.0),
        (-30, Zone.YELLOW, 1.0, 0.5),
        (70, Zone.RED, 0.0, 1.0),
        (-100, Zone.RED, 1.0, 0.0),
        (101, Zone.OVER, 0.0, 1.0),
    ],
)
def test_i02_zones_slow_building_and_then_only_reduce(
    position: int, zone: Zone, buy_scale: float, sell_scale: float
) -> None:
    reading = _reading(position)
    assert reading.zone is zone
    assert (reading.buy_size_scale, reading.sell_size_scale) == (buy_scale, sell_scale)
    assert (reading.buy_headroom == 0) is (buy_scale == 0.0)
    assert (reading.sell_headroom == 0) is (sell_scale == 0.0)


def test_headroom_is_what_a_side_may_rest_in_total() -> None:
    zones = InventoryZones(RiskConfig())
    reading = zones.reading(10, HUNDRED)
    assert (reading.buy_headroom, reading.sell_headroom) == (90, 110)
    assert reading.ratio == pytest.approx(0.1)
    assert zones.reading(160, HUNDRED).buy_headroom == 0


def test_a_zone_is_entered_at_once_and_left_with_a_margin() -> None:
    zones = InventoryZones(RiskConfig())
    walk = [69, 70, 69, 68, 67, 66, 30, 29, 27, 26]
    seen = [_reading(position, zones).zone for position in walk]
    assert seen == [
        Zone.YELLOW,
        Zone.RED,
        Zone.RED,
        Zone.RED,
        Zone.RED,
        Zone.YELLOW,
        Zone.YELLOW,
        Zone.YELLOW,
        Zone.YELLOW,
        Zone.GREEN,
    ]


def test_i07_a_limit_tightened_by_funding_only_reduces_and_is_no_emergency() -> None:
    tight = Limits(50, 100, 100, 100, Refusal.MAX_NOTIONAL, Refusal.MAX_NOTIONAL)
    reading = InventoryZones(RiskConfig()).reading(60, tight)
    assert reading.zone is Zone.RED
    assert reading.ratio == pytest.approx(1.2)
    assert reading.limit == 50


@given(st.integers(-(10**9), 10**9), st.integers(-5, 10**9))
def test_ratios_are_always_finite_and_carry_the_sign(position: int, limit: int) -> None:
    ratio = inventory_ratio(position, limit)
    assert abs(ratio) <= MAX_RATIO
    assert ratio * position >= 0


@pytest.mark.parametrize(
    "bad",
    [
        {"yellow_ratio": 0.8},
        {"zone_hysteresis": 0.15, "yellow_ratio": 0.1},
        {"error_kill_count": 1},
        {"unknown_kill_count": 1},
        {"min_order_notional_quote": 5000},
        {"capital_share": 0},
        {"nonsense": 1},
    ],
)
def test_contradicting_risk_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="RiskConfig"):
        RiskConfig.model_validate(bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"markout_horizons_s": [1.0, 1.0]},
        {"markout_horizons_s": [0.0, 1.0]},
        {"closed_order_retention_s": 5.0},
        {"absent_misses": 0},
    ],
)
def test_contradicting_ledger_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="LedgerConfig"):
        LedgerConfig.model_validate(bad)
