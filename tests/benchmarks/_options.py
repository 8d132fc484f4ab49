"""What the benchmarks of engines and invariants share: options, and seeds by how their market starts."""

import tomllib

from engine_trial import CLASS_BPS, CLASSES, SYMBOL

from market_maker.config.layers import merged
from market_maker.config.schema import Settings
from market_maker.venues.simulated.exchange import SimulatedExchange

TUNING_SEEDS = range(101, 106)
"""Parameters were chosen on these, so they are not reported."""


def seeds(text: str) -> list[int]:
    """Seeds from `1-8` or `1,5,9-12`."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def overrides(texts: list[str]) -> dict[str, object]:
    """Settings from `a.b.c=value` in TOML's own syntax."""
    tree: dict[str, object] = {}
    for text in texts:
        tree = merged(tree, tomllib.loads(text))
    return tree


def volatility_class(minute_bps: float) -> str:
    """The class of a true 60-second-equivalent volatility."""
    return CLASSES[sum(minute_bps >= bound for bound in CLASS_BPS)]


def seeds_by_start(settings: Settings, each: int) -> list[int]:
    """The first seeds whose market opens calm, normal, elevated and extreme, `each` of them a class."""
    found: dict[str, list[int]] = {name: [] for name in CLASSES}
    seed = 0
    while any(len(some) < each for some in found.values()):
        seed += 1
        exchange = SimulatedExchange.open(settings.venue.simulated, seed)
        exchange.list_market(SYMBOL)
        some = found[volatility_class(exchange.core(SYMBOL).volatility_60s_bps)]
        if len(some) < each and seed not in TUNING_SEEDS:
            some.append(seed)
    return [seed for some in zip(*found.values(), strict=True) for seed in some]
