"""What a paper account is charged and granted, out of the market's rules and the user's settings.

Owns the order of precedence (settings, the market, an unkind default) and the words in which a run
says what it took for granted. Refuses to fill anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from market_maker.config.paper import PaperConfig
from market_maker.config.simulated import LatencyConfig
from market_maker.core.instrument import Instrument
from market_maker.kernels.fill_setup import FillTerms

_BPS: Final = Decimal(10_000)
UNKNOWN_MAKER_BPS: Final = Decimal(2)
UNKNOWN_TAKER_BPS: Final = Decimal("5.5")


def paper_instrument(instrument: Instrument, config: PaperConfig) -> Instrument:
    """The market's rules with the fees and the leverage of the paper account."""
    return msgspec.structs.replace(
        instrument,
        maker_fee_rate=_fee(config.maker_fee_bps, instrument.maker_fee_rate, UNKNOWN_MAKER_BPS),
        taker_fee_rate=_fee(config.taker_fee_bps, instrument.taker_fee_rate, UNKNOWN_TAKER_BPS),
        max_leverage=config.leverage or instrument.max_leverage,
    )


def terms_of(config: PaperConfig, instrument: Instrument) -> FillTerms:
    """The fill engine's terms; `instrument` is that of `paper_instrument`."""
    return FillTerms(
        capital=config.capital,
        queue_exponent=config.queue_exponent,
        place=config.place_latency,
        amend=config.amend_latency,
        cancel=config.cancel_latency,
        response=config.response_latency,
        stream=config.stream_latency,
        feed=config.feed_latency,
        order_rate_per_s=config.order_rate_per_s,
        order_burst=config.order_burst,
        cancel_rate_per_s=config.cancel_rate_per_s,
        cancel_burst=config.cancel_burst,
        leverage=instrument.max_leverage,
        liquidation_fee_rate=config.liquidation_fee_rate,
        price_band=config.price_band,
        max_open_orders=config.max_open_orders,
        reorder_ms=config.reorder_ms,
    )


def assumptions(config: PaperConfig, instrument: Instrument) -> tuple[tuple[str, str], ...]:
    """What a run takes for granted, each with its unit and where it is from."""
    maker = _origin(config.maker_fee_bps, instrument.maker_fee_rate)
    taker = _origin(config.taker_fee_bps, instrument.taker_fee_rate)
    used = paper_instrument(instrument, config)
    return (
        ("maker fee", f"{_bps(used.maker_fee_rate)} bps ({maker})"),
        ("taker fee", f"{_bps(used.taker_fee_rate)} bps ({taker})"),
        ("capital", f"{config.capital:f} {instrument.settle}"),
        ("leverage", f"{used.max_leverage:f}"),
        ("order latency", _delay(config.place_latency)),
        ("amend latency", _delay(config.amend_latency)),
        ("cancel latency", _delay(config.cancel_latency)),
        ("response latency", _delay(config.response_latency)),
        ("own stream latency", _delay(config.stream_latency)),
        ("age of market data", _delay(config.feed_latency)),
        ("queue model", f"power, n = {config.queue_exponent:g}"),
    )


def _fee(own: Decimal | None, market: Decimal | None, unknown_bps: Decimal) -> Decimal:
    if own is not None:
        return own / _BPS
    return unknown_bps / _BPS if market is None else market


def _origin(own: Decimal | None, market: Decimal | None) -> str:
    if own is not None:
        return "settings"
    return "unknown, assumed" if market is None else "the market's"


def _bps(rate: Decimal | None) -> str:
    return "?" if rate is None else f"{(rate * _BPS).normalize():f}"


def _delay(latency: LatencyConfig) -> str:
    return f"{latency.floor_ms:g} ms and a log-normal tail, median {latency.tail_median_ms:g} ms"
