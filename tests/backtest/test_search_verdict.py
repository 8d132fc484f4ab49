"""What a search may say of its best trial."""

from __future__ import annotations

from market_maker.backtest.bootstrap import Figure
from market_maker.backtest.search_result import Judged, verdict_of

BETTER = Figure(1.0, 0.5, 1.5, "USD")


def best(fills: int) -> Judged:
    return Judged({}, (), None, 1.0, BETTER, 1.0, fills, killed=False)


def test_few_fills_or_little_time_carry_no_verdict_however_clear_the_interval() -> None:
    for fills, hours in ((1, 0.07), (99, 5.0), (5_000, 0.9)):
        told = verdict_of(best(fills), BETTER, hours, same=False, probability=0.99)
        assert told.startswith("insufficient data")
    told = verdict_of(best(100), BETTER, 1.0, same=False, probability=0.99)
    assert "beyond luck" in told


def test_the_best_of_many_trials_may_be_luck() -> None:
    told = verdict_of(best(500), BETTER, 3.0, same=False, probability=0.5)
    assert "may be luck" in told
