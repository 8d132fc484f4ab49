"""The verdict on a recording: what a gate has counted, weighed.

What always holds: the verdict is that of the worst finding, and a book whose changes are not proven to follow on a
snapshot is never ready.
"""

from __future__ import annotations

import msgspec

from market_maker.ticks.facts import Facts, facts_of
from market_maker.ticks.findings import (
    Finding,
    Found,
    Verdict,
    Weight,
    sorted_by_weight,
    verdict_of,
)
from market_maker.ticks.quality_rules import RULES
from market_maker.ticks.stream_gate import Sums


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict and what it rests on."""

    verdict: Verdict
    facts: Facts
    found: tuple[Found, ...]

    def told(self) -> str:
        """The verdict and what speaks against the data, in one line."""
        names = sorted(
            {item.finding.value for item in self.found if item.weight is not Weight.REMARK}
        )
        return f"{self.verdict}: {', '.join(names)}" if names else self.verdict.value

    def names(self) -> frozenset[Finding]:
        """Which findings there are."""
        return frozenset(item.finding for item in self.found)


def quality_of(sums: Sums, more: tuple[Found, ...] = ()) -> Quality:
    """Weigh what a gate has counted, and `more` that only a loader could see."""
    facts = facts_of(sums)
    found = list(more)
    for rule in RULES:
        found += rule(sums, facts)
    ordered = sorted_by_weight(found)
    return Quality(verdict=verdict_of(ordered), facts=facts, found=ordered)
