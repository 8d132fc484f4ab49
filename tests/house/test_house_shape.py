"""House rules on shape: sizes, docstrings, leftovers, explained exceptions, who approves orders."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_maker.core.commands import Approved

ROOT = Path(__file__).parents[2] / "src" / "market_maker"
TESTS = Path(__file__).parents[1]
MODULES = sorted(ROOT.rglob("*.py"))
TEST_MODULES = sorted(TESTS.rglob("*.py"))

_LONGEST_MODULE = 500
_LONGEST_FUNCTION = 70

_COPIES = re.compile(r"(^|\.)(replace|__replace__)$")
_FIELDS = Approved.__struct_fields__
_LEFTOVER = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
_NOQA = re.compile(r"#\s*noqa\b(?!: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* - \S+)")
_IGNORE = re.compile(r"#\s*type:\s*ignore\b(?!\[[a-z, -]+\]\s+(#|-) ?\S+)")

Rule = Callable[[str], Iterator[str]]


def long_modules(source: str) -> Iterator[str]:
    """Modules that should be two."""
    lines = source.count("\n")
    if lines > _LONGEST_MODULE:
        yield f"{lines} lines"


def long_functions(source: str) -> Iterator[str]:
    """Functions that should be two."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > _LONGEST_FUNCTION:
                yield f"line {node.lineno}: {node.name} has {lines} lines"


def missing_docstrings(source: str) -> Iterator[str]:
    """Modules that do not say what they own."""
    if not ast.get_docstring(ast.parse(source)):
        yield "no module docstring"


def leftovers(source: str) -> Iterator[str]:
    """Work that somebody meant to do."""
    for number, line in enumerate(source.splitlines(), 1):
        if _LEFTOVER.search(line):
            yield f"line {number}: {line.strip()}"


def unexplained_exceptions(source: str) -> Iterator[str]:
    """Checks that were switched off without a word."""
    for number, line in enumerate(source.splitlines(), 1):
        if _NOQA.search(line) or _IGNORE.search(line):
            yield f"line {number}: {line.strip()}"


def approvals(source: str) -> Iterator[str]:
    """Whatever could make an `Approved` order: calls of it, with it, and copies with changes."""
    tree = ast.parse(source)
    aliases = ["Approved"]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            aliases += [a.asname for a in node.names if a.name == "Approved" and a.asname]
        elif isinstance(node, ast.Assign) and _is_approved(node.value, aliases):
            yield f"line {node.lineno}: another name for Approved"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if _is_approved(node.func, aliases):
            yield f"line {node.lineno}: constructs Approved"
        elif called != "isinstance" and any(_is_approved(arg, aliases) for arg in given):
            yield f"line {node.lineno}: {called} is given Approved"
        elif called.endswith("force_setattr"):
            yield f"line {node.lineno}: {called} changes what is frozen"
        elif _COPIES.search(called) and any(
            keyword.arg is None or keyword.arg in _FIELDS for keyword in node.keywords
        ):
            yield f"line {node.lineno}: {called} may copy an Approved with changes"


def _is_approved(node: ast.expr, aliases: list[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in aliases
    return isinstance(node, ast.Attribute) and (
        node.attr == "Approved" or _is_approved(node.value, aliases)
    )


def _complaints(rule: Rule, paths: list[Path], *, but_in: tuple[Path, ...] = ()) -> str:
    lines = [
        f"{path.relative_to(ROOT.parents[1])}: {complaint}"
        for path in paths
        if not any(path.is_relative_to(place) for place in but_in)
        for complaint in rule(path.read_text(encoding="utf-8"))
    ]
    return "\n".join(lines)


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 60
    assert len(TEST_MODULES) > 30


def test_modules_are_short() -> None:
    assert not _complaints(long_modules, MODULES + TEST_MODULES)


def test_functions_are_short() -> None:
    assert not _complaints(long_functions, MODULES)


def test_every_module_says_what_it_owns() -> None:
    assert not _complaints(missing_docstrings, MODULES)


def test_nothing_is_left_to_do() -> None:
    assert not _complaints(leftovers, MODULES + TEST_MODULES)


def test_every_check_that_is_switched_off_says_why() -> None:
    assert not _complaints(unexplained_exceptions, MODULES + TEST_MODULES)


def test_only_risk_approves_orders() -> None:
    assert not _complaints(approvals, MODULES, but_in=(ROOT / "risk",))


def test_no_two_test_files_share_a_name() -> None:
    names = [path.name for path in TEST_MODULES if path.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


def test_the_linters_are_as_strict_as_agreed() -> None:
    project = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    tool = project["tool"]
    assert tool["ruff"]["lint"]["select"] == ["ALL"]
    assert tool["ruff"]["lint"]["mccabe"]["max-complexity"] <= 10
    assert tool["mypy"]["strict"]
    assert tool["pytest"]["ini_options"]["filterwarnings"][0] == "error"


def test_every_lint_rule_that_is_switched_off_says_why() -> None:
    text = (TESTS.parent / "pyproject.toml").read_text(encoding="utf-8")
    rules = re.findall(r'^    "[A-Z]+[0-9]*",(.*)$', text, re.MULTILINE)
    assert len(rules) > 10
    assert all(re.search(r"# \S+", reason) for reason in rules)


_OFF = "# no" + "qa"
_IGNORED = "# type: " + "ignore"
_PLANTED: list[tuple[Rule, str]] = [
    (long_modules, "x = 1\n" * 501),
    (long_functions, "def f():\n" + "    x = 1\n" * 70),
    (long_functions, "class A:\n    async def f(self):\n" + "        x = 1\n" * 70),
    (missing_docstrings, "x = 1"),
    (missing_docstrings, ""),
    (leftovers, "x = 1  # TO" + "DO later"),
    (leftovers, '"""FIX' + 'ME"""'),
    (unexplained_exceptions, f"x = 1  {_OFF}"),
    (unexplained_exceptions, f"x = 1  {_OFF}: E501"),
    (unexplained_exceptions, f"x = 1  {_IGNORED}"),
    (unexplained_exceptions, f"x = 1  {_IGNORED}[arg-type]"),
    (approvals, "from market_maker.core.commands import Approved\nApproved(token=1)"),
    (approvals, "from market_maker.core.commands import Approved as A\nA(1)"),
    (approvals, "from market_maker.core import commands\ncommands.Approved(1)"),
    (approvals, "from market_maker.core.commands import Approved\nMine = Approved"),
    (approvals, "from market_maker.core.commands import Approved\nobject.__new__(Approved)"),
    (approvals, "from market_maker.core.commands import Approved\nApproved.__new__(Approved)"),
    (approvals, "from market_maker.core.commands import Approved\nmsgspec.convert(x, Approved)"),
    (
        approvals,
        "from market_maker.core.commands import Approved\nmsgspec.convert(x, type=Approved)",
    ),
    (approvals, "def f(x): return msgspec.structs.replace(x, price=1)"),
    (approvals, "from msgspec.structs import replace\ndef f(x): return replace(x, qty=1)"),
    (approvals, "msgspec.structs.force_setattr(x, 'qty', 5)"),
    (approvals, "import copy\ndef f(x, changes): return copy.replace(x, **changes)"),
]


@pytest.mark.parametrize(("rule", "source"), _PLANTED)
def test_a_planted_breach_of_shape_is_caught(rule: Rule, source: str) -> None:
    assert list(rule(source))


_INNOCENT: list[tuple[Rule, str]] = [
    (long_functions, "def f():\n" + "    x = 1\n" * 69),
    (missing_docstrings, '"""Says it."""'),
    (unexplained_exceptions, f"x = 1  {_OFF}: S311 - simulation, not secrets"),
    (unexplained_exceptions, f"x = 1  {_IGNORED}[arg-type] # the stub is wrong"),
    (approvals, "def f(x: Approved | None):\n    match x:\n        case Approved(): ..."),
    (approvals, "def f(x): return isinstance(x, Approved) and 'a'.replace('a', 'b')"),
    (approvals, "def f(x): return msgspec.structs.replace(x, recv_ns=5)"),
]


@pytest.mark.parametrize(("rule", "source"), _INNOCENT)
def test_good_shape_is_not_reported(rule: Rule, source: str) -> None:
    assert not list(rule(source))
