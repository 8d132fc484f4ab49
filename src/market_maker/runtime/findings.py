"""What queries and operators say of our books: recorded, then applied.

The reconciler's way into the books, beside the events that arrive by themselves. Owns nothing; it
decides nothing either. It always holds that each finding is in the journal before it changes
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from market_maker.ledger.evidence import NOTHING, Applied
from market_maker.runtime.components import Components
from market_maker.runtime.halts import Halts


class Record(Protocol):
    """Writes down a call with its arguments."""

    def __call__(self, now_ns: int, name: str, **arguments: str | float | bool | None) -> None:
        """Keep it, before it is made."""
        ...


class Findings:
    """Applies findings to one market's books, which a reload does not replace."""

    def __init__(
        self,
        parts: Components,
        halts: Halts,
        record: Record,
        account: Callable[[Applied, int], None],
        refresh: Callable[[int], None],
    ) -> None:
        """`account` follows what changed for our orders, `refresh` what changed for quotes."""
        self._ledger = parts.ledger
        self._risk = parts.risk
        self._halts = halts
        self._record = record
        self._account = account
        self._refresh = refresh

    def absence(self, client_id: str, now_ns: int, *, proved: bool) -> None:
        """The venue does not know an order."""
        self._record(now_ns, "absence", client_id=client_id, proved=proved)
        if proved:
            self._account(self._ledger.absent(client_id, now_ns), now_ns)
        else:
            self._ledger.missed(client_id, now_ns)
            self._account(NOTHING, now_ns)

    def fills_missing(self, client_id: str, now_ns: int) -> None:
        """Reported fills of a closed order never were."""
        self._record(now_ns, "fills_missing", client_id=client_id)
        self._account(self._ledger.fills_missing(client_id), now_ns)

    def adopt_position(self, qty: int, now_ns: int) -> None:
        """Follow the venue's position after an operator said so; the difference is external."""
        self._record(now_ns, "adopt_position", qty=qty)
        self._ledger.adopt_position(qty)
        self._refresh(now_ns)

    def fills_pulled(self, until_ns: int, now_ns: int) -> None:
        """Executions were read from the watermark on, up to this venue time."""
        self._record(now_ns, "fills_pulled", until_ns=until_ns)
        self._ledger.fills_pulled(until_ns)

    def compared(self, difference: int, now_ns: int) -> None:
        """Take one comparison of positions, venue minus ours."""
        self._record(now_ns, "compared", difference=difference)
        self._risk.on_difference(difference)

    def explained(self, now_ns: int) -> None:
        """An operator settled what only an operator can."""
        self._record(now_ns, "explained")
        self._halts.recorded(lambda: self._risk.explained(now_ns), now_ns)
