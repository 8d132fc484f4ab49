"""The market of a seed: between asleep and wild, so that no bot is judged in one weather only.

Owns how far the configured market is varied. Refuses to change what the bot is configured
to do.
"""

from __future__ import annotations

from market_maker.config.schema import Settings
from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.randomness import RandomStream

_SPANS = {
    "volatility_bps": (0.3, 2.0),
    "jumps_per_hour": (1.0, 60.0),
    "noise_per_s": (0.5, 8.0),
    "informed_per_s": (0.5, 6.0),
    "maker_depth_usd": (0.3, 1.0),
}
"""Keys of the market model and the factors between which they are drawn, evenly in logarithm."""


def weather(settings: Settings, seed: int) -> Settings:
    """The settings with the embedded market that this seed has; one that the model allows."""
    draw = RandomStream(seed, "weather")
    simulated = settings.venue.simulated
    values = simulated.market.model_dump()
    for key, (low, high) in _SPANS.items():
        values[key] *= low * (high / low) ** draw.uniform()
    market = MarketModelConfig.model_validate(_bounded(values))
    venue = settings.venue.model_copy(
        update={"simulated": simulated.model_copy(update={"market": market})}
    )
    return settings.model_copy(update={"venue": venue})


def _bounded(values: dict[str, float]) -> dict[str, float]:
    """Keep what was drawn inside each key's own bounds."""
    bounded = dict(values)
    for key in _SPANS:
        for bound in MarketModelConfig.model_fields[key].metadata:
            least = getattr(bound, "ge", getattr(bound, "gt", None))
            most = getattr(bound, "le", getattr(bound, "lt", None))
            if least is not None:
                bounded[key] = max(bounded[key], least)
            if most is not None:
                bounded[key] = min(bounded[key], most)
    return bounded
