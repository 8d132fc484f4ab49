"""Searches for parameters on a recording: trials compiled, verdicts on data that no trial saw.

Owns the search: its storage, what is kept of every trial and how it ends. Folds and figures are
`backtest.walk_forward`'s, what may change `backtest.search_space`'s. optuna is imported when a
search begins and nowhere else.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

import msgspec

from market_maker.app.backtest import Backtest
from market_maker.backtest.search_space import Dimension, Values, space_of, with_values
from market_maker.backtest.session_log import SessionLog
from market_maker.backtest.sweep import Sweep, SweepResult, compiled_engine
from market_maker.backtest.sweep_market import MarketPath, follow_market
from market_maker.backtest.walk_forward import Plan, changes, mean_ratio, objective, plan, score
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.units import money_to_float
from market_maker.kernels import sweep_market as sm
from market_maker.ledger.ledger import Ledger
from market_maker.runtime.journal_records import SessionStarted
from market_maker.runtime.observer import Observer
from market_maker.ticks.columns import Ticks
from market_maker.ticks.loading import span
from market_maker.venues.paper.terms import paper_instrument, terms_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

INTERVAL_NS: Final = NANOS // 10
EMBARGO_NS: Final = 60 * NANOS
_START_UP_TRIALS: Final = 10


class Tried(msgspec.Struct, frozen=True):
    """One whole trial: its values, its score in every fold, and its mean-to-deviation ratio."""

    number: int
    values: dict[str, float]
    scores: tuple[float, ...]
    ratio: float

    @property
    def objective(self) -> float:
        """What the search maximises."""
        return objective(self.scores)


def optuna_module() -> ModuleType:
    """The library of the search; UnusableError naming the extra where it is not installed."""
    try:
        import optuna  # noqa: PLC0415 - only a search needs it
    except ImportError as error:
        raise UnusableError(
            "a search needs optuna: install the extra, pip install 'market-maker[research]'"
        ) from error
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna


class Search:
    """One search over one market's recording."""

    def __init__(
        self,
        settings: Settings,
        instrument: Instrument,
        ticks: Ticks,
        folds: int,
        seed: int,
    ) -> None:
        """Prepare folds and readings; raises UnusableError for what cannot be searched."""
        compiled_engine(settings)
        self.settings = settings
        self.instrument = paper_instrument(instrument, settings.paper)
        self.plan: Plan = plan(int(ticks.recv_ns[0]), int(ticks.recv_ns[-1]), folds, EMBARGO_NS)
        self.space: tuple[Dimension, ...] = space_of(settings)
        self.defaults: dict[str, float] = {one.name: one.now for one in self.space}
        self._seed = seed
        self._recorded = instrument
        self._terms = terms_of(settings.paper, self.instrument)
        self._searched = span(ticks, None, self.plan.folds[-1].end_ns)
        self._kept = span(ticks, self.plan.holdout.begin_ns - EMBARGO_NS, None)
        self._searched_path = self._path(self._searched)
        self._kept_path = self._path(self._kept)

    def open_study(self, storage: str, name: str) -> Study:
        """The study in a journal file or a database, continued if it was begun with the same question."""
        optuna = optuna_module()
        study: Study = optuna.create_study(
            study_name=name,
            storage=_storage(optuna, storage),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_START_UP_TRIALS),
        )
        asked = self.question()
        known = study.user_attrs.get("question", asked)
        if known != asked:
            raise UnusableError(
                f"{storage} holds a search of other data or settings; name another --storage or --out"
            )
        study.set_user_attr("question", asked)
        if not study.trials:
            study.enqueue_trial(self.defaults)
        # What is drawn follows from the seed and from how many trials there are already.
        study.sampler = optuna.samplers.TPESampler(seed=self._seed + len(study.trials))
        return study

    def question(self) -> str:
        """A digest of everything that a trial's score depends on."""
        digest = hashlib.blake2b(digest_size=12)
        digest.update(self.settings.model_dump_json(exclude={"logging", "metrics"}).encode())
        digest.update(msgspec.json.encode(self.instrument))
        digest.update(f"{self.plan} {self._seed}".encode())
        for column in (self._searched.recv_ns, self._searched.price, self._searched.qty):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def run(self, study: Study, trials: int, jobs: int, told: Callable[[int], None]) -> None:
        """Try until there are as many whole or pruned trials as asked for; Ctrl-C keeps what is done."""
        left = trials - _done(study)
        if left > 0:
            study.optimize(
                self._try,
                n_trials=left,
                n_jobs=jobs,
                callbacks=[lambda study, _trial: told(_done(study))],
            )

    def tried(self, study: Study) -> tuple[Tried, ...]:
        """All whole trials, in order."""
        optuna = optuna_module()
        return tuple(
            _tried(trial)
            for trial in study.get_trials(deepcopy=False)
            if trial.state is optuna.trial.TrialState.COMPLETE
        )

    def on_holdout(self, values: Values) -> SweepResult:
        """The compiled run of some values on what no trial saw."""
        sweep = self._sweep(self._kept, self._kept_path, values)
        sweep.run()
        return sweep.result()

    def bot_pnl(self, values: Values) -> tuple[float, int]:
        """Profit and fills of the whole bot with some values on what no trial saw."""
        logs: list[SessionLog] = []

        def observe(started: SessionStarted, ledger: Ledger) -> Observer:
            logs.append(SessionLog(started, ledger))
            return logs[-1]

        settings = with_values(self.settings, values)
        symbol = self._recorded.symbol
        Backtest(settings, symbol, self._recorded, self._kept, self._seed, observe=observe).run()
        session = logs[0].session()
        equity = session.equity
        total = equity.total()
        return money_to_float(total[-1] - total[0]), len(session.fills.time_ns)

    def _path(self, ticks: Ticks) -> MarketPath:
        settings = self.settings
        path = follow_market(ticks, self.instrument, settings.market, settings.signals, INTERVAL_NS)
        if not path.marks[:, sm.VALID].any():
            raise UnusableError(
                "the book is never good enough to quote from; `data check` says what is missing"
            )
        return path

    def _sweep(self, ticks: Ticks, path: MarketPath, values: Values) -> Sweep:
        settings = with_values(self.settings, values)
        return Sweep(ticks, path, self.instrument, settings, self._terms, self._seed)

    def _try(self, trial: Trial) -> float:
        """Run one trial fold by fold; what is hopeless by then ends early."""
        values = {
            one.name: trial.suggest_float(one.name, one.low, one.high, log=one.log)
            for one in self.space
        }
        sweep = self._sweep(self._searched, self._searched_path, values)
        times = self._searched_path.marks[:, sm.TIME_NS]
        scores: list[float] = []
        for number, fold in enumerate(self.plan.folds):
            sweep.run(int(times.searchsorted(fold.end_ns)))
            scores.append(score(changes(sweep.result().samples, fold)))
            trial.report(objective(scores), number)
            if number + 1 < len(self.plan.folds) and trial.should_prune():
                raise optuna_module().TrialPruned
        samples = sweep.result().samples
        ratios = [mean_ratio(changes(samples, fold)) for fold in self.plan.folds]
        trial.set_user_attr("scores", scores)
        trial.set_user_attr("ratio", sum(ratios) / len(ratios))
        return objective(scores)


def _storage(optuna: ModuleType, storage: str) -> object:
    """A journal file by its path, or a database by its address."""
    if "://" in storage:
        return storage
    path = Path(storage)
    path.parent.mkdir(parents=True, exist_ok=True)
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    return optuna.storages.JournalStorage(backend)


def _done(study: Study) -> int:
    return sum(
        trial.state.name in ("COMPLETE", "PRUNED") for trial in study.get_trials(deepcopy=False)
    )


def _tried(trial: FrozenTrial) -> Tried:
    attributes = trial.user_attrs
    return Tried(trial.number, trial.params, tuple(attributes["scores"]), attributes["ratio"])
