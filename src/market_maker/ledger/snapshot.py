"""The ledger's memory as bytes.

JSON, because money exceeds 64 bits; one struct, so that adding a field with a default keeps old
snapshots readable. Refuses to know when and where snapshots are kept.
"""

from __future__ import annotations

import msgspec

from market_maker.core.errors import UnusableError
from market_maker.core.events import Fill
from market_maker.ledger.attribution import AttributionState
from market_maker.ledger.fills import SeenFill
from market_maker.ledger.markouts import MarkoutState
from market_maker.ledger.orders import OrderRecord
from market_maker.ledger.position import PositionState


class FillTotals(msgspec.Struct):
    """How much we traded, and how much of it took liquidity.

    `leaked` is what post-only orders took, which their venue should have refused.
    """

    fills: int = 0
    taker_fills: int = 0
    notional: int = 0
    taker_notional: int = 0
    leaked_fills: int = 0
    leaked_notional: int = 0

    def count(self, notional: int, *, taker: bool) -> None:
        """Add one fill."""
        self.fills += 1
        self.notional += notional
        if taker:
            self.taker_fills += 1
            self.taker_notional += notional

    def leak(self, notional: int) -> None:
        """Note that one of the fills took although its order was post-only."""
        self.leaked_fills += 1
        self.leaked_notional += notional

    @property
    def taker_share(self) -> float:
        """Share of the traded notional that took, 0 before the first fill."""
        return self.taker_notional / self.notional if self.notional else 0.0

    @property
    def leaked_share(self) -> float:
        """Share of the traded notional at which post-only orders took."""
        return self.leaked_notional / self.notional if self.notional else 0.0


class LedgerState(msgspec.Struct, kw_only=True):
    """Everything that a restart must not forget; `units` are those of the instrument."""

    units: tuple[str, ...] = ()
    position: PositionState = msgspec.field(default_factory=PositionState)
    attribution: AttributionState = msgspec.field(default_factory=AttributionState)
    markouts: MarkoutState | None = None
    orders: list[OrderRecord] = []
    seen: dict[str, SeenFill] = {}
    payments: dict[str, int] = {}
    parked: list[Fill] = []
    watermark_ns: int = 0
    mid2: int = 0
    now_ns: int = 0
    last_fill_ns: int = 0
    history: dict[str, int] = {}
    opened_ns: int = 0
    totals: FillTotals = msgspec.field(default_factory=FillTotals)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(LedgerState)


def encode_state(state: LedgerState) -> bytes:
    """Bytes of a snapshot."""
    return _ENCODER.encode(state)


def decode_state(data: bytes) -> LedgerState:
    """Snapshot of bytes; raises UnusableError for anything else."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        msg = f"ledger snapshot cannot be read: {error}"
        raise UnusableError(msg) from error


def counts_in(data: bytes, units: tuple[str, ...]) -> bool:
    """Whether a snapshot counts in these units; one that does not say is taken to."""
    return decode_state(data).units in ((), units)
