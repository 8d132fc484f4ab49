"""Where in a TOML text each key stands, since the standard reader does not say.

Reads the text a second time, line by line, after the standard library has accepted it; so it may assume
valid TOML and only has to follow headers, keys, brackets and multi-line strings.
"""

from __future__ import annotations

import re
import tomllib

Path_ = tuple[str, ...]

_HEADER = re.compile(r"\s*\[\[?(?P<key>[^\[\]]+)\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(
    r"\s*(?P<key>(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
    r"(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*'))*)\s*=(?P<value>.*)$"
)
_STRING_OR_COMMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*$")
_MULTILINE = ('"""', "'''")


def key_lines(text: str) -> dict[Path_, int]:
    """Line number, from 1, of every key and table that a line of the text names."""
    lines: dict[Path_, int] = {}
    table: Path_ = ()
    depth = 0
    quote = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quote:
            quote = "" if quote in line else quote
            continue
        value = line
        if depth == 0:
            header = _HEADER.match(line)
            if header is not None:
                table = _parts(header["key"])
                lines.setdefault(table, number)
                continue
            assignment = _ASSIGNMENT.match(line)
            if assignment is None:
                continue
            lines.setdefault((*table, *_parts(assignment["key"])), number)
            value = assignment["value"]
        quote = _opened_quote(value)
        if not quote:
            depth += _bracket_depth(value)
    return lines


def _parts(key: str) -> Path_:
    """Split a dotted, possibly quoted key by letting the standard reader do it."""
    node: object = tomllib.loads(f"{key.strip()} = 0")
    parts: list[str] = []
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        parts.append(name)
    return tuple(parts)


def _opened_quote(value: str) -> str:
    for quote in _MULTILINE:
        if value.count(quote) % 2:
            return quote
    return ""


def _bracket_depth(value: str) -> int:
    bare = _STRING_OR_COMMENT.sub("", value)
    return sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")
