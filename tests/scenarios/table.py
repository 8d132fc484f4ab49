"""The table of scenarios: which test proves which row.

Rows and their titles stand in `rows.toml`, claims in `@pytest.mark.scenario("SC07")` on the tests,
read from their syntax trees, and rows that cannot apply in `not_applicable.toml`. Run as a script
it writes `README.md`.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
README = HERE / "README.md"

_HEAD = """# Scenarios

Failures that market makers have had, and the tests that arrange them and assert the right
behaviour. Written by `python tests/scenarios/table.py`; edit the tests and the `.toml` files.

| id | scenario | proof |
|---|---|---|
"""


def titles() -> dict[str, str]:
    return _texts("rows.toml")


def not_applicable() -> dict[str, str]:
    return _texts("not_applicable.toml")


def claims() -> dict[str, list[tuple[str, str]]]:
    """For each claimed row its tests: path from here and name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(HERE.parent.rglob("test_*.py")):
        link = path.relative_to(HERE.parent).as_posix()
        for name, row in claimed(path.read_text(encoding="utf-8")):
            found.setdefault(row, []).append((f"../{link}", name))
    return found


def claimed(source: str) -> Iterator[tuple[str, str]]:
    """Tests and the rows that their decorators claim."""
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.scenario":
                for row in mark.args:
                    yield node.name, str(ast.literal_eval(row))


def render() -> str:
    claimed_by, excused = claims(), not_applicable()
    lines = []
    for row, title in titles().items():
        tests = [f"[{Path(path).name}::{name}]({path})" for path, name in claimed_by.get(row, ())]
        if row in excused:
            tests.append(f"Cannot apply: {excused[row]}")
        lines.append(f"| {row} | {title} | {'<br>'.join(tests)} |\n")
    return _HEAD + "".join(lines)


def _texts(name: str) -> dict[str, str]:
    with (HERE / name).open("rb") as file:
        return {row: str(text) for row, text in tomllib.load(file).items()}


if __name__ == "__main__":
    README.write_text(render(), encoding="utf-8")
