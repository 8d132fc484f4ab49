"""Folds that do not touch, scores that cannot be gamed, and luck that is counted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.backtest import walk_forward as wf
from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS

HOUR_NS = 3600 * NANOS


@given(st.integers(1, 12), st.integers(6, 200), st.integers(0, 120))
def test_no_two_parts_share_an_instant_and_embargoes_lie_between(
    folds: int, hours: int, embargo_s: int
) -> None:
    made = wf.plan(7, 7 + hours * HOUR_NS, folds, embargo_s * NANOS)
    parts = (*made.folds, made.holdout)
    assert len(made.folds) == folds
    assert parts[0].begin_ns == 7
    assert parts[-1].end_ns == 7 + hours * HOUR_NS
    for before, after in pairwise(parts):
        assert after.begin_ns - before.end_ns == embargo_s * NANOS
    kept = made.holdout.end_ns - made.holdout.begin_ns + embargo_s * NANOS
    assert kept == pytest.approx(hours * HOUR_NS * wf.HOLDOUT, rel=1e-6)


def test_too_little_time_for_the_folds_is_refused_with_a_remedy() -> None:
    with pytest.raises(UnusableError, match=r"at least .* s, or ask for fewer --folds"):
        wf.plan(0, 10 * 60 * NANOS, 8, 60 * NANOS)


def _samples(equity: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Equity sampled half a cell behind every edge of a cell."""
    rows = [(i * wf.CELL_NS + wf.CELL_NS // 2, 0.0, 0.0, value) for i, value in enumerate(equity)]
    return np.array(rows, dtype=np.float64)


def test_changes_are_of_the_period_alone() -> None:
    samples = _samples([100.0, 101.0, 103.0, 106.0, 200.0])
    period = wf.Period(wf.CELL_NS, 4 * wf.CELL_NS)
    assert wf.changes(samples, period).tolist() == [1.0, 2.0, 3.0]
    # What comes after the period cannot reach into it.
    assert wf.changes(samples[:4], period).tolist() == [1.0, 2.0, 3.0]
    assert wf.changes(samples[:0], period).tolist() == [0.0, 0.0, 0.0]


def test_profit_over_risk_is_the_plain_formula() -> None:
    change = np.array([1.0, -0.5, 2.0, 0.25])
    plain = change.sum() / (np.sqrt(((change - change.mean()) ** 2).sum() / 3) * 2.0)
    assert wf.score(change) == pytest.approx(plain)


@pytest.mark.parametrize("change", [[], [1.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0]])
def test_without_risk_or_fills_there_is_no_score(change: list[float]) -> None:
    assert wf.score(np.array(change)) == 0.0


def test_a_score_of_hardly_any_risk_is_bounded() -> None:
    change = np.full(50, 1.0)
    change[0] = 1.0001
    assert wf.score(change) == wf.MOST
    assert wf.score(-change) == -wf.MOST


def test_winning_in_one_fold_only_is_worse_than_winning_little_in_all() -> None:
    assert wf.objective([6.0, 0.0, 0.0]) < wf.objective([1.0, 1.0, 1.0])
    assert wf.objective([3.0, 0.0, 0.0]) < 0.0
    assert wf.objective([1.5]) == 1.5


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0, 5))
def test_doing_better_everywhere_is_never_worse(scores: list[float], more: float) -> None:
    assert wf.objective([one + more for one in scores]) >= wf.objective(scores) - 1e-9
    assert wf.objective(scores) <= sum(scores) / len(scores) + 1e-9


def test_walking_forward_chooses_by_the_past_alone() -> None:
    trials = [(1.0, 1.0, -5.0), (0.0, 9.0, 9.0), (-1.0, -1.0, 50.0)]
    assert wf.walk_forward(trials) == ((0, 1.0), (0, -5.0))
    # The last fold's scores choose nothing.
    other = [(*trial[:2], -trial[2]) for trial in trials]
    assert [one for one, _ in wf.walk_forward(other)] == [0, 0]


def test_the_more_was_tried_the_less_a_good_result_proves() -> None:
    change = 0.3 + np.sin(np.arange(200.0))
    few = wf.deflated_probability(change, [0.1, 0.2, 0.3])
    many = wf.deflated_probability(change, [0.1, 0.2, 0.3] * 200)
    alone = wf.deflated_probability(change, [0.4])
    assert few is not None
    assert many is not None
    assert alone is not None
    assert many < few < alone
    assert wf.deflated_probability(np.zeros(10), [0.1]) is None
