"""Settings that are valid one by one and together can never quote.

Owns the comparisons between sections: sizes with minimums, ladders with limits, floors with bands.
Refuses to know files and markets; what holds for one venue only is compared when it is that venue's run.

Always holds: a finding names both keys and what to do, and settings without one can place a full ladder on
either side of a flat position (as far as settings alone can tell: prices, steps and fees may still forbid it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from market_maker.config.keys import KeyPath
from market_maker.config.options import Mode
from market_maker.config.problems import dotted
from market_maker.config.schema import Settings

_SIZE: KeyPath = ("quoting", "ladder", "order_size_quote")
_LEVELS: KeyPath = ("quoting", "ladder", "levels")
_MIN_SIZE: KeyPath = ("quoting", "ladder", "min_size_quote")
_MAX_FLOOR: KeyPath = ("quoting", "ladder", "max_floor_bps")
_MARGIN: KeyPath = ("quoting", "ladder", "margin_bps")
_PRIOR: KeyPath = ("quoting", "ladder", "adverse_prior_bps")
_CAPITAL: KeyPath = ("account", "capital_quote")
_MAX_POSITION: KeyPath = ("risk", "max_position_notional_quote")
_SHARE: KeyPath = ("risk", "capital_share")
_UTILISATION: KeyPath = ("risk", "max_margin_utilisation")
_LEVERAGE: KeyPath = ("venue", "simulated", "leverage")
_MIN_ORDER: KeyPath = ("risk", "min_order_notional_quote")
_MAX_ORDER: KeyPath = ("risk", "max_order_notional_quote")
_BAND: KeyPath = ("risk", "price_band_bps")
_VENUE_MINIMUM: KeyPath = ("venue", "simulated", "min_notional")
_VENUE_ORDERS: KeyPath = ("venue", "simulated", "max_open_orders")


class Contradiction(msgspec.Struct, frozen=True):
    """Keys that exclude each other, the one to change first, and a sentence that says what to do."""

    keys: tuple[KeyPath, ...]
    message: str


def contradictions(settings: Settings, mode: Mode) -> tuple[Contradiction, ...]:
    """Everything that keeps these settings, of one market, from quoting."""
    found = [*_sizes(settings, mode), *_position(settings, mode), *_distance(settings, mode)]
    return tuple(found)


def _sizes(settings: Settings, mode: Mode) -> Iterator[Contradiction]:
    """One order against what is too small and what is too large."""
    size = settings.quoting.ladder.order_size_quote
    smallest: list[tuple[KeyPath, float]] = [
        (_MIN_SIZE, settings.quoting.ladder.min_size_quote),
        (_MIN_ORDER, float(settings.risk.min_order_notional_quote)),
    ]
    if mode is Mode.SIM:
        smallest.append((_VENUE_MINIMUM, float(settings.venue.simulated.min_notional)))
    for key, least in smallest:
        if size < least:
            yield Contradiction(
                (_SIZE, key),
                f"{size:g} is below {dotted(key)} ({least:g}), so no order could be placed: raise the first or "
                "lower the second",
            )
    most = float(settings.risk.max_order_notional_quote)
    if size >= most:
        yield Contradiction(
            (_SIZE, _MAX_ORDER),
            f"{size:g} is not below {dotted(_MAX_ORDER)} ({most:g}), so orders would be refused as too large: "
            "lower the first or raise the second",
        )


def _position(settings: Settings, mode: Mode) -> Iterator[Contradiction]:
    """A whole side of the ladder against the position that it may build, and against the venue's room."""
    ladder, risk = settings.quoting.ladder, settings.risk
    capital = float(settings.account.capital_quote)
    side = ladder.levels * ladder.order_size_quote
    caps: list[tuple[tuple[KeyPath, ...], float]] = [
        ((_MAX_POSITION,), float(risk.max_position_notional_quote)),
        ((_SHARE, _CAPITAL), risk.capital_share * capital),
    ]
    if mode is Mode.SIM:
        bindable = risk.max_margin_utilisation * capital * float(settings.venue.simulated.leverage)
        caps.append(((_UTILISATION, _CAPITAL, _LEVERAGE), bindable))
    for keys, cap in caps:
        if side > cap:
            yield Contradiction(
                (_SIZE, _LEVELS, *keys),
                f"{dotted(_LEVELS)} x {dotted(_SIZE)} is {side:g}, and {dotted(keys[0])} allows a position of "
                f"{cap:g}, so a side could never fill its ladder: lower levels or size, or raise the limit",
            )
    orders = 2 * ladder.levels
    if mode is Mode.SIM and orders > settings.venue.simulated.max_open_orders:
        yield Contradiction(
            (_LEVELS, _VENUE_ORDERS),
            f"both sides need {orders} orders, more than {dotted(_VENUE_ORDERS)}: lower the first or raise "
            "the second",
        )


def _distance(settings: Settings, mode: Mode) -> Iterator[Contradiction]:
    """The least half-spread that pays against the widest that is allowed."""
    ladder = settings.quoting.ladder
    floor_bps = ladder.margin_bps + ladder.adverse_prior_bps
    if mode is Mode.SIM:
        floor_bps += float(settings.venue.simulated.maker_fee_bps)
    widest: tuple[tuple[KeyPath, float, Callable[[float, float], bool]], ...] = (
        (_MAX_FLOOR, ladder.max_floor_bps, float.__gt__),
        (_BAND, settings.risk.price_band_bps, float.__ge__),
    )
    for key, most, beyond in widest:
        if beyond(floor_bps, most):
            yield Contradiction(
                (_MARGIN, key, _PRIOR),
                f"with fee and expected adverse selection the least half-spread is {floor_bps:g} bps, and "
                f"{dotted(key)} ({most:g}) allows no order there: lower the margin or "
                "quoting.ladder.adverse_prior_bps, or raise the second",
            )
