"""Times as users write them."""

from __future__ import annotations

from datetime import UTC, datetime

from market_maker.core.errors import UnusableError


def moment(option: str, text: str | None) -> int | None:
    """Nanoseconds of a time such as 2026-02-16T04:00, UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UnusableError(f"{option} {text}: give a time such as 2026-02-16T04:00") from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return round(when.timestamp() * 1_000_000) * 1000
