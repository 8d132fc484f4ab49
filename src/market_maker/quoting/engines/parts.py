"""How the engines that ship with the bot put a quote together.

Owns the identity between a side's parts and its offsets: all parts but the spacing are the
same on every level. Knows no formula.
"""

from __future__ import annotations


def side_quote(
    model: float,
    inventory: float,
    drift: float,
    carry: float,
    regime: float,
    spacing: tuple[float, ...],
    fee: float = 0.0,
) -> tuple[tuple[float, ...], dict[str, tuple[float, ...]]]:
    """Offsets and parts of one side; all arguments are distances, positive = passive.

    `fee` is what `model` contains for fees; the breakdown shows it apart.
    """
    base = model + inventory + drift + carry + regime
    n = len(spacing)
    parts = {
        "model": (model - fee,) * n,
        "inventory": (inventory,) * n,
        "drift": (drift,) * n,
        "carry": (carry,) * n,
        "regime": (regime,) * n,
        "spacing": spacing,
        "fee": (fee,) * n,
    }
    return tuple([base + step for step in spacing]), parts


def clip(value: float, bound: float) -> float:
    """`value` within plus and minus a bound that is not negative."""
    return min(max(value, -bound), bound)
