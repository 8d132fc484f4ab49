"""House rules that keep a run reproducible, read off the syntax tree of every module.

Each rule is a function from a parsed module to complaints. The rules fail closed: whole
modules of the standard library are forbidden rather than single names, exceptions are listed file
by file, and each rule is shown to catch what it forbids.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "market_maker"
MODULES = sorted(ROOT.rglob("*.py"))

Rule = Callable[[ast.Module], Iterator[str]]

_ASYNC_ROOMS = ("runtime", "venues", "app", "cli", "web")

_CLOCK_MODULES = ("time", "_time")
_CLOCK_NAMES = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
_RANDOM_MODULES = ("random", "secrets", "uuid", "numpy.random")
_RANDOM_NAMES = ("os.urandom", "os.getrandom")
_THREAD_MODULES = (
    "subprocess",
    "threading",
    "_thread",
    "multiprocessing",
    "concurrent",
    "queue",
    "sched",
)
_THREAD_NAMES = ("asyncio.to_thread", "os.fork", "os.forkpty")

_MAY_READ_CLOCKS = {
    "app/wall_clock.py": "the clock that everybody else is given",
    "cli/kill_actions.py": "no bot, no loop: it waits for another process to end",
}
_MAY_BE_RANDOM = {"core/randomness.py": "the seeded generator that everybody else is given"}
_MAY_THREAD = {
    "runtime/journal.py": "syncs and closes files off the loop",
    "runtime/stores.py": "commits off the loop",
    "runtime/watchdog.py": "must run when the loop does not",
    "runtime/http_server.py": "answers when the loop does not",
    "runtime/sim_loop.py": "refuses threads, for which it must recognise one",
    "ticks/writer.py": "keeps recorded rows off the loop",
    "telemetry/live_process.py": "draws in another process",
    "telemetry/logs.py": "writes lines off the loop",
}

_UNORDERED_METHODS = ("union", "intersection", "difference", "symmetric_difference", "copy")


def _room(path: Path) -> str:
    inside = path.relative_to(ROOT).parts
    return inside[0] if len(inside) > 1 else ""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


# -- names ----------------------------------------------------------------------------


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name to dotted name, for everything imported anywhere in the module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    """What an expression names, empty unless it begins with something imported."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, names)
        return base and f"{base}.{node.attr}"
    return ""


def _uses(
    tree: ast.Module, modules: tuple[str, ...], exact: tuple[str, ...], what: str
) -> Iterator[str]:
    names = _imported(tree)
    for node in ast.walk(tree):
        for line, name in _named(node, names):
            in_module = any(name == m or name.startswith(f"{m}.") for m in modules)
            if in_module or name in exact:
                yield f"line {line}: {what}: {name}"


def _named(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Import():
            yield from ((node.lineno, alias.name) for alias in node.names)
        case ast.ImportFrom():
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        case ast.Attribute():
            yield node.lineno, _dotted(node, names)
        case ast.Name(ctx=ast.Load()):
            yield node.lineno, _dotted(node, names)
        case ast.Call(args=[ast.Constant(value=str(name)), *_]):
            if ast.unparse(node.func).endswith(("import_module", "__import__")):
                yield node.lineno, name


# -- rules ----------------------------------------------------------------------------


def async_definitions(tree: ast.Module) -> Iterator[str]:
    """Coroutines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            yield f"line {node.lineno}: async def {node.name}"


def wall_clocks(tree: ast.Module) -> Iterator[str]:
    """Clocks that nobody injected."""
    yield from _uses(tree, _CLOCK_MODULES, _CLOCK_NAMES, "wall clock")


def unseeded_randomness(tree: ast.Module) -> Iterator[str]:
    """Randomness that no seed reproduces."""
    yield from _uses(tree, _RANDOM_MODULES, _RANDOM_NAMES, "randomness")


def threads(tree: ast.Module) -> Iterator[str]:
    """Threads, processes and executors."""
    yield from _uses(tree, _THREAD_MODULES, _THREAD_NAMES, "thread")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "run_in_executor":
            yield f"line {node.lineno}: thread: run_in_executor"


def hashes(tree: ast.Module) -> Iterator[str]:
    """Calls of hash(), which differs between processes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "hash":
            yield f"line {node.lineno}: hash()"


def set_iteration(tree: ast.Module) -> Iterator[str]:
    """Whatever depends on the order of a set."""
    known = _set_names(tree)
    for node in ast.walk(tree):
        for ordered in _taken_in_order(node):
            if _is_set(ordered, known):
                yield f"line {ordered.lineno}: takes a set in its order: {ast.unparse(ordered)}"


_TAKES_ORDER = {
    *("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "dict", "deque"),
    *("max", "min", "sum", "reversed", "str", "repr", "print"),
    *("extend", "join", "fromkeys", "from_iterable", "array", "fromiter", "encode"),
}


def _taken_in_order(node: ast.AST) -> list[ast.expr]:
    """Which parts of a node are read from first to last."""
    match node:
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            return [node.iter]
        case ast.Starred() | ast.YieldFrom() | ast.FormattedValue():
            return [node.value]
        case ast.Assign(targets=[ast.Tuple() | ast.List(), *_]):
            return [node.value]
        case ast.Call(func=ast.Attribute(attr="pop", value=value), args=[]):
            return [value]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _TAKES_ORDER:
            return node.args
        case _:
            return []


def _set_names(tree: ast.Module) -> set[str]:
    """Names and attributes that are bound to a set anywhere in the module."""
    known: set[str] = set()
    for _ in range(3):  # bindings may depend on bindings further down
        for node in ast.walk(tree):
            known.update(_bound_to_set(node, known))
    return known - {""}


def _bound_to_set(node: ast.AST, known: set[str]) -> list[str]:
    match node:
        case ast.Assign(value=value) if _is_set(value, known):
            return [_target(target) for target in node.targets]
        case ast.Assign(targets=[ast.Tuple(elts=parts)], value=value) if _waits(value):
            return [_target(part) for part in parts]
        case ast.AnnAssign(target=target, annotation=annotation, value=value):
            is_set = _says_set(annotation) or (value is not None and _is_set(value, known))
            return [_target(target)] if is_set else []
        case ast.arg(arg=name, annotation=annotation):
            return [name] if _says_set(annotation) else []
        case _:
            return []


def _target(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _waits(node: ast.expr) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.wait"


def _says_set(annotation: ast.expr | None) -> bool:
    if annotation is None:
        return False
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    words = ast.unparse(base).rpartition(".")[2]
    return words in ("set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet")


def _is_set(node: ast.expr, known: set[str]) -> bool:
    result = False
    match node:
        case ast.Set() | ast.SetComp():
            result = True
        case ast.Call(func=ast.Name(id="set" | "frozenset") | ast.Attribute(attr="all_tasks")):
            result = True
        case ast.Call(func=ast.Attribute(attr=attr, value=value)) if attr in _UNORDERED_METHODS:
            result = _is_set(value, known)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.BitXor() | ast.Sub()):
            sides = (node.left, node.right)
            result = any(_is_set(side, known) or _is_keys(side) for side in sides)
        case ast.IfExp():
            result = _is_set(node.body, known) or _is_set(node.orelse, known)
        case ast.NamedExpr():
            result = _is_set(node.value, known)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            result = name in known
    return result


def _is_keys(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
    )


# -- the house keeps them ---------------------------------------------------------------


def _complaints(rule: Rule, *, allowed: tuple[str, ...] = (), rooms: tuple[str, ...] = ()) -> str:
    lines = [
        f"{_name(path)}: {complaint}"
        for path in MODULES
        if _name(path) not in allowed and _room(path) not in rooms
        for complaint in rule(_parse(path))
    ]
    return "\n".join(lines)


def test_the_rules_see_the_whole_house() -> None:
    assert len(MODULES) > 60
    assert {"core", "kernels", "ledger", "quoting", "risk", "runtime"} <= {
        _room(path) for path in MODULES
    }


def test_only_the_shell_is_asynchronous() -> None:
    assert not _complaints(async_definitions, rooms=_ASYNC_ROOMS)


def test_no_clock_is_read_but_the_injected_one() -> None:
    assert not _complaints(wall_clocks, allowed=tuple(_MAY_READ_CLOCKS))


def test_no_randomness_is_drawn_but_the_seeded_one() -> None:
    assert not _complaints(unseeded_randomness, allowed=tuple(_MAY_BE_RANDOM))


def test_no_thread_is_started_but_the_listed_ones() -> None:
    assert not _complaints(threads, allowed=tuple(_MAY_THREAD), rooms=("app", "cli"))


def test_nothing_depends_on_hashes() -> None:
    assert not _complaints(hashes)


def test_nothing_depends_on_the_order_of_a_set() -> None:
    assert not _complaints(set_iteration)


@pytest.mark.parametrize("name", [*_MAY_READ_CLOCKS, *_MAY_BE_RANDOM, *_MAY_THREAD])
def test_every_exception_is_still_needed(name: str) -> None:
    tree = _parse(ROOT / name)
    assert [*wall_clocks(tree), *unseeded_randomness(tree), *threads(tree)]


# -- and the rules catch what they forbid -------------------------------------------------

_PLANTED: list[tuple[Rule, str]] = [
    (async_definitions, "async def f(): ..."),
    (async_definitions, "class A:\n    async def f(self): ..."),
    (wall_clocks, "import time\ntime.time()"),
    (wall_clocks, "from time import monotonic_ns as now"),
    (wall_clocks, "import time as t"),
    (wall_clocks, "import importlib\nimportlib.import_module('time')"),
    (wall_clocks, "import datetime\ndatetime.datetime.now()"),
    (wall_clocks, "import datetime as dt\nx = dt.datetime.utcnow"),
    (wall_clocks, "from datetime import datetime, date\ndatetime.now(tz)"),
    (wall_clocks, "from datetime import date as day\nday.today()"),
    (unseeded_randomness, "import random\nrandom.random()"),
    (unseeded_randomness, "from random import Random"),
    (unseeded_randomness, "import uuid\nuuid.uuid4()"),
    (unseeded_randomness, "from uuid import uuid4"),
    (unseeded_randomness, "import os\nos.urandom(8)"),
    (unseeded_randomness, "from os import urandom"),
    (unseeded_randomness, "import numpy as np\nnp.random.default_rng()"),
    (unseeded_randomness, "from numpy.random import default_rng"),
    (unseeded_randomness, "from numpy import random"),
    (unseeded_randomness, "import secrets"),
    (threads, "import threading"),
    (threads, "from concurrent.futures import ThreadPoolExecutor"),
    (threads, "import multiprocessing.pool as pools"),
    (threads, "import subprocess"),
    (threads, "import asyncio\nasyncio.to_thread(f)"),
    (threads, "loop.run_in_executor(None, f)"),
    (hashes, "hash('x') % 5"),
    (hashes, "key = hash"),
    (set_iteration, "for x in {1, 2}: ..."),
    (set_iteration, "for x in set(y): ..."),
    (set_iteration, "[x for x in frozenset(y)]"),
    (set_iteration, "{x: 1 for x in {f(z) for z in y}}"),
    (set_iteration, "def f(live: set[int]):\n    for x in live: ..."),
    (set_iteration, "class A:\n    live: frozenset[str]\n    def f(self): return list(self.live)"),
    (set_iteration, "a = set()\nb = a | other\nfor x in b: ..."),
    (set_iteration, "for x in a.keys() & b.keys(): ..."),
    (set_iteration, "for x in a.keys() - b: ..."),
    (set_iteration, "a = set(y)\ntuple(a)"),
    (set_iteration, "a = set(y)\nnext(iter(a))"),
    (set_iteration, "a = {1}\na.pop()"),
    (set_iteration, "a = {1}\nf(*a)"),
    (set_iteration, "a = {1}\n(x,) = a"),
    (set_iteration, "a = {1.5}\nsum(a)"),
    (set_iteration, "a = {'x'}\n','.join(a)"),
    (set_iteration, "a = {'x'}\nf'{a}'"),
    (set_iteration, "def f():\n    for x in later: ...\nlater = {1}"),
    (set_iteration, "a = {1}\nfor x in a.union(b): ..."),
    (set_iteration, "import asyncio\nfor t in asyncio.all_tasks(): ..."),
    (
        set_iteration,
        "async def f():\n    done, rest = await asyncio.wait(x)\n    for t in done: ...",
    ),
    (set_iteration, "def f(a: set[int]):\n    yield from a"),
]


@pytest.mark.parametrize(("rule", "source"), _PLANTED)
def test_a_planted_breach_is_caught(rule: Rule, source: str) -> None:
    assert list(rule(ast.parse(source)))


_INNOCENT: list[tuple[Rule, str]] = [
    (wall_clocks, "from datetime import timedelta\ndef f(clock): return clock.now_ns()"),
    (wall_clocks, "def time(self): return self.time"),
    (unseeded_randomness, "from market_maker.core.randomness import RandomStream"),
    (threads, "from market_maker.runtime.journal import Journal\nqueue = []\nqueue.append(1)"),
    (set_iteration, "a = {1, 2}\nok = 1 in a\nn = len(a)\nfor x in sorted(a): ..."),
    (set_iteration, "for x in {1: 2}.values(): ..."),
    (set_iteration, "x = a - b\nfor y in c: ..."),
    (hashes, "def f(x): return x.digest()"),
]


@pytest.mark.parametrize(("rule", "source"), _INNOCENT)
def test_what_is_allowed_is_not_reported(rule: Rule, source: str) -> None:
    assert not list(rule(ast.parse(source)))
