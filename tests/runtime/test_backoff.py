from __future__ import annotations

import pytest

from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream
from market_maker.runtime.backoff import Backoff


def _pauses(backoff: Backoff, count: int, apart_s: float) -> list[float]:
    """Attempts that each begin a while after the pause of the one before."""
    now_ns = 100 * NANOS
    pauses = []
    for _ in range(count):
        backoff.begin(now_ns)
        pauses.append(backoff.pause_s(now_ns))
        now_ns += int((pauses[-1] + apart_s) * NANOS)
    return pauses


@pytest.mark.scenario("SC41", "SC44")
def test_pauses_double_and_stay_long_while_attempts_keep_coming() -> None:
    pauses = _pauses(Backoff(0.25, 10.0, RandomStream(1, "a")), 12, 9.0)
    for n, pause_s in enumerate(pauses):
        most_s = min(0.25 * 2**n, 10.0)
        assert 0.75 * most_s <= pause_s <= most_s


@pytest.mark.scenario("SC41")
def test_only_a_quiet_time_as_long_as_the_longest_pause_starts_over() -> None:
    assert max(_pauses(Backoff(0.25, 10.0, RandomStream(1, "a")), 12, 10.1)) <= 0.25


@pytest.mark.scenario("SC44")
def test_two_clients_that_failed_together_do_not_come_back_together() -> None:
    one = _pauses(Backoff(0.25, 10.0, RandomStream(1, "a")), 8, 1.0)
    other = _pauses(Backoff(0.25, 10.0, RandomStream(2, "a")), 8, 1.0)
    assert all(abs(a - b) > 1e-6 for a, b in zip(one, other, strict=True))
    assert one == _pauses(Backoff(0.25, 10.0, RandomStream(1, "a")), 8, 1.0)
