"""Nothing changes a market's state behind the flight recorder's back.

Outside the strategy, which records what it does, its parts may only be read.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import market_maker

_SOURCE = Path(market_maker.__file__).parent
_CARRIERS = (
    *(f"runtime/{name}.py" for name in ("bot", "market_bot", "reconciler", "level_task", "status")),
    *(f"app/{name}.py" for name in ("process", "sim", "virtual")),
)
_READS = {
    "effective_ticks",
    "feed_age_ns",
    "flatten_proposal",
    "hard",
    "is_ours",
    "items",
    "live_orders",
    "local_books",
    "markouts",
    "order_at",
    "pnl",
    "reduction_proposal",
    "snapshot",
    "statistics",
    "unknown_orders",
    "volumes",
}


def _comes_from_parts(node: ast.expr, names: set[str]) -> bool:
    while isinstance(node, ast.Attribute):
        if node.attr == "parts":
            return True
        node = node.value
    return isinstance(node, ast.Name) and node.id in names


def _aliases(function: ast.AST) -> set[str]:
    """Local names for parts, or for what hangs from them."""
    names: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        targets, values = node.targets[0], node.value
        pairs = (
            zip(targets.elts, values.elts, strict=False)
            if isinstance(targets, ast.Tuple) and isinstance(values, ast.Tuple)
            else [(targets, values)]
        )
        for target, value in pairs:
            if isinstance(target, ast.Name) and _comes_from_parts(value, names):
                names.add(target.id)
    return names


def _calls(source: str) -> Iterator[str]:
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names = _aliases(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                receiver = node.func.value
                if _comes_from_parts(receiver, names) and node.func.attr not in _READS:
                    yield f"{function.name}: {ast.unparse(node.func)}"


def test_only_the_strategy_changes_its_parts() -> None:
    found = [
        f"{path}: {call}" for path in _CARRIERS for call in _calls((_SOURCE / path).read_text())
    ]
    assert found == []


def test_the_scan_sees_a_change_through_a_local_name() -> None:
    planted = (
        "def f(s):\n    risk, ledger = s.parts.risk, s.parts.ledger\n    ledger.lost('x', 1)\n"
    )
    assert list(_calls(planted)) == ["f: ledger.lost"]
    assert list(_calls("def f(s):\n    s.parts.risk.explained(1)\n")) == [
        "f: s.parts.risk.explained"
    ]
