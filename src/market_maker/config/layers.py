"""Values of one source as a nested mapping that knows where each of them was written.

Owns reading files and laying one source over another; refuses to know what a value means.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from market_maker.config.keys import KeyPath
from market_maker.config.problems import Problem
from market_maker.config.toml_lines import key_lines

Tree = dict[str, object]

_LARGEST = 1_000_000
"""Bytes of the largest file that is read: nobody writes such settings."""

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)")


class Layer(msgspec.Struct):
    """Values of one source, the origin of each leaf, and where tables begin."""

    values: Tree
    origins: dict[KeyPath, str]
    tables: dict[KeyPath, str] = {}

    def put_over(self, base: Layer) -> Layer:
        """Both, this one winning key by key."""
        return Layer(
            merged(base.values, self.values),
            {**base.origins, **self.origins},
            {**base.tables, **self.tables},
        )


def read_file(path: Path, problems: list[Problem]) -> Layer:
    """One TOML file; what is wrong with it goes to `problems`."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)  # a device may never end
        if len(content) > _LARGEST:
            problems.append(Problem(str(path), f"is larger than {_LARGEST} bytes"))
            return Layer({}, {})
        text = content.decode()
        values = tomllib.loads(text)
    except OSError as error:
        problems.append(Problem(str(path), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "is not UTF-8 text"))
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _PLACE.search(said)
        line = (place and place["line"]) or len(text.splitlines())
        problems.append(Problem(f"{path}:{line}", f"is not valid TOML: {_PLACE.sub('', said)}"))
    else:
        lines = key_lines(text)
        origins = {key: f"{path}:{_line(lines, key)}" for key, _ in flatten(values)}
        tables = {key: f"{path}:{line}" for key, line in lines.items() if key not in origins}
        return Layer(values, origins, tables)
    return Layer({}, {})


def from_flags(flags: Mapping[KeyPath, tuple[str, object]]) -> Layer:
    """Command-line options that set a key, each with the option's name."""
    layer = Layer({}, {})
    for key, (option, value) in flags.items():
        values: object = value
        for part in reversed(key):
            values = {part: values}
        layer = Layer(values, {key: option}).put_over(layer)  # type: ignore[arg-type]  # key is not empty
    return layer


def merged(base: Mapping[str, object], over: Mapping[str, object]) -> Tree:
    """`base` with every leaf of `over` put over it."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result


def flatten(tree: Mapping[str, object], prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every leaf with its path; an empty table is a leaf."""
    for key, value in tree.items():
        path = (*prefix, str(key))
        if isinstance(value, Mapping) and value:
            yield from flatten(value, path)
        else:
            yield path, value


def without(tree: Mapping[str, object], path: Sequence[str]) -> Tree:
    """The tree without one leaf."""
    result = dict(tree)
    head, *rest = path
    under = result.get(head)
    if not rest:
        result.pop(head, None)
    elif isinstance(under, Mapping):
        result[head] = without(under, rest)
    return result


def _line(lines: Mapping[KeyPath, int], key: KeyPath) -> int:
    for length in range(len(key), 0, -1):
        if key[:length] in lines:
            return lines[key[:length]]
    return 1
