from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from market_maker.config.signals import FairPriceConfig, FundingConfig, IntensityConfig
from market_maker.core.events import FundingUpdate, TradePrint
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.reasons import BookVerdict
from market_maker.core.side import Side
from market_maker.market.market_view import MarketView
from market_maker.signals.fair_price import FairPrice
from market_maker.signals.funding import Funding
from market_maker.signals.intensity import Intensity

ViewMaker = Callable[..., MarketView]
HOUR = 3600


def update(rate: float, interval_s: int, next_s: float, mark_price2: int = 30_000) -> FundingUpdate:
    return FundingUpdate(0, rate, interval_s, int(next_s * NANOS), mark_price2)


def funding(rate: float, interval_s: int, next_s: float, **config: float) -> Funding:
    subject = Funding(FundingConfig.model_validate(config), 0.01)
    subject.on_funding(update(rate, interval_s, next_s))
    return subject


@pytest.mark.parametrize("interval_h", [1, 4, 8])
@pytest.mark.scenario("SC59")
def test_rates_are_normalised_by_the_venues_own_interval(interval_h: int) -> None:
    reading = funding(1e-4 * interval_h, interval_h * HOUR, interval_h * HOUR).reading(0)
    assert reading.rate_per_hour == pytest.approx(1e-4)
    assert reading.seconds_to_payment == interval_h * HOUR


@pytest.mark.parametrize("horizon_s", [600.0, 1800.0, 1e5])
def test_carry_over_one_interval_sums_to_the_payment(horizon_s: float) -> None:
    subject = funding(1e-4, 8 * HOUR, 8 * HOUR, horizon_s=horizon_s)
    seconds = np.arange(0.5, 8 * HOUR, 1.0)
    total = sum(subject.reading(int(t * NANOS)).carry_price_per_s for t in seconds)
    assert total == pytest.approx(-150.0 * 1e-4, rel=1e-3)


@pytest.mark.scenario("SC59")
def test_longs_that_pay_are_pushed_down_and_more_so_shortly_before_the_payment() -> None:
    subject = funding(1e-4, 8 * HOUR, 8 * HOUR)
    early, late = (subject.reading(int(t * HOUR * NANOS)).carry_price_per_s for t in (1, 7.9))
    assert late < 10 * early < 0.0
    assert funding(-1e-4, 8 * HOUR, 8 * HOUR).reading(0).carry_price_per_s > 0.0


def test_without_a_payment_time_the_carry_is_even() -> None:
    reading = funding(1e-4, HOUR, 0).reading(123)
    assert reading.carry_price_per_s == pytest.approx(-150.0 * 1e-4 / HOUR)


def test_late_announcement_counts_on_to_the_next_payment() -> None:
    reading = funding(1e-4, HOUR, HOUR).reading(int(1.5 * HOUR * NANOS))
    assert reading.seconds_to_payment == pytest.approx(0.5 * HOUR)


def test_scales_grow_with_the_rate_and_stop_at_the_reference() -> None:
    scales = [funding(rate, HOUR, HOUR).reading(0) for rate in (0.0, 5e-5, 1e-4, 5e-3, -1e-4)]
    assert [s.skew_scale for s in scales] == pytest.approx([1.0, 1.25, 1.5, 1.5, 1.5])
    assert [s.max_position_scale for s in scales] == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.5])
    assert funding(0.5, HOUR, HOUR).reading(0).rate_per_hour == 0.01


@pytest.mark.parametrize(
    "bad", [update(math.nan, HOUR, 0), update(1e-4, 0, 0), update(1e-4, HOUR, 0, mark_price2=0)]
)
def test_impossible_funding_is_refused(bad: FundingUpdate) -> None:
    subject = Funding(FundingConfig(), 0.01)
    subject.on_funding(bad)
    assert subject.malformed == 1
    assert subject.reading(0).carry_price_per_s == 0.0


def test_heavy_bids_and_buyers_lift_fair_value(make_view: ViewMaker) -> None:
    subject = FairPrice(FairPriceConfig(), 0.01)
    view = make_view(1, 30_000, 75, 25)
    reading = subject.reading(view, 0.5, 0.0)
    wanted_bps = 0.3 * 0.5 + 0.2 * 0.5
    assert reading.offset_price == pytest.approx(150.0 * wanted_bps * 1e-4)
    assert reading.price == pytest.approx(150.0 + reading.offset_price)
    depth = FairPrice(FairPriceConfig(book="depth"), 0.01).reading(view, 0.5, 0.0)
    assert depth.book_imbalance == pytest.approx((150 - 75) / 225)


def test_fuse_caps_the_offset_and_counts(make_view: ViewMaker) -> None:
    subject = FairPrice(FairPriceConfig(b_book_bps=50.0, cap_bps=1.0), 0.01)
    for bid_qty, sign in ((99, 1.0), (1, -1.0)):
        reading = subject.reading(make_view(1, 30_000, bid_qty, 100 - bid_qty), 0.0, 0.0)
        assert reading.offset_price == pytest.approx(sign * 150.0 * 1e-4)
    assert subject.times_capped == 2


def test_fair_value_of_a_book_that_is_not_valid_is_its_mid(make_view: ViewMaker) -> None:
    view = make_view(1, 30_000, 0, 0, BookVerdict.ONE_SIDED)
    assert FairPrice(FairPriceConfig(), 0.01).reading(view, 1.0, 0.0).offset_price == 0.0


class Arrivals:
    """Market orders with a known intensity, told as prints."""

    def __init__(self, instrument: Instrument, **config: float) -> None:
        self.subject = Intensity(IntensityConfig.model_validate(config), instrument)
        self.subject.on_book(15_000, 15_001, 0)
        self.rng = np.random.default_rng(3)
        self.now_s = 1.0
        self.count = 0

    def run(self, orders: int, prints: int = 1) -> None:
        """Send market orders, each as a number of prints ever deeper."""
        for _ in range(orders):
            self.now_s += float(self.rng.exponential(0.5))
            deepest = int(self.rng.exponential(1.5))
            side = Side(int(self.rng.choice((1, -1), p=(0.75, 0.25))))
            best = 15_001 if side is Side.BUY else 15_000
            for i in range(prints):
                self.count += 1
                at = int(self.now_s * NANOS)
                price = best + side * (deepest * (i + 1) // prints)
                print_ = TradePrint(at, at, str(self.count), side, price, 1)
                self.subject.on_trade(print_, self.now_s)


def test_configured_intensity_rules_until_enough_orders_were_seen(instrument: Instrument) -> None:
    arrivals = Arrivals(instrument)
    arrivals.run(199)
    reading = arrivals.subject.reading()
    assert not reading.trusted
    bps = 1e4 / 150.005
    assert reading.k_per_price == reading.k_low_per_price == pytest.approx(1.0 * bps)
    assert reading.buy_a_per_s == reading.sell_a_per_s == 0.4
    arrivals.run(1)
    reading = arrivals.subject.reading()
    assert reading.trusted
    assert reading.market_orders == 200
    assert reading.k_low_per_price < reading.k_per_price < reading.k_high_per_price


def test_orders_that_stop_at_the_best_price_do_not_earn_trust(instrument: Instrument) -> None:
    subject = Intensity(IntensityConfig(), instrument)
    subject.on_book(15_000, 15_001, 0)
    for i in range(1, 1000):
        at = i * NANOS
        subject.on_trade(TradePrint(at, at, str(i), Side.BUY, 15_001, 1), float(i))
    assert subject.orders == 999
    assert not subject.reading().trusted


def test_interval_narrows_with_orders_and_a_follows_the_flow_that_meets_each_side(
    instrument: Instrument,
) -> None:
    arrivals = Arrivals(instrument)
    widths = []
    for _ in range(3):
        arrivals.run(800)
        reading = arrivals.subject.reading()
        widths.append((reading.k_high_per_price - reading.k_low_per_price) / reading.k_per_price)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] < 0.3
    # Three in four market orders buy: they meet our offers.
    assert reading.sell_a_per_s / reading.buy_a_per_s == pytest.approx(3.0, rel=0.25)
    # Whole ticks of a mean reach of 1.5: one further with probability exp(-1/1.5)
    assert reading.k_per_price == pytest.approx(100.0 / 1.5, rel=0.15)
    # Two orders a second in all, one tick behind the best with that probability.
    behind = (reading.sell_a_per_s + reading.buy_a_per_s) * math.exp(-reading.k_per_price * 0.015)
    assert behind == pytest.approx(2.0 * math.exp(-1 / 1.5), rel=0.1)


def test_prints_of_one_market_order_count_once(instrument: Instrument) -> None:
    one, many = Arrivals(instrument), Arrivals(instrument)
    one.run(400)
    many.run(400, prints=4)
    assert many.subject.orders == 400
    several, single = many.subject.reading(), one.subject.reading()
    assert single.trusted
    assert several.k_per_price == pytest.approx(single.k_per_price)
    assert several.buy_a_per_s == pytest.approx(single.buy_a_per_s)


def test_sweeps_are_measured_from_the_book_before_the_order(instrument: Instrument) -> None:
    readings = []
    for book_first in (False, True):
        subject = Intensity(IntensityConfig(min_orders=2, min_deep_orders=2), instrument)
        for i in range(50):
            at = (i + 1) * NANOS
            subject.on_book(15_000, 15_001, at - NANOS // 2)
            if book_first:
                subject.on_book(15_000, 15_005, at)
            subject.on_trade(TradePrint(at, at, str(i), Side.BUY, 15_004, 1), at / NANOS)
        subject.on_book(15_000, 15_001, 51 * NANOS)
        readings.append(subject.reading())
    assert readings[0].trusted
    assert readings[0] == readings[1]


def test_bounds_hold_and_no_book_teaches_nothing(instrument: Instrument) -> None:
    subject = Intensity(IntensityConfig(min_orders=2, min_deep_orders=2), instrument)
    subject.on_trade(TradePrint(1, 1, "x", Side.BUY, 15_000, 1), 0.0)
    assert subject.orders == 0
    subject.on_book(15_000, 15_001, 0)
    for i in range(500):
        at = NANOS + i
        subject.on_trade(TradePrint(at, at, str(i), Side.BUY, 15_002, 1), 1e-6 * i + 1.0)
    reading = subject.reading()
    assert reading.k_per_price == pytest.approx(5.0 * 1e4 / 150.005)
    assert reading.sell_a_per_s == 50.0
    assert reading.buy_a_per_s == 0.001
