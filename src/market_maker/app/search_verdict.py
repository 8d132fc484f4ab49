"""From the trials of a search to its result: the best beside what is in force, on data no trial saw.

Owns the order of the last steps. Refuses to try anything new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from market_maker.app.optimise import Search, Tried, optuna_module
from market_maker.backtest.search_result import (
    Found,
    FullRun,
    Judged,
    judged,
    per_hour,
    verdict_of,
)
from market_maker.backtest.walk_forward import (
    CELL_NS,
    changes,
    deflated_probability,
    walk_forward,
)
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS

if TYPE_CHECKING:
    from optuna.study import Study

_CELL_S = CELL_NS / NANOS
_LEAST_FOR_IMPORTANCE = 10


def conclude(search: Search, study: Study, seed: int) -> Found:
    """Judge the best trial and the values in force on what no trial saw."""
    tried = search.tried(study)
    if not tried:
        raise UnusableError("no trial was finished; nothing can be said yet")
    best = max(tried, key=lambda one: (one.objective, -one.number))
    in_force = next((one for one in tried if one.values == search.defaults), None)
    currency = search.instrument.settle

    def judge(
        values: dict[str, float], known: Tried | None
    ) -> tuple[Judged, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        result = search.on_holdout(values)
        change = changes(result.samples, search.plan.holdout)
        scores = known.scores if known is not None else ()
        told = judged(
            values,
            scores,
            known.objective if known is not None else None,
            change,
            _CELL_S,
            currency,
            len(result.fills),
            seed,
            killed=result.killed,
        )
        return told, change

    best_told, best_change = judge(best.values, best)
    default_told, default_change = judge(search.defaults, in_force)
    better = per_hour(best_change - default_change, _CELL_S, currency, seed)
    probability = deflated_probability(best_change, [one.ratio for one in tried])
    same = best.values == search.defaults
    return Found(
        market=search.instrument.symbol,
        engine=search.settings.quoting.engine,
        currency=currency,
        trials=len(study.trials),
        whole_trials=len(tried),
        best=best_told,
        default=default_told,
        better_per_hour=better,
        probability=probability,
        walk_forward=walk_forward([one.scores for one in tried]),
        importance=_importance(study, len(tried)),
        verdict=verdict_of(
            best_told,
            better,
            len(best_change) * _CELL_S / 3600.0,
            same=same,
            probability=probability,
        ),
    )


def with_full_run(found: Found, search: Search) -> Found:
    """The result with the best parameters in the whole bot beside it."""
    result = search.on_holdout(found.best.values)
    compiled = float(result.samples[-1, 3] - result.samples[0, 3]) if len(result.samples) else 0.0
    pnl, fills = search.bot_pnl(found.best.values)
    full = FullRun(pnl, fills, compiled, len(result.fills))
    return msgspec.structs.replace(found, full=full)


def _importance(study: Study, whole: int) -> dict[str, float]:
    """How much of the difference between good and other trials each setting explains."""
    if whole < _LEAST_FOR_IMPORTANCE:
        return {}
    optuna = optuna_module()
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
