from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.core.events import RequestKind
from market_maker.risk.rates import Lane, RateBudget, lane_of

S = 1_000_000_000
REQUESTS = st.lists(
    st.tuples(st.integers(0, S // 3), st.sampled_from(Lane)), min_size=1, max_size=120
)


@pytest.mark.scenario("SC44")
@given(REQUESTS, st.integers(2, 12), st.sampled_from([0.1, 0.3, 0.9]))
def test_s12_no_window_ever_exceeds_its_budget(
    requests: list[tuple[int, Lane]], limit: int, reserve: float
) -> None:
    budget = RateBudget(limit, S, reserve)
    now_ns = 0
    sent: list[tuple[int, Lane]] = []
    for dt_ns, lane in requests:
        now_ns += dt_ns
        tokens = budget.tokens(lane, now_ns)
        wait = budget.take(lane, now_ns)
        assert (wait == 0) is (tokens > 0)
        if wait == 0:
            sent.append((now_ns, lane))
        else:
            assert budget.wait_ns(lane, now_ns + wait - 1) > 0
            assert budget.wait_ns(lane, now_ns + wait) == 0
        window = [entry for entry in sent if entry[0] > now_ns - S]
        assert len(window) <= limit
        assert sum(entry[1] is Lane.ORDER for entry in window) < limit


@pytest.mark.scenario("SC36")
@given(st.integers(4, 50))
def test_cancels_always_find_their_reserved_share(limit: int) -> None:
    budget = RateBudget(limit, S, 0.3)
    while budget.take(Lane.ORDER, 0) == 0:
        pass
    cancels = 0
    while budget.take(Lane.CANCEL, 0) == 0:
        cancels += 1
    assert cancels >= 0.3 * limit


def test_the_default_budget_is_seven_orders_and_three_cancels_a_second() -> None:
    budget = RateBudget(10, S, 0.3)
    assert [budget.take(Lane.ORDER, 0) for _ in range(8)] == [0] * 7 + [S]
    assert [budget.take(Lane.CANCEL, 1) for _ in range(4)] == [0] * 3 + [S - 1]
    assert budget.take(Lane.ORDER, S) == 0


def test_cancels_may_use_the_whole_budget_when_nothing_else_does() -> None:
    budget = RateBudget(10, S, 0.3)
    assert [budget.take(Lane.CANCEL, 0) for _ in range(11)] == [0] * 10 + [S]
    assert budget.tokens(Lane.ORDER, 0) == 0


@pytest.mark.scenario("SC36")
def test_retry_after_closes_its_own_lane_and_is_never_shortened() -> None:
    budget = RateBudget(10, S, 0.3)
    budget.pause(Lane.ORDER, 5 * S)
    budget.pause(Lane.ORDER, 2 * S)
    assert budget.take(Lane.ORDER, S) == 4 * S
    assert budget.tokens(Lane.ORDER, S) == 0
    assert budget.take(Lane.CANCEL, S) == 0
    assert budget.paused_ns(Lane.ORDER, 5 * S) == 0
    assert budget.take(Lane.ORDER, 5 * S) == 0


def test_a_smaller_budget_counts_what_was_already_sent() -> None:
    budget = RateBudget(10, S, 0.3)
    for n in range(6):
        budget.take(Lane.ORDER, n)
    budget.configure(4, S, 0.3)
    assert budget.take(Lane.CANCEL, 10) == S + 2 - 10
    assert budget.tokens(Lane.CANCEL, 10) == 0


def test_amendments_share_the_lane_of_orders() -> None:
    assert [lane_of(kind) for kind in RequestKind] == [Lane.ORDER, Lane.ORDER, Lane.CANCEL]
