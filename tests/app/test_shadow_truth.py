"""Paper fills against the queue that was there: the band encloses it, and nothing is filled twice."""

from __future__ import annotations

import pytest
from shadowing import SOURCES, TRUE, Compared, compare

from market_maker.config.schema import Settings

PESSIMISTIC, CENTRAL, OPTIMISTIC, _ = SOURCES


@pytest.fixture(scope="module")
def found() -> Compared:
    """A minute of a market in which orders fill."""
    return compare(Settings(), 1, 60.0, after_s=10.0)


def test_the_band_on_the_same_orders_encloses_what_they_would_have_filled(found: Compared) -> None:
    filled = {source: found.filled(source) for source in SOURCES}
    assert len(filled[CENTRAL]) >= 4
    for order in found.totals:
        low, mid, high = (filled[source].get(order, 0) for source in SOURCES[:3])
        assert low <= mid <= high
    true = filled[TRUE]
    outside = sum(
        not filled[PESSIMISTIC].get(order, 0)
        <= true.get(order, 0)
        <= filled[OPTIMISTIC].get(order, 0)
        for order in found.totals
    )
    assert outside <= 1, "a taker who wanted more than the level held shows it to nobody"


def test_every_fill_belongs_to_an_order_and_none_exceeds_it(found: Compared) -> None:
    for source in SOURCES:
        for order, qty in found.filled(source).items():
            assert 0 < qty <= found.totals[order]


def test_an_order_that_fills_on_paper_is_told_with_the_queue_that_it_found(found: Compared) -> None:
    assert sum(stay.ahead > 0 for stay in found.stays) > 0.5 * len(found.stays)
    for stay in found.stays:
        assert stay.began_ns <= stay.ended_ns <= stay.lingered_ns
        assert all(stay.began_ns <= at <= stay.lingered_ns for at in stay.filled_ns.values())
