"""Funding of a perpetual as carry and as scales.

Owns the last announced rate. Rates are per interval of the venue's choosing and always
normalised by it. A payment is felt ahead of its time with an exponential memory, whose sum over
one interval is exactly the payment: with a long memory it is an even carry, with a short one
it matters only shortly before it is due. Refuses to know the position.
"""

from __future__ import annotations

import math

from market_maker.config.signals import FundingConfig
from market_maker.core.events import FundingUpdate
from market_maker.core.instrument import NANOS
from market_maker.core.readings import FundingReading

_NONE = FundingReading(0.0, 0.0, 0.0, 1.0, 1.0)


class Funding:
    """Expected funding of one market; `price_unit` is one quantum in quote currency."""

    __slots__ = ("_config", "_half_unit", "_last", "malformed")

    def __init__(self, config: FundingConfig, price_unit: float) -> None:
        """Start without a rate."""
        self._config = config
        self._half_unit = 0.5 * price_unit
        self._last: FundingUpdate | None = None
        self.malformed = 0

    def on_funding(self, update: FundingUpdate) -> None:
        """Remember an announced rate; an impossible one is refused and counted."""
        if update.interval_s <= 0 or update.mark_price2 <= 0 or not math.isfinite(update.rate):
            self.malformed += 1
            return
        self._last = update

    def reading(self, now_ns: int) -> FundingReading:
        """Rate, time to payment, carry and scales at an instant."""
        last = self._last
        config = self._config
        if last is None or not config.enabled:
            return _NONE
        per_hour = last.rate * 3600.0 / last.interval_s
        limit = config.max_rate_per_hour
        per_hour = min(max(per_hour, -limit), limit)
        payment = per_hour * last.interval_s / 3600.0
        weight_per_s = 1.0 / last.interval_s
        remaining_s = 0.0
        if last.next_ns > 0:
            remaining_s = (last.next_ns - now_ns) / NANOS
            if remaining_s < 0.0:
                # The next announcement is late; payments go on at the same interval.
                remaining_s %= last.interval_s
            span = -math.expm1(-last.interval_s / config.horizon_s)
            weight_per_s = math.exp(-remaining_s / config.horizon_s) / (config.horizon_s * span)
        mark = last.mark_price2 * self._half_unit
        effect = min(1.0, abs(per_hour) / config.reference_rate_per_hour)
        return FundingReading(
            rate_per_hour=per_hour,
            seconds_to_payment=remaining_s,
            carry_price_per_s=-mark * payment * weight_per_s,
            skew_scale=1.0 + config.skew_effect * effect,
            max_position_scale=1.0 - config.position_effect * effect,
        )
