"""Other people's recordings: a plain Parquet layout of market data, read into our columns.

Owns the layout (`ts_ns`, `exch_ts_ns`, `kind`, `side`, `price`, `qty`; kinds 1 level with its new total, 2 trade, 3 clear,
4 snapshot level, 5 best bid or offer), the plausibility of its units, and the instrument that fits it. Refuses to judge
what the rows tell. What always holds: a file is refused with the remedy, or becomes whole messages whose numbers are ours:
the layout has no sequence, so book messages and trades are numbered here and flagged `UNNUMBERED`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from market_maker.core.instrument import Instrument, InstrumentKind
from market_maker.ticks.columns import LAST, UNNUMBERED, Kind, Ticks
from market_maker.ticks.grid_inference import ENOUGH_DISTINCT, Floats, Step, infer_step, off_grid
from market_maker.ticks.header import header_of
from market_maker.ticks.parquet_file import Extent, Recording, TicksFileError

LAYOUT: Final = ("ts_ns", "exch_ts_ns", "kind", "side", "price", "qty")
_BAR: Final = frozenset({"open", "high", "low", "close"})
_MAGIC: Final = b"PAR1"
_UNITS: Final = (
    (1e11, "seconds", 10**9),
    (1e14, "milliseconds", 10**6),
    (1e17, "microseconds", 1000),
)
_SCALED: Final = 1e7
_MOST_QUANTA: Final = 2.0**53
_QUOTES: Final = "USDT|USDC|FDUSD|BUSD|USD|EUR"
_BAD: Final = -1
"""Quanta of a price or size that is no number; no gate lets it pass."""

Columns: TypeAlias = dict[str, NDArray[Any]]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of a recording that does not say it itself."""

    market: str | None = None
    tick: Decimal | None = None
    lot: Decimal | None = None
    inverse: bool = False
    maker_fee_rate: Decimal | None = None
    taker_fee_rate: Decimal | None = None


NOTHING_GIVEN: Final = Given()


class Opened(msgspec.Struct, frozen=True, eq=False):
    """A recording in our columns; if it did not say its grid, how that was found."""

    info: Recording
    ticks: Ticks
    tick: Step | None
    lot: Step | None
    off_grid_ns: NDArray[np.int64]
    """When rows came whose price or size had to be rounded."""


def check_parquet(path: Path) -> None:
    """Refuse what is no whole Parquet file, before a reader says it in its own words."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except FileNotFoundError as error:
        raise TicksFileError(f"there is no file {path}") from error
    except OSError as error:
        raise TicksFileError(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise TicksFileError(f"{path} is empty (0 bytes): copy or record it again")
    if head != _MAGIC:
        raise TicksFileError(f"{path} is no Parquet file: convert it to Parquet first")
    if tail != _MAGIC:
        raise TicksFileError(
            f"{path} is torn (its end is missing): copy it again, or rebuild a recording of ours "
            "with `record recover`"
        )


def read_foreign(path: Path, given: Given) -> Opened:
    """Read one file; raises TicksFileError."""
    check_parquet(path)
    raw = _read(path)
    _check_units(path, raw, given)
    tick = _step(path, raw, "price", given.tick, "--tick", "tick")
    lot = _step(path, raw, "qty", given.lot, "--lot", "lot")
    price, price_off = _quanta(path, raw["price"], tick.size, "tick")
    qty, qty_off = _quanta(path, raw["qty"], lot.size, "lot")
    kind, side = raw["kind"].astype(np.int8), raw["side"].astype(np.int8)
    columns: Columns = {
        "recv_ns": raw["ts_ns"],
        "venue_ns": raw["exch_ts_ns"],
        "kind": kind,
        "side": side,
        "price": price,
        "qty": qty,
    }
    rounded = raw["ts_ns"][price_off | qty_off]
    ticks = _as_messages(_without_idle_clears(_paired_best(columns)))
    name = given.market or path.stem
    instrument = _instrument(name, tick.size, lot.size, given)
    header = header_of(name, "foreign", "recorded", instrument, session=int(ticks.recv_ns[0]))
    extent = Extent(len(ticks), int(ticks.recv_ns[0]), int(ticks.recv_ns[-1]))
    return Opened(Recording(path, header, extent), ticks, tick, lot, rounded)


def _read(path: Path) -> Columns:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise TicksFileError(f"{path} is damaged ({reason}): copy it again") from error
    missing = [name for name in LAYOUT if name not in table.column_names]
    if missing and _BAR.issubset(name.lower() for name in table.column_names):
        raise TicksFileError(
            f"{path} holds bars: what happened inside them is lost, so nothing can be filled on them; take recordings of "
            "book changes and trades"
        )
    if missing:
        raise TicksFileError(
            f"{path} lacks the columns {', '.join(missing)} (it has {', '.join(table.column_names)}); a "
            f"recording has {', '.join(LAYOUT)}"
        )
    if not table.num_rows:
        raise TicksFileError(f"{path} holds no rows")
    return {name: _column(path, name, table[name]) for name in LAYOUT}


def _column(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    whole = name not in ("price", "qty")
    fits = pa.types.is_integer(column.type) or (not whole and pa.types.is_floating(column.type))
    if not fits:
        wanted = "integers" if whole else "numbers"
        raise TicksFileError(f"{path}: column {name} holds {column.type}, not {wanted}: convert it")
    if column.null_count:
        raise TicksFileError(
            f"{path}: column {name} has {column.null_count} empty values: fill or drop those rows"
        )
    values = column.to_numpy().astype(np.int64 if whole else np.float64)
    return np.require(values, requirements=("C", "W"))


def _check_units(path: Path, raw: Columns, given: Given) -> None:
    for name in ("ts_ns", "exch_ts_ns"):
        times = raw[name][raw[name] != 0]
        middle = float(np.median(times)) if len(times) else 1e18
        for limit, unit, factor in _UNITS:
            if middle < limit:
                raise TicksFileError(
                    f"{path}: {name} is in {unit}, not nanoseconds (typically {middle:.0f}): multiply it "
                    f"by {factor}"
                )
    if not len(raw["ts_ns"][raw["ts_ns"] != 0]):
        raise TicksFileError(f"{path}: ts_ns is 0 throughout: it must hold the time of receipt")
    prices = raw["price"][np.isfinite(raw["price"])]
    top = float(prices.max(initial=0.0))
    if given.tick is None and top > _SCALED and not np.any(prices % 1.0):
        raise TicksFileError(
            f"{path}: prices are whole numbers of up to {top:.0f} and look scaled: divide them, or say by "
            "--tick that they are meant so"
        )


def _step(
    path: Path, raw: Columns, column: str, given: Decimal | None, option: str, name: str
) -> Step:
    used = np.isin(raw["kind"], (Kind.LEVEL, Kind.TRADE, Kind.SNAPSHOT, Kind.BEST))
    step = infer_step(raw[column][used], given)
    if step is None:
        raise TicksFileError(f"{path}: no {column} tells the {name}: give it by {option}")
    if given is None and step.distinct < ENOUGH_DISTINCT and column == "price":
        raise TicksFileError(
            f"{path}: only {step.distinct} different prices, too few to infer the {name}: give it by {option}"
        )
    if given is not None and step.off_grid > 0.01 * step.values:
        found = infer_step(raw[column][used])
        hint = f"; the data say {found.size:f}" if found is not None else ""
        raise TicksFileError(
            f"{path}: {step.off_grid:,} of {step.values:,} values of {column} are no multiples of the {name} "
            f"{given:f}{hint}: correct {option}"
        )
    return step


def _quanta(
    path: Path, values: Floats, size: Decimal, name: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Values as counts of quanta, and which had to be rounded."""
    finite = np.isfinite(values)
    steps = np.where(finite, values, 0.0) / float(size)
    if len(steps) and np.abs(steps).max() > _MOST_QUANTA:
        raise TicksFileError(
            f"{path}: values are too large to count in units of the {name} {size:f}"
        )
    quanta = np.rint(steps).astype(np.int64)
    quanta[~finite] = _BAD
    return quanta, off_grid(np.where(finite, values, 0.0), float(size))


def _picked(columns: Columns, rows: NDArray[np.int64]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _paired_best(columns: Columns) -> Columns:
    """Give each best price its other side: a message of ours always tells both."""
    best = columns["kind"] == Kind.BEST
    if not best.any():
        return columns
    side, recv = columns["side"], columns["recv_ns"]
    bid, ask = best & (side > 0), best & (side < 0)
    same = np.append((recv[:-1] == recv[1:]), [False])
    leads = bid & same & np.append(ask[1:], [False])
    follows = np.append([False], leads[:-1])
    lone = (bid | ask) & ~leads & ~follows
    if not lone.any():
        return columns
    n = len(recv)
    rows = np.repeat(np.arange(n), np.where(lone, 2, 1))
    second = np.append([False], rows[1:] == rows[:-1])
    first_of_two = np.append(second[1:], [False])
    partner = np.where(bid, _latest(ask, n), _latest(bid, n))[rows]
    added = np.where(bid[rows], second, first_of_two) & lone[rows]
    out = _picked(columns, rows)
    known = added & (partner >= 0)
    for name in ("price", "qty"):
        out[name][added] = 0
        out[name][known] = columns[name][partner[known]]
    out["side"][added] = -out["side"][added]
    return out


def _latest(chosen: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """For every row the latest chosen one up to it, -1 before the first."""
    return np.maximum.accumulate(np.where(chosen, np.arange(n), -1))


def _without_idle_clears(columns: Columns) -> Columns:
    """A snapshot replaces the book anyway: what clears it at the same moment says nothing."""
    kind, recv = columns["kind"], columns["recv_ns"]
    idle = np.append((kind[:-1] == Kind.CLEAR) & (kind[1:] == Kind.SNAPSHOT), [False])
    idle[:-1] &= recv[:-1] == recv[1:]
    return _picked(columns, np.flatnonzero(~idle)) if idle.any() else columns


def _as_messages(columns: Columns) -> Ticks:
    """Find where messages end, and number those that need a number."""
    recv, venue, kind = columns["recv_ns"], columns["venue_ns"], columns["kind"]
    changes = (recv[1:] != recv[:-1]) | (venue[1:] != venue[:-1]) | (kind[1:] != kind[:-1])
    alone = (kind == Kind.TRADE) | (kind == Kind.CLEAR)
    ends = np.append(changes, [True]) | alone | ((kind == Kind.BEST) & (columns["side"] < 0))
    book = (kind == Kind.LEVEL) | (kind == Kind.SNAPSHOT) | (kind == Kind.CLEAR)
    trade = kind == Kind.TRADE
    # Counted from the time, so that files of one market do not number alike.
    number = recv[0] + np.cumsum(ends & book) + (book & ~ends)
    named = recv[0] + np.cumsum(trade)
    seq = np.where(book, number, np.where(trade, named, 0)).astype(np.int64)
    ref = np.where(kind == Kind.LEVEL, number - 1, 0).astype(np.int64)
    flags = np.where(ends, LAST, 0) | np.where(book | trade, UNNUMBERED, 0)
    return Ticks(seq=seq, ref=ref, flags=flags.astype(np.uint8), text={}, **columns)


def _currencies(name: str) -> tuple[str, str]:
    """Base and quote of a market's name; joined, as venues do, where one ends in a usual quote currency."""
    words = [word for word in re.split(r"[-/:]", name.upper()) if word]
    if len(words) > 1:
        return words[0], words[1]
    joined = re.search(rf"(?:^|_)([A-Z0-9]+)({_QUOTES})(?:_|$)", name.upper())
    return (joined[1], joined[2]) if joined else (name, "QUOTE")


def _instrument(name: str, tick: Decimal, lot: Decimal, given: Given) -> Instrument:
    base, quote = _currencies(name)
    kind = InstrumentKind.INVERSE if given.inverse else InstrumentKind.LINEAR
    return Instrument(
        symbol=name,
        base=base,
        quote=quote,
        settle=base if given.inverse else quote,
        kind=kind,
        price_quantum=tick,
        qty_quantum=lot,
        maker_fee_rate=given.maker_fee_rate,
        taker_fee_rate=given.taker_fee_rate,
    )
