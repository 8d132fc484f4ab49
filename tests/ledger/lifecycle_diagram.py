"""Draws the lifecycle table as docs/order-lifecycle.md; run this file to write it anew."""

from __future__ import annotations

from pathlib import Path

from market_maker.ledger.order_lifecycle import LOCAL_EVENTS, TABLE, TERMINAL, OrderEvent

PAGE = Path(__file__).parents[2] / "docs" / "order-lifecycle.md"

_HEAD = """# The life of an order

Drawn from the table in `src/market_maker/ledger/order_lifecycle.py` by
`python tests/ledger/lifecycle_diagram.py`; a test fails when this page is stale.

An order begins as `pending`, registered before it is sent. An arrow from the frame holds for every
status inside. Evidence that no arrow shows carries no news and changes nothing; an act of our own that
no arrow shows is a mistake and stops the market. What ended stays ended.
"""


def page() -> str:
    """The whole page."""
    return f"{_HEAD}\n```mermaid\n{_diagram()}```\n\n{_acts()}"


def _diagram() -> str:
    live = [status for status in TABLE if status not in TERMINAL]
    shared = {
        (event, target)
        for event, target in TABLE[live[0]].items()
        if all(TABLE[status].get(event) is target for status in live)
    }
    lines = ["stateDiagram-v2", "    [*] --> pending", '    state "may be at the venue" as live {']
    for status in live:
        arrows: dict[str, list[str]] = {}
        for event, target in TABLE[status].items():
            if (event, target) not in shared:
                arrows.setdefault(target.value, []).append(event.value)
        lines += [
            f"        {status.value} --> {target}: {', '.join(events)}"
            for target, events in arrows.items()
            if target in live
        ]
    lines.append("    }")
    for status in live:
        lines += [
            f"    {status.value} --> {target.value}: {event.value}"
            for event, target in TABLE[status].items()
            if target in TERMINAL and (event, target) not in shared
        ]
    lines += [
        f"    live --> {target.value}: {event.value}"
        for event, target in TABLE[live[0]].items()
        if (event, target) in shared and target in TERMINAL
    ]
    lines += [
        f"    live --> {target.value}: {event.value}"
        for event, target in TABLE[live[0]].items()
        if (event, target) in shared and target not in TERMINAL
    ]
    lines += [f"    {status.value} --> [*]" for status in TABLE if status in TERMINAL]
    return "\n".join(lines) + "\n"


def _acts() -> str:
    ours = ", ".join(f"`{event.value}`" for event in OrderEvent if event in LOCAL_EVENTS)
    return f"Our own acts are {ours}; everything else is evidence from the venue.\n"


if __name__ == "__main__":
    PAGE.write_text(page())
