"""Enum members as plain attributes."""

from __future__ import annotations

import pickle
from enum import StrEnum

from market_maker.core.enums import plain_members
from market_maker.core.reasons import DecisionReason
from market_maker.core.side import Side


@plain_members
class _Colour(StrEnum):
    RED = "red"
    CRIMSON = "red"


def test_a_member_is_an_ordinary_attribute_and_still_a_member() -> None:
    assert vars(_Colour)["RED"] is _Colour("red")
    assert vars(_Colour)["CRIMSON"] is _Colour.RED
    assert list(_Colour) == [_Colour.RED]
    assert pickle.loads(pickle.dumps(_Colour.RED)) is _Colour.RED


def test_what_decisions_name_most_is_plain() -> None:
    assert vars(Side)["BUY"] is Side(1)
    assert all(vars(DecisionReason)[reason.name] is reason for reason in DecisionReason)
