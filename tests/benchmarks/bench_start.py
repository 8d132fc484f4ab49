"""From the command line to the first resting order, and to the help text: real processes.

A first quote is an order that the venue accepted, as the bot's own journal tells; a cold start
has an empty cache of compiled code. Before the cold start the bot is killed while it quotes, so
that orders are left, and the log tells when they were cancelled.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from tests.benchmarks._table import Row

_TIMEOUT_S = 120.0
_HELP_RUNS = 15
_WARM_RUNS = 3
_COMMAND = (sys.executable, "-m", "market_maker")


def _environment(cache: Path | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MM_")}
    return kept if cache is None else kept | {"NUMBA_CACHE_DIR": str(cache)}


@contextlib.contextmanager
def _running(data: Path, log: Path, cache: Path | None) -> Iterator[float]:
    """Run the bot as a user would, until SIGKILL; gives the time of its start."""
    command = (*_COMMAND, "--market", "SOL-USD", "--data-dir", str(data), "--metrics-port", "0")
    environment = _environment(cache) | {"MM_LOGGING__LEVEL": "debug"}
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            (*command, "--log-format", "json"), stdout=out, stderr=out, env=environment
        )
        try:
            yield started
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _seconds_until(started: float, log: Path, event: str) -> float:
    """When the log first shows an event."""
    while time.perf_counter() - started < _TIMEOUT_S:
        if event in log.read_text():
            return time.perf_counter() - started
        time.sleep(0.005)
    msg = f"no {event} within {_TIMEOUT_S:.0f} s:\n{log.read_text()}"
    raise TimeoutError(msg)


def _seconds_to_quote(started: float, data: Path, known: set[Path]) -> float:
    """When the journal of this session first shows an accepted order."""
    while time.perf_counter() - started < _TIMEOUT_S:
        for path in sorted(set(data.rglob("journal-*.jsonl")) - known):
            if any(_quoted(line) for line in path.read_bytes().splitlines()):
                return time.perf_counter() - started
        time.sleep(0.005)
    msg = f"no quote within {_TIMEOUT_S:.0f} s"
    raise TimeoutError(msg)


def _quoted(line: bytes) -> bool:
    if b'"submit"' not in line:
        return False
    with contextlib.suppress(orjson.JSONDecodeError):
        record = orjson.loads(line)
        return bool(record["type"] == "RequestOutcome" and record["result"] == "accepted")
    return False


def _start(folder: Path, cache: Path | None) -> tuple[float, float]:
    """Seconds to the first quote, and to the cancel of what was left from before."""
    data, log = folder / "data", folder / "log"
    known = set(data.rglob("journal-*.jsonl"))
    with _running(data, log, cache) as started:
        cancelled = _seconds_until(started, log, "old_orders_cancelled")
        return _seconds_to_quote(started, data, known), cancelled


def _help_ms() -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run((*_COMMAND, "--help"), check=True, capture_output=True)
        return time.perf_counter() - started

    return min(once() for _ in range(_HELP_RUNS)) * 1e3


def _bare_ms() -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run((sys.executable, "-c", "pass"), check=True)
        return time.perf_counter() - started

    return min(once() for _ in range(_HELP_RUNS)) * 1e3


def _heavy_imports() -> int:
    """How many modules of ccxt and numba the help text imports."""
    command = (sys.executable, "-X", "importtime", "-m", "market_maker", "--help")
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    names = [line.rpartition("|")[2].strip() for line in told.splitlines()]
    return sum(name.partition(".")[0] in {"ccxt", "numba"} for name in names)


def rows() -> list[Row]:
    """Measure the starts."""
    bare = f"bare interpreter {_bare_ms():.0f} ms"
    load = f"load {os.getloadavg()[0]:.1f}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm = min(_start(folder, None)[0] for _ in range(_WARM_RUNS + 1))
        cold, cancelled = _start(folder, folder / "cache")
    return [
        Row("--help", _help_ms(), "ms", 200.0, f"{bare}, best of {_HELP_RUNS}"),
        Row("--help: modules of ccxt and numba", float(_heavy_imports()), "imported", 0.0),
        Row("first quote, warm cache", warm, "s", 4.0, f"{bare}, best of {_WARM_RUNS}, {load}"),
        Row("first quote, cold cache", cold, "s", 25.0, f"{bare}, {load}"),
        Row(
            "cold: orders left from before cancelled",
            cancelled,
            "s",
            None,
            "quoting compiles later",
        ),
    ]
