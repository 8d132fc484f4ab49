from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from market_maker.cli.root import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = {"ccxt", "numba", "numpy", "pydantic", "pyarrow", "prometheus_client", "structlog", "rich"}
SCRIPT = """
import json, sys
from market_maker.__main__ import main
sys.argv = ["market_maker", *json.loads(sys.argv[1])]
code = main()
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def _modules_after(*arguments: str) -> tuple[int, set[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(arguments)],
        capture_output=True,
        check=True,
        text=True,
    )
    *shown, last = done.stdout.splitlines()
    code, modules = json.loads(last)
    return code, set(modules), "\n".join(shown)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code, modules, _ = _modules_after(*arguments)
    assert code == 0
    assert modules & HEAVY == set()


def test_the_roots_help_shows_commands_options_variables_and_examples(
    run: Callable[..., object],
) -> None:
    _, _, shown = _modules_after("--help")
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    for option in (
        "--market", "--mode", "--venue", "--engine", "--config", "--params", "--seed",
        "--duration", "--metrics-port", "--data-dir", "--log-format", "--fresh",
    ):  # fmt: skip
        assert option in shown
    flat = " ".join(shown.split())
    for variable in (
        "MM_MARKET", "MM_MODE", "MM_VENUE", "MM_QUOTING__ENGINE", "MM_CONFIG", "MM_PARAMS",
        "MM_SEED", "MM_DURATION", "MM_METRICS__PORT", "MM_DATA_DIR", "MM_LOGGING__FORMAT",
    ):  # fmt: skip
        assert f"env var: {variable}" in flat
    assert shown.rstrip().rpartition("Examples:")[2].count("python -m market_maker") >= 3
