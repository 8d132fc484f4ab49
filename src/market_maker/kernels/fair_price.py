"""Fair value as a small move away from the mid; one formula without memory."""

from __future__ import annotations

from numba import njit


@njit(
    "float64(float64, float64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def fair_offset_bps(
    book: float, flow: float, jump: float, b_book: float, b_flow: float, b_jump: float
) -> float:
    """Expected move in bps; imbalances lie in [-1, 1], positive when bids or buyers outweigh."""
    return b_book * book + b_flow * flow + b_jump * jump
