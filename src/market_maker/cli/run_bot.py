"""What `run` does: settings first, then the composition root of the mode."""

from __future__ import annotations

import os

from market_maker.cli.engines import check_engines
from market_maker.config.load import load_for
from market_maker.config.options import Mode, RunOptions
from market_maker.config.paths import DataPaths
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError


def run_bot(options: RunOptions) -> int:
    """Check everything that can be checked without a venue, then run; returns the exit code."""
    _check_mode(options)
    settings = _read(options)
    check_markets(options, settings)
    DataPaths(options.data_dir, options.mode, options.markets).ensure()
    if options.mode is Mode.PAPER:
        from market_maker.app import paper  # noqa: PLC0415 - loads the venue, so only when all is well

        return paper.run(settings, options, lambda: _read(options))
    from market_maker.app import sim  # noqa: PLC0415 - likewise

    return sim.run(settings, options, lambda: _read(options))


def _read(options: RunOptions) -> Settings:
    """Settings as files and environment say now; raises UnusableError naming every problem."""
    loaded = load_for(options, os.environ)
    check_engines(loaded, options.markets)
    return loaded.settings


def check_markets(options: RunOptions, settings: Settings) -> None:
    """A market that the embedded exchange does not have leaves no folder behind."""
    from market_maker.venues.simulated.markets import listing  # noqa: PLC0415 - not for help

    if options.venue in ("", "simulated") and not settings.venue.simulated.socket:
        for symbol in options.markets:
            listing(symbol)


def _check_mode(options: RunOptions) -> None:
    if options.mode is Mode.LIVE:
        raise UnusableError(
            f"--mode {options.mode.value} is not part of this version, which has the embedded "
            "exchange only: use --mode sim or --mode paper"
        )
    if options.venue not in ("", "simulated"):
        raise UnusableError(
            f"--venue {options.venue} is not part of this version, which has the embedded exchange only"
        )
