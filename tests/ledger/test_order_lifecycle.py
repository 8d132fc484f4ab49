from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_diagram import PAGE, page

from market_maker.core.errors import LifecycleError
from market_maker.ledger.client_ids import ClientId, ClientIds, parse_client_id
from market_maker.ledger.order_lifecycle import (
    LOCAL_EVENTS,
    TABLE,
    TERMINAL,
    OrderEvent,
    OrderStatus,
    next_status,
)


def test_every_status_has_a_row_and_terminal_rows_are_empty() -> None:
    assert set(TABLE) == set(OrderStatus)
    assert all(bool(row) is (status not in TERMINAL) for status, row in TABLE.items())


@given(st.sampled_from(sorted(TERMINAL)), st.sampled_from(OrderEvent))
def test_terminal_statuses_absorb_evidence_and_refuse_our_own_acts(
    status: OrderStatus, event: OrderEvent
) -> None:
    if event in LOCAL_EVENTS:
        with pytest.raises(LifecycleError):
            next_status(status, event)
    else:
        assert next_status(status, event) is status


@given(st.sampled_from(OrderStatus), st.sampled_from(OrderEvent))
def test_only_our_own_acts_can_be_mistakes(status: OrderStatus, event: OrderEvent) -> None:
    if event not in TABLE[status] and event not in LOCAL_EVENTS:
        assert next_status(status, event) is status


def test_every_live_order_can_be_cancelled_lost_and_ended_by_the_venue() -> None:
    ends = {
        OrderEvent.SEEN_FILLED,
        OrderEvent.SEEN_CANCELLED,
        OrderEvent.SEEN_REJECTED,
        OrderEvent.SEEN_EXPIRED,
        OrderEvent.CANCEL_SENT,
        OrderEvent.LOST,
    }
    for status in OrderStatus:
        if status not in TERMINAL:
            assert ends <= set(TABLE[status])


def test_absence_can_only_be_concluded_from_unknown() -> None:
    allowed = [status for status in OrderStatus if OrderEvent.PROVED_ABSENT in TABLE[status]]
    assert allowed == [OrderStatus.UNKNOWN]


@given(st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True), st.integers(0, 2**62), st.integers(1, 9))
def test_client_ids_are_unique_short_and_recognised_in_any_session(
    tag: str, epoch: int, count: int
) -> None:
    ids = ClientIds(tag, epoch)
    made = [ids.new() for _ in range(count)]
    assert len(set(made)) == count
    assert all(len(client_id) <= 32 for client_id in made)
    assert parse_client_id(made[-1]) == ClientId(tag, epoch, count)
    assert ClientIds(tag, epoch + 1).is_ours(made[0])
    assert not ClientIds(tag + "x", epoch).is_ours(made[0])


@pytest.mark.parametrize("text", ["", "abc", "mm-1", "mm-1-2-3", "mm-XYZ-1", "m_m-1-1", "x" * 40])
def test_ids_of_others_are_not_ours(text: str) -> None:
    assert parse_client_id(text) is None


@pytest.mark.parametrize(("tag", "epoch"), [("", 1), ("a-b", 1), ("toolongtagxx", 1), ("mm", -1)])
def test_an_unusable_tag_or_epoch_is_refused(tag: str, epoch: int) -> None:
    with pytest.raises(ValueError, match="instance tag"):
        ClientIds(tag, epoch)


def test_an_id_longer_than_venues_take_is_refused() -> None:
    ids = ClientIds("abcdefghij", 2**80)
    with pytest.raises(ValueError, match="longer than"):
        ids.new()


def test_the_page_shows_the_table_as_it_is() -> None:
    assert PAGE.read_text() == page(), "run python tests/ledger/lifecycle_diagram.py"


def test_the_page_shows_every_pair_of_the_table() -> None:
    shown = page()
    for status, events in TABLE.items():
        for event, target in events.items():
            arrows = [
                line.split(": ")
                for line in shown.splitlines()
                if line.strip().startswith((f"{status.value} --> ", "live --> "))
            ]
            assert any(
                arrow[0].endswith(f"--> {target.value}") and event.value in arrow[1].split(", ")
                for arrow in arrows
                if len(arrow) == 2
            ), (status, event)
