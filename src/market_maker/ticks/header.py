"""What a recording says of itself: whose market it is of, what its integers count, what it continues."""

from __future__ import annotations

from typing import Final

import msgspec

from market_maker import __version__
from market_maker.core.instrument import Instrument
from market_maker.core.units import Grid

FORMAT: Final = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is of. Files of one `session` continue each other in the order of `part`."""

    market: str
    venue: str
    mode: str
    instrument: Instrument
    session: int
    part: int = 0
    tick_size: str = ""
    lot_size: str = ""
    writer: str = __version__
    format: int = FORMAT


def header_of(
    market: str, venue: str, mode: str, instrument: Instrument, session: int, part: int = 0
) -> Header:
    """A header that also tells other programs the tick and the lot in plain numbers."""
    grid = Grid(instrument)
    return Header(
        market=market,
        venue=venue,
        mode=mode,
        instrument=instrument,
        session=session,
        part=part,
        tick_size=f"{grid.price_decimal(instrument.tick).normalize():f}",
        lot_size=f"{grid.qty_decimal(instrument.lot).normalize():f}",
    )
