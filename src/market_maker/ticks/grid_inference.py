"""The step of a grid, found in the values that lie on it.

Owns the guess and the evidence for it. Refuses to know prices from sizes. What always holds: a step is named only with
how many values speak for it, and a few broken values do not make it finer.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

_MOST_DECIMALS = 12
_STRAY = 1e-4
"""Share of values that may lie off the grid."""
_FEW = 3
"""Values that may always."""
_MULTIPLES = tuple(
    sorted({factor * 10**power for factor in (1, 2, 4, 5, 8, 25, 125, 625) for power in range(7)})
)
ENOUGH_DISTINCT = 10
"""Different values without which a step is a guess."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step and what speaks for it."""

    size: Decimal
    given: bool
    values: int
    distinct: int
    off_grid: int
    coarser: Decimal
    """The next coarser step that was considered."""
    coarser_share: float
    """How many of the values lie on that."""

    @property
    def sure(self) -> bool:
        """Whether there are enough different values to tell."""
        return self.given or (self.distinct >= ENOUGH_DISTINCT and self.coarser_share < 0.99)

    def __str__(self) -> str:
        """Tell it to people."""
        if self.given:
            return f"{self.size:f} (given; {self.values - self.off_grid:,} of {self.values:,} values lie on it)"
        return (
            f"{self.size:f} (inferred: {self.values - self.off_grid:,} of {self.values:,} values, {self.distinct:,} "
            f"different ones, lie on it; only {self.coarser_share:.1%} on {self.coarser:f})"
        )


def off_grid(values: Floats, step: float) -> NDArray[np.bool_]:
    """Which values are no multiple of the step, as far as floats can tell."""
    steps = values / step
    slack = np.maximum(1e-6, np.abs(steps) * 1e-14)
    return np.abs(steps - np.rint(steps)) > np.minimum(slack, 0.2)


def infer_step(values: Floats, given: Decimal | None = None) -> Step | None:
    """The coarsest step on which all but a few stray values lie; None where nothing tells."""
    distinct, counts = np.unique(values[np.isfinite(values) & (values > 0)], return_counts=True)
    if given is None and not len(distinct):
        return None
    size = given or _coarsest(distinct, counts)
    if size is None:
        return None
    coarser = _next_coarser(size)
    total = int(counts.sum())
    on_coarser = int(counts[~off_grid(distinct, float(coarser))].sum())
    return Step(
        size=size,
        given=given is not None,
        values=total,
        distinct=len(distinct),
        off_grid=int(counts[off_grid(distinct, float(size))].sum()),
        coarser=coarser,
        coarser_share=on_coarser / total if total else 0.0,
    )


def _coarsest(distinct: Floats, counts: NDArray[np.int64]) -> Decimal | None:
    allowed = max(_FEW if len(distinct) > 2 * _FEW else 0, counts.sum() * _STRAY)

    def fits(step: float) -> bool:
        return bool(counts[off_grid(distinct, step)].sum() <= allowed)

    for decimals in range(_MOST_DECIMALS + 1):
        unit = Decimal(1).scaleb(-decimals)
        if not fits(float(unit)):
            continue
        fitting = [m for m in _MULTIPLES if fits(float(m * unit))]
        return Decimal(max(fitting)).scaleb(-decimals).normalize()
    return None


def _next_coarser(size: Decimal) -> Decimal:
    """Of the steps that markets use the one after this."""
    _, digits, _ = size.normalize().as_tuple()
    return size * (Decimal("2.5") if digits[0] in (2, 4) else 2)
