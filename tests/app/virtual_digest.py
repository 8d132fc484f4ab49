"""Prints the journal digest of a few short virtual runs; run by processes with other hash seeds."""

from __future__ import annotations

from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode

RUNS = (
    (1, None, ("SOL-USD",), "glft"),
    (1, 7, ("SOL-USD",), "glft"),
    (2, None, ("SOL-USD", "ETH-USD"), "layered"),
)


def digests() -> list[str]:
    found = []
    for seed, shuffle_seed, markets, engine in RUNS:
        settings = Settings.model_validate({"quoting": {"engine": engine}})
        run = VirtualRun(settings, markets, seed=seed, shuffle_seed=shuffle_seed)
        assert run.trade(25.0) is ExitCode.CLEAN
        found += [market.journal.digest() for market in run.bot.markets.values()]
    return found


if __name__ == "__main__":
    print("\n".join(digests()))  # noqa: T201 - its reader is another process
