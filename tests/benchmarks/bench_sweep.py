"""How fast parameters are tried: the compiled driver with the whole fill engine, `glft` every 100 ms.

The stream is made of arithmetic, 5 million rows at 490 a second with some 6 % trades, and the same in
every run. The readings that quotes are made from do not depend on own orders: they are computed
once and shared by all trials, so they are timed apart. Times are the thread's own.
"""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks._table import Row

from market_maker.backtest.sweep import Sweep
from market_maker.backtest.sweep_market import MarketPath, follow_market
from market_maker.config.schema import Settings
from market_maker.core.instrument import NANOS
from market_maker.kernels.fill_setup import FillTerms
from market_maker.venues.paper.terms import terms_of

sys.path.append(str(Path(__file__).parents[1] / "backtest"))
from synthetic_rows import INSTRUMENT, synthetic_ticks

_ROWS = 5_000_000
_INTERVAL_NS = NANOS // 10
_REPEATS = 5


def _best_s(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        gc.collect()
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best


def rows() -> list[Row]:
    """Measure."""
    ticks = synthetic_ticks(_ROWS)
    settings = Settings()
    found = []

    def follow() -> MarketPath:
        return follow_market(ticks, INSTRUMENT, settings.market, settings.signals, _INTERVAL_NS)

    path = follow()
    follow_s = _best_s(follow)
    found.append(Row("signals and market, once per search", _ROWS / follow_s / 1e6, "M events/s"))
    for engine, target in (("glft", 5.0), ("avellaneda-stoikov", None)):
        chosen = Settings.model_validate({"quoting": {"engine": engine}})
        terms = terms_of(chosen.paper, INSTRUMENT)

        def trial(chosen: Settings = chosen, terms: FillTerms = terms) -> None:
            Sweep(ticks, path, INSTRUMENT, chosen, terms, 1).run()

        trial_s = _best_s(trial)
        found.append(
            Row(f"one trial, {engine}", _ROWS / trial_s / 1e6, "M events/s", target, at_most=False)
        )
        found.append(Row(f"one trial, {engine}", trial_s * 1e3, "ms"))
        both = _ROWS / (trial_s + follow_s) / 1e6
        found.append(Row(f"signals and one trial, {engine}", both, "M events/s"))
    return found
