"""Sessions on disk: a folder with `session.json` and one Parquet file a table.

Owns the layout. Integers stay integers, money is decimal(38, 18), so that what is read back equals what was written, and
any tool that reads Parquet reads it. A folder appears whole or not at all. Refuses to know what a session means.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from market_maker.backtest.session import (
    ENDS,
    KINDS,
    RESULTS,
    About,
    BandFills,
    Commands,
    Equity,
    Fills,
    GateTime,
    Ints,
    Money,
    Orders,
    Quotes,
    ReasonTime,
    Requests,
    Session,
    Touch,
)
from market_maker.core.errors import UnusableError
from market_maker.core.queue_estimates import Estimate

FORMAT: Final = 1
"""Grows when older files can no longer be read."""

FOLDER: Final = "session"
"""Name of the saved session beside its report."""

HEAD: Final = "session.json"

_CODED: Mapping[str, Sequence[str]] = {"end": ENDS, "kind": KINDS, "result": RESULTS}
_MONEY = pa.decimal128(38, 18)
_WIDTH = 16

_Table = TypeVar("_Table", bound=msgspec.Struct)


class _Head(msgspec.Struct, frozen=True):
    """What stands in `session.json`."""

    format: int
    about: About
    reasons: tuple[ReasonTime, ...]
    gates: tuple[GateTime, ...]
    decisions: dict[str, int]
    refusals: dict[str, int]
    bands: tuple[Estimate, ...]


def save_session(session: Session, folder: Path) -> None:
    """Write a session; what stood in the folder is replaced once the new one is complete."""
    aside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    head = _Head(
        FORMAT,
        session.about,
        session.reasons,
        session.gates,
        dict(session.decisions),
        dict(session.refusals),
        tuple(session.bands),
    )
    for name in _TABLES:
        _write(getattr(session, name), aside / f"{name}.parquet")
    for estimate, fills in session.bands.items():
        _write(fills, aside / _band_file(estimate))
    (aside / HEAD).write_bytes(msgspec.json.format(msgspec.json.encode(head), indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def load_session(folder: Path) -> Session:
    """Read a session; UnusableError says what is missing or damaged."""
    try:
        written = (folder / HEAD).read_bytes()
    except OSError:
        raise UnusableError(
            f"{folder} holds no session: it has no {HEAD}; name the folder that a run wrote"
        ) from None
    version = _version(written, folder)
    if version != FORMAT:
        raise UnusableError(
            f"{folder / HEAD} is in format {version}, this version reads {FORMAT}: write it again"
        )
    try:
        head = msgspec.json.decode(written, type=_Head)
    except msgspec.DecodeError as error:
        raise UnusableError(f"{folder / HEAD} is damaged: {error}") from None
    return Session(
        about=head.about,
        reasons=head.reasons,
        gates=head.gates,
        decisions=head.decisions,
        refusals=head.refusals,
        bands={each: _read(BandFills, folder / _band_file(each)) for each in head.bands},
        fills=_read(Fills, folder / "fills.parquet"),
        orders=_read(Orders, folder / "orders.parquet"),
        quotes=_read(Quotes, folder / "quotes.parquet"),
        touch=_read(Touch, folder / "touch.parquet"),
        equity=_read(Equity, folder / "equity.parquet"),
        commands=_read(Commands, folder / "commands.parquet"),
        requests=_read(Requests, folder / "requests.parquet"),
    )


_TABLES = ("fills", "orders", "quotes", "touch", "equity", "commands", "requests")


def _band_file(estimate: Estimate) -> str:
    return f"fills_{estimate.value}.parquet"


def _version(written: bytes, folder: Path) -> object:
    try:
        return msgspec.json.decode(written, type=dict[str, Any]).get("format")
    except msgspec.DecodeError as error:
        raise UnusableError(f"{folder / HEAD} is damaged: {error}") from None


def _write(table: msgspec.Struct, path: Path) -> None:
    columns: dict[str, pa.Array] = {}
    for name, kind in get_type_hints(type(table)).items():
        values = getattr(table, name)
        if kind == Money:
            columns[name] = _money_array(values)
        elif name in _CODED:
            codes = pa.array(values.astype(np.int8))
            columns[name] = pa.DictionaryArray.from_arrays(codes, list(_CODED[name]))
        else:
            columns[name] = pa.array(values, pa.int64() if kind == Ints else pa.string())
    pq.write_table(pa.table(columns), path, compression="zstd")


def _read(kind: type[_Table], path: Path) -> _Table:
    """One table; every column that this version knows must be there."""
    hints = get_type_hints(kind)
    if not path.exists():
        raise UnusableError(
            f"{path} is missing: an older version wrote it, or it was lost; write the session again"
        )
    try:
        table = pq.read_table(path, columns=list(hints), memory_map=False)
        missing = set(hints) - set(table.column_names)
        if missing:
            raise UnusableError(f"{path} lacks the columns {', '.join(sorted(missing))}")
        return kind(**{name: _values(table, name, hint) for name, hint in hints.items()})
    except (OSError, pa.ArrowException) as error:
        raise UnusableError(f"{path} cannot be read: {error}") from None


def _values(table: pa.Table, name: str, hint: object) -> Ints | Money | tuple[str, ...]:
    column = table.column(name).combine_chunks()
    if hint == Money:
        return _money_of(column)
    if name in _CODED:
        known = {value: code for code, value in enumerate(_CODED[name])}
        texts = column.to_pylist()
        return np.array([known[text] for text in texts], dtype=np.int64)
    if hint == Ints:
        return np.ascontiguousarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)
    return tuple(column.to_pylist())


def _money_array(values: Money) -> pa.Array:
    raw = b"".join(value.to_bytes(_WIDTH, "little", signed=True) for value in values)
    return pa.Array.from_buffers(_MONEY, len(values), [None, pa.py_buffer(raw)])


def _money_of(column: pa.Array) -> Money:
    raw = column.buffers()[1].to_pybytes() if len(column) else b""
    first = column.offset * _WIDTH
    return tuple(
        int.from_bytes(raw[at : at + _WIDTH], "little", signed=True)
        for at in range(first, first + len(column) * _WIDTH, _WIDTH)
    )
