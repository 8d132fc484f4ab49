"""Prints the digests of a few seeds; run by processes with other hash seeds."""

from __future__ import annotations

from seeds import SOL, simulate


def digests() -> list[str]:
    """Digests amid all faults, of one market and of two."""
    found = [simulate(seed, duration_s=30.0).digest for seed in (1, 5, 7, 11)]
    return [*found, simulate(3, duration_s=30.0, markets=(SOL, "ETH-USD")).digest]


if __name__ == "__main__":
    print("\n".join(digests()))  # noqa: T201 - its reader is another process
