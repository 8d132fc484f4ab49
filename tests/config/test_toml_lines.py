from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.config.toml_lines import key_lines

NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.sampled_from(["SOL-USD", "BTC/USDT:USDT", "a.b", "with space", "x=y", "#no"]),
)
VALUES = st.sampled_from(
    [
        "1",
        '"text"',
        '"a # b = c"',
        "'[x]'",
        "[1, 2]",
        "[\n  1, # one ]\n  2,\n]",
        "{ inner = 1 }",
        '"""\nk = 1\n[t]\n"""',
        "'''\n[z]\n'''",
        "true  # why",
    ]
)
TABLES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.dictionaries(NAMES, VALUES, max_size=4),
    max_size=5,
)


def _quoted(path: tuple[str, ...]) -> str:
    return ".".join(json.dumps(part) for part in path)


@given(top=st.dictionaries(NAMES, VALUES, max_size=4), tables=TABLES)
@settings(max_examples=100, deadline=None)
def test_every_key_is_found_on_its_own_line(
    top: dict[str, str], tables: dict[tuple[str, ...], dict[str, str]]
) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}

    def write(path: tuple[str, ...], keys: dict[str, str]) -> None:
        for name, value in keys.items():
            lines.append(f"{_quoted((name,))} = {value}")
            expected[*path, name] = sum(line.count("\n") + 1 for line in lines[:-1]) + 1

    write((), top)
    for path, keys in tables.items():
        lines.append(f"[{_quoted(path)}] # a table")
        expected[path] = sum(line.count("\n") + 1 for line in lines[:-1]) + 1
        write(path, keys)
    text = "\n".join(lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a name that is both a value and a table
    assert key_lines(text) == expected


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a.b.c = 1", ("a", "b", "c"), 1),
        ("\n[x]\n  y = 1", ("x", "y"), 3),
        ("[[x]]\ny = 1", ("x", "y"), 2),
        ("# y = 1\ny = 2", ("y",), 2),
        ('[markets."SOL-USD".risk]\nz = 1', ("markets", "SOL-USD", "risk", "z"), 2),
    ],
)
def test_forms_that_people_write(text: str, key: tuple[str, ...], line: int) -> None:
    assert key_lines(text)[key] == line
