"""Enum members that cost no more to name than any other attribute.

Until Python 3.12 `Side.BUY` runs a descriptor written in Python; a decision names some hundred
members. What the decorator does is what later versions do by themselves.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

_E = TypeVar("_E", bound=Enum)


def plain_members(enum: type[_E]) -> type[_E]:
    """Keep each member as an ordinary attribute of its class."""
    for name, member in enum.__members__.items():
        type.__setattr__(enum, name, member)
    return enum
