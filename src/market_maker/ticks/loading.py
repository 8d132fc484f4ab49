"""Recordings as arrays: whole folders, several files of a market, a span of time.

Owns which files belong together and what of them would be read twice. Refuses to judge the data. What
always holds: what comes out begins with all that is needed to follow the market, the book included.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from market_maker.core.events import BookSnapshot
from market_maker.kernels import book as kernel
from market_maker.kernels.book_rows import NO_BOOK, follow_rows
from market_maker.ticks.columns import (
    BRIDGE,
    FEED_NUMBERS,
    Kind,
    PublicEvent,
    Ticks,
    events_of,
    joined,
    message_ends,
)
from market_maker.ticks.feed_states import endings, states_of
from market_maker.ticks.folder import PARQUET, RAW, own_files
from market_maker.ticks.foreign import NOTHING_GIVEN, Given
from market_maker.ticks.opening import open_recording
from market_maker.ticks.packing import ticks_of
from market_maker.ticks.parquet_file import Extent, Recording, TicksFileError

NOT_RECORDED: Final = "recording: interrupted"
"""Detail of the states between two files of which the second does not continue the first."""

_BOOK_LEVELS: Final = 5_000
"""Levels a side that a bridge carries on."""


def files_of(path: Path) -> list[Path]:
    """The recordings at a path: the file itself, or those of a folder, oldest first."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(f"*{PARQUET}"))
    if not found and own_files(path, RAW):
        raise TicksFileError(
            f"{path} holds no finished recording: end the session that records there or, if it crashed, "
            "give the data directory to `record recover`"
        )
    if not found:
        raise TicksFileError(f"{path} holds no recordings: no file there ends in {PARQUET}")
    return found


def load(
    paths: Sequence[Path],
    from_ns: int | None = None,
    to_ns: int | None = None,
    *,
    text: bool = True,
    given: Given = NOTHING_GIVEN,
) -> tuple[Recording, Ticks]:
    """Files of one market as one, from `from_ns` up to before `to_ns`; raises TicksFileError.

    What a file repeats of the one that it continues is left out. If a span begins within the data,
    what was known by then comes first, as if it had just been told. What a foreign layout does not say is `given`.
    """
    files = [_opened(path, given, text=text) for path in paths]
    if not files:
        raise TicksFileError("no recordings were given")
    files.sort(key=lambda file: (file[0].extent.first_ns, file[0].header.part))
    before = first = files[0][0]
    parts = [files[0][1]]
    for info, ticks in files[1:]:
        _refuse_mixture(first, info)
        if _continues(before, info):
            parts.append(_without_bridge(ticks))
        else:
            parts += [endings(states_of(parts[-1]), before.extent.last_ns, NOT_RECORDED), ticks]
        before = info
    whole = span(joined(parts), from_ns, to_ns)
    if not len(whole):
        raise TicksFileError(f"{first.path}: nothing was recorded in the span asked for")
    extent = Extent(len(whole), int(whole.recv_ns[0]), int(whole.recv_ns[-1]))
    return msgspec.structs.replace(first, extent=extent), whole


def _opened(path: Path, given: Given, *, text: bool) -> tuple[Recording, Ticks]:
    recording = open_recording(path, given, text=text)
    return recording.info, recording.ticks


def _refuse_mixture(first: Recording, other: Recording) -> None:
    names = first.header.market, other.header.market
    if names[0] != names[1]:
        raise TicksFileError(
            f"{first.path} is of {names[0]} and {other.path} of {names[1]}: choose files of one market (or, if "
            "they are of one, name it by --market)"
        )
    if other.header.instrument.units != first.header.instrument.units:
        raise TicksFileError(
            f"{first.path} and {other.path} are of different markets or units: choose files of one market, or give "
            "--tick and --lot where they were inferred"
        )


def _continues(before: Recording, after: Recording) -> bool:
    then, now = before.header, after.header
    return (then.market, then.session, then.part + 1) == (now.market, now.session, now.part)


def _without_bridge(ticks: Ticks) -> Ticks:
    bridge = (ticks.flags & BRIDGE) != 0
    return ticks.picked(~bridge) if bridge.any() else ticks


def span(ticks: Ticks, from_ns: int | None, to_ns: int | None) -> Ticks:
    """Rows received from `from_ns` up to before `to_ns`, behind a bridge to where they begin."""
    stop = len(ticks) if to_ns is None else int(np.searchsorted(ticks.recv_ns, to_ns))
    start = 0 if from_ns is None else min(stop, int(np.searchsorted(ticks.recv_ns, from_ns)))
    ends = message_ends(ticks.flags[:start])
    start = int(ends[-1]) if len(ends) else 0  # a message under way belongs to the span
    if not 0 < start < stop:
        return ticks.part(start, stop)
    return joined((bridge_at(ticks, start), ticks.part(start, stop)))


def bridge_at(ticks: Ticks, row: int) -> Ticks:
    """What a follower knows before `row`, dated as that row: feeds' states, the book, the funding."""
    now_ns = int(ticks.recv_ns[row])
    kind, price = ticks.kind[:row], ticks.price[:row]
    places = [_last((kind == Kind.STATUS) & (price == feed)) for feed in FEED_NUMBERS.values()]
    places.append(_last(kind == Kind.FUNDING))
    chosen = np.zeros(len(ticks), np.bool_)
    chosen[[place for place in places if place >= 0]] = True
    known: list[PublicEvent] = list(events_of(ticks.picked(chosen)))
    state = kernel.new_book(_BOOK_LEVELS)
    columns = (ticks.kind, ticks.side, ticks.price, ticks.qty, ticks.seq, ticks.flags)
    seq = follow_rows(state, *columns, row)
    if seq != NO_BOOK:
        bids, asks = kernel.levels(state, 1), kernel.levels(state, -1)
        known.append(BookSnapshot(now_ns, int(ticks.venue_ns[row]), seq, bids, asks))
    return ticks_of(msgspec.structs.replace(event, recv_ns=now_ns) for event in known)


def _last(where: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """The last place where something holds, -1 if nowhere."""
    places = np.flatnonzero(where)
    return int(places[-1]) if len(places) else -1
