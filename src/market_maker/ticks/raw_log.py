"""The raw log of a recording under way: rows as they came, each block with its checksum.

Owns the bytes. Refuses to know threads and names. What always holds: what is read back is a prefix of
what was written, whole blocks only, wherever the file was cut or damaged.

    file  = head, block, block, ...
    head  = MAGIC, length and CRC-32 of the JSON header, the header
    block = mark, rows, bytes of text, CRC-32 of all the rest, the rows, the text
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from market_maker.ticks.columns import ROW, Ticks
from market_maker.ticks.header import Header
from market_maker.ticks.packing import unpacked

MAGIC: Final = b"mmticks1"
_HEAD: Final = struct.Struct("<8sII")
_BLOCK: Final = struct.Struct("<4sIII")
_MARK: Final = b"rows"


def head_bytes(header: Header) -> bytes:
    """The beginning of a raw log."""
    said = msgspec.json.encode(header)
    return _HEAD.pack(MAGIC, len(said), zlib.crc32(said)) + said


def block_bytes(rows: bytes | bytearray, text: bytes | bytearray) -> bytes:
    """What stands before the rows and the text of a block."""
    count = len(rows) // ROW.itemsize
    sizes = _BLOCK.pack(_MARK, count, len(text), 0)
    crc = zlib.crc32(text, zlib.crc32(rows, zlib.crc32(sizes)))
    return _BLOCK.pack(_MARK, count, len(text), crc)


def read_head(content: bytes) -> tuple[Header, int] | None:
    """The header and where the blocks begin; None where it is damaged or cut short."""
    if len(content) < _HEAD.size:
        return None
    magic, size, crc = _HEAD.unpack_from(content)
    said = content[_HEAD.size : _HEAD.size + size]
    if magic != MAGIC or len(said) != size or zlib.crc32(said) != crc:
        return None
    try:
        return msgspec.json.decode(said, type=Header), _HEAD.size + size
    except (msgspec.DecodeError, ValueError):
        return None


class RawLog:
    """A raw log that is read; `torn` says after reading that something behind the rows was cut."""

    def __init__(self, path: Path) -> None:
        """Read the head; `header` is None where it is damaged."""
        self._path = path
        self.torn = False
        with path.open("rb") as file:
            size, longest = _HEAD.size, path.stat().st_size
            start = file.read(size)
            if len(start) == size:
                start += file.read(min(_HEAD.unpack(start)[1], longest))
        head = read_head(start)
        self.header = None if head is None else head[0]
        self._begin = 0 if head is None else head[1]

    def blocks(self) -> Iterator[Ticks]:
        """Every whole block up to the first that is damaged."""
        with self._path.open("rb") as file:
            file.seek(self._begin)
            while start := file.read(_BLOCK.size):
                ticks = None
                if len(start) == _BLOCK.size:
                    mark, count, text_bytes, crc = _BLOCK.unpack(start)
                    rows_bytes = count * ROW.itemsize
                    if mark == _MARK and rows_bytes + text_bytes <= self._path.stat().st_size:
                        ticks = _block(file.read(rows_bytes + text_bytes), start, rows_bytes, crc)
                if ticks is None:
                    self.torn = True
                    return
                yield ticks


def _block(content: bytes, start: bytes, rows_bytes: int, crc: int) -> Ticks | None:
    _, count, text_bytes, _ = _BLOCK.unpack(start)
    sizes = _BLOCK.pack(_MARK, count, text_bytes, 0)
    if len(content) != rows_bytes + text_bytes or zlib.crc32(content, zlib.crc32(sizes)) != crc:
        return None
    return unpacked(memoryview(content)[:rows_bytes], memoryview(content)[rows_bytes:])
