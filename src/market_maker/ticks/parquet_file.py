"""One recording as a Parquet file: columns, and what they count in as metadata.

Owns the file's layout, encodings and metadata. Refuses to know when files are begun, named and removed,
and whether what they say is plausible. What always holds: what is read back is what was written, row by
row; a file that is not whole or not ours is refused with its name and a remedy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from market_maker.core.errors import UnusableError
from market_maker.ticks.columns import COLUMNS, ROW, Ticks, joined
from market_maker.ticks.header import FORMAT, Header

_T = TypeVar("_T")

HEADER_KEY: Final = b"market_maker.ticks"
EXTENT_KEY: Final = b"market_maker.extent"

ROW_GROUP: Final = 131_072
"""Rows that are compressed together."""

_LEVEL: Final = 3
_DELTA: Final = "DELTA_BINARY_PACKED"
_RISING: Final = ("recv_ns", "venue_ns", "seq", "ref")
_REPEATING: Final = ("kind", "side", "flags", "price", "qty")

_SCHEMA: Final = pa.schema(
    [pa.field(name, pa.from_numpy_dtype(ROW[name]), nullable=False) for name in COLUMNS]
    + [pa.field("text", pa.string())]
)


class TicksFileError(UnusableError):
    """A file that is no whole recording of ours."""


class Extent(msgspec.Struct, frozen=True):
    """How much a recording holds: rows, and when the first and the last were received."""

    rows: int
    first_ns: int
    last_ns: int


class Recording(msgspec.Struct, frozen=True):
    """What a file says of itself."""

    path: Path
    header: Header
    extent: Extent


class FileWriter:
    """Writes a file piece by piece; it is readable only after `close`."""

    def __init__(self, path: Path, header: Header) -> None:
        """Create or replace `path`; raises OSError like every other method."""
        self._rows = 0
        self._first_ns = 0
        self._last_ns = 0
        self._waiting: list[Ticks] = []
        self._waiting_rows = 0
        metadata = {HEADER_KEY: msgspec.json.encode(header)}
        self._writer = pq.ParquetWriter(
            path,
            _SCHEMA.with_metadata(metadata),
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=list(_REPEATING),
            column_encoding=dict.fromkeys(_RISING, _DELTA),
            write_page_checksum=True,
        )

    def write(self, ticks: Ticks) -> None:
        """Append rows; they are compressed once there are enough of them."""
        if not len(ticks):
            return
        if not self._rows:
            self._first_ns = int(ticks.recv_ns[0])
        self._last_ns = int(ticks.recv_ns[-1])
        self._rows += len(ticks)
        self._waiting.append(ticks)
        self._waiting_rows += len(ticks)
        if self._waiting_rows >= ROW_GROUP:
            self._compress()

    def close(self) -> None:
        """Write what waits, the extent and the footer."""
        self._compress()
        extent = Extent(self._rows, self._first_ns, self._last_ns)
        self._writer.add_key_value_metadata({EXTENT_KEY: msgspec.json.encode(extent)})
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that will not be finished."""
        self._waiting.clear()
        with contextlib.suppress(OSError, pa.ArrowException):
            self._writer.close()

    def _compress(self) -> None:
        if not self._waiting:
            return
        ticks = joined(self._waiting)
        self._waiting.clear()
        self._waiting_rows = 0
        arrays = [pa.array(getattr(ticks, name)) for name in COLUMNS]
        table = pa.Table.from_arrays([*arrays, _word_column(ticks)], schema=_SCHEMA)
        self._writer.write_table(table, row_group_size=ROW_GROUP)


def write_file(path: Path, header: Header, ticks: Ticks) -> None:
    """Write one whole file."""
    writer = FileWriter(path, header)
    writer.write(ticks)
    writer.close()


def read_info(path: Path) -> Recording:
    """What a file says of itself; raises TicksFileError."""
    return _guarded(path, lambda: _recording(path, _opened(path)))


def is_ours(path: Path) -> bool:
    """Whether a Parquet file says what our recordings say of themselves; raises TicksFileError."""
    return _guarded(path, lambda: HEADER_KEY in (pq.read_schema(path).metadata or {}))


def read_file(path: Path, *, text: bool = True) -> tuple[Recording, Ticks]:
    """A whole file; raises TicksFileError. Without `text` events cannot be rebuilt exactly."""

    def read() -> tuple[Recording, Ticks]:
        file = _opened(path)
        info = _recording(path, file)
        names = [*COLUMNS, "text"] if text else list(COLUMNS)
        return info, _read(file, info.extent.rows, names)

    return _guarded(path, read)


def _opened(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, page_checksum_verification=True)


def _recording(path: Path, file: pq.ParquetFile) -> Recording:
    metadata = file.metadata.metadata or {}
    missing = [name for name in _SCHEMA.names if name not in file.schema_arrow.names]
    if HEADER_KEY not in metadata or EXTENT_KEY not in metadata:
        raise TicksFileError(f"{path} is no recording of ours: it does not say what it counts in")
    if missing:
        raise TicksFileError(f"{path} lacks the columns {', '.join(missing)}")
    for field in _SCHEMA:
        found = file.schema_arrow.field(field.name).type
        if found != field.type:
            raise TicksFileError(f"{path}: the column {field.name} is {found}, not {field.type}")
    version = msgspec.json.decode(metadata[HEADER_KEY], type=_Version).format
    if version != FORMAT:
        raise TicksFileError(
            f"{path} has format {version}, this version reads {FORMAT}: read it with a newer one"
        )
    header = msgspec.json.decode(metadata[HEADER_KEY], type=Header)
    extent = msgspec.json.decode(metadata[EXTENT_KEY], type=Extent)
    if extent.rows != file.metadata.num_rows:
        raise TicksFileError(f"{path} holds {file.metadata.num_rows} rows, not {extent.rows}")
    return Recording(path, header, extent)


class _Version(msgspec.Struct, frozen=True):
    format: int


def _guarded(path: Path, read: Callable[[], _T]) -> _T:
    """Read, and say what is wrong with the file if it cannot be read."""
    try:
        return read()
    except FileNotFoundError as error:
        raise TicksFileError(f"there is no file {path}") from error
    except (pa.ArrowException, msgspec.MsgspecError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise TicksFileError(
            f"{path} cannot be read as a recording ({reason}): it is damaged or was not finished; "
            "`record recover` rebuilds what still has its raw log"
        ) from error


def _word_column(ticks: Ticks) -> pa.Array:
    """The texts as a column; few rows have one, and no Python runs for the others."""
    places = np.zeros(len(ticks), np.int32)
    absent = np.ones(len(ticks), np.bool_)
    rows = list(ticks.text)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    absent[rows] = False
    if not rows:
        return pa.nulls(len(ticks), pa.string())
    words = pa.array(list(ticks.text.values()), pa.string())
    return words.take(pa.array(places, mask=absent))


def _read(file: pq.ParquetFile, rows: int, names: list[str]) -> Ticks:
    """The columns, a row group at a time: its pages are still in the cache when they are copied."""
    columns = {name: np.empty(rows, ROW[name]) for name in COLUMNS}
    text: dict[int, str] = {}
    start = 0
    for batch in file.iter_batches(ROW_GROUP, columns=names):
        stop = start + batch.num_rows
        for name in COLUMNS:
            columns[name][start:stop] = batch.column(name).to_numpy()
        if "text" in names:
            text.update((start + row, words) for row, words in _words(batch.column("text")).items())
        start = stop
    return Ticks(**columns, text=text)


def _words(column: pa.Array) -> dict[int, str]:
    if column.null_count == len(column):
        return {}
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    return dict(zip(rows.tolist(), column.drop_null().to_pylist(), strict=True))
