"""The bot as a process of its own, and its exchange as the exchange's own files tell it.

Owns starting, waiting on facts and ending. Waits end as soon as the fact is there; the deadlines
are for machines that do something else meanwhile and for compiling kernels the first time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.core.errors import MarketMakerError
from market_maker.core.reasons import BotState
from market_maker.core.side import SIDES
from market_maker.runtime.control_client import ask
from market_maker.telemetry.snapshot import MarketStatus, Status
from market_maker.venues.simulated import command_log
from market_maker.venues.simulated.exchange import SimulatedExchange
from market_maker.venues.simulated.store import FileStore, MemoryStore

SOL = "SOL-USD"
START_S = 150.0
DEADLINE_S = 60.0
BUSY = {
    "MM_VENUE__SIMULATED__SPEED": "10",
    "MM_QUOTING__LADDER__ORDER_SIZE_QUOTE": "50",
    "MM_QUOTING__LADDER__MIN_SIZE_QUOTE": "10",
    "MM_RISK__MIN_ORDER_NOTIONAL_QUOTE": "10",
}
"""Settings that bring a fill a second and keep both sides quoted: orders are small, time is fast."""

_POLL_S = 0.04
_SEED = "seed-1"


class Done(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables without settings and coverage of the bot's, and `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MM_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return kept | dict(extra or {})


def command(*arguments: object, environ: Mapping[str, str] | None = None) -> Done:
    """Run one command line to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "market_maker", *map(str, arguments)],
        capture_output=True,
        check=False,
        env=environment(environ),
        text=True,
        timeout=START_S,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


class BotProcess:
    """One `run` after another on one data directory."""

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        markets: Sequence[str] = (SOL,),
        environ: Mapping[str, str] | None = None,
        terminal: int | None = None,
        mode: Mode = Mode.SIM,
    ) -> None:
        """Keep everything under `folder`; start with `with` or `start`.

        `terminal` is a file descriptor that takes the place of the three standard streams.
        """
        self.data_dir = folder / "data"
        self.paths = DataPaths(self.data_dir, mode, tuple(markets))
        self._mode = mode
        self._folder = folder
        self._arguments = [str(argument) for argument in arguments]
        self._markets = tuple(markets)
        self._environ = environment(environ)
        self._terminal = terminal
        self._process: subprocess.Popen[bytes] | None = None
        self._runs = 0

    def __enter__(self) -> Self:
        """Start the first run."""
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self.destroy()

    # Life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a bot where the one before ended; returns at once."""
        assert self._process is None or self._process.poll() is not None
        self._runs += 1
        named = [part for market in self._markets for part in ("--market", market)]
        with self._stream("out").open("wb") as out, self._stream("err").open("wb") as err:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "market_maker", *named),
                    *("--data-dir", str(self.data_dir), "--metrics-port", "0"),
                    *("--mode", self._mode.value),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL if self._terminal is None else self._terminal,
                stdout=out if self._terminal is None else self._terminal,
                stderr=err if self._terminal is None else self._terminal,
                env=self._environ,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the newest start."""
        assert self._process is not None, "start() comes first"
        return self._process

    def send(self, number: signal.Signals) -> int:
        """Send a signal; when it was sent, in nanoseconds since the Unix epoch."""
        sent_ns = time.time_ns()
        self.process.send_signal(number)
        return sent_ns

    def ended(self) -> int:
        """Wait for the end; the exit code, once nothing looks like a crash."""
        code = self.process.wait(DEADLINE_S)
        assert "Traceback" not in self.text("out") + self.text("err")
        return code

    def drained(self, read: Callable[[], object]) -> int:
        """Wait for the end while reading what the process writes; the exit code."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            read()
            try:
                return self.process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError("still running")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask for an orderly end and wait for it."""
        self.send(number)
        return self.ended()

    def crash(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def destroy(self) -> None:
        """Leave no process behind, stopped ones included."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_S)

    # Facts ------------------------------------------------------------------------------------

    def text(self, stream: str) -> str:
        """What the newest run wrote to `out` or `err`."""
        return self._stream(stream).read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """The newest run's log."""
        whole = self.text("err").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def events(self) -> list[str]:
        """Names of the newest run's log lines."""
        return [line["event"] for line in self.lines()]

    @property
    def port(self) -> int:
        """The HTTP port that the bot printed."""
        (line,) = self.wait(lambda: [x for x in self.lines() if "url" in x], "a printed port")
        return int(line["url"].split(":")[2].partition("/")[0])

    def http(self, path: str) -> str:
        """What the HTTP server answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def status(self) -> Status:
        """The bot's word, fresh; raises MarketMakerError while nobody answers."""
        return msgspec.convert(ask(self.paths.control_socket, "status"), Status)

    def market(self, symbol: str = SOL) -> MarketStatus:
        """One market of the bot's word."""
        return self.status().markets[symbol]

    def run(self, name: str, *arguments: object) -> Done:
        """Run another command on this bot."""
        return command(name, "--data-dir", self.data_dir, "--mode", self._mode.value, *arguments)

    def wait(self, fact: Callable[[], Any], what: str, deadline_s: float = START_S) -> Any:  # noqa: ANN401 - the fact's own type
        """Wait until `fact` is true and return it; the end of the process is the end of waiting."""
        until = time.monotonic() + deadline_s
        while True:
            found = fact()
            if found:
                return found
            try:
                code = self.process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                assert time.monotonic() < until, f"no {what}\n{self._last()}"
            else:
                raise AssertionError(f"ended with {code} before {what}\n{self.text('err')}")

    def until(self, fact: Callable[[Status], object], what: str) -> Status:
        """Wait until the status has a property; that status."""

        def look() -> Status | None:
            try:
                status = self.status()
            except MarketMakerError:
                return None  # not up yet
            return status if fact(status) else None

        found: Status = self.wait(look, what)
        return found

    def until_quoting(self, symbol: str = SOL, levels: int = 1) -> Status:
        """Wait until so many levels of each side have an order in the book."""
        return self.until(lambda status: quotes(status, symbol, levels), "quotes on both sides")

    def exchange(self, until_ns: int | None = None) -> SimulatedExchange:
        """The exchange as its files have it now, or as it was at a wall time since its checkpoint."""
        source = self.paths.exchange_dir / _SEED
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            copy = Path(folder) / _SEED
            before = None
            while before != (before := (source / "checkpoint").read_bytes()):
                shutil.rmtree(copy, ignore_errors=True)
                with contextlib.suppress(shutil.Error):  # a checkpoint came between: once more
                    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.new"))
            store = FileStore(copy)
            blobs, records = store.load()
            store.close()
        now = _recover(blobs, records)
        if until_ns is None:
            return now
        known = [command_log.decode(record) for record in records]
        count = sum(
            not (isinstance(c, command_log.Advance) and now.wall_ns(c.until_ns) > until_ns)
            for c in known
        )
        return _recover(blobs, records[:count])

    def _stream(self, name: str) -> Path:
        return self._folder / f"run-{self._runs}.{name}"

    def _last(self) -> str:
        try:
            return msgspec.json.format(msgspec.json.encode(self.status())).decode()
        except (MarketMakerError, ValueError):
            return self.text("err")


def quotes(status: Status, symbol: str = SOL, levels: int = 1) -> bool:
    """Whether at least so many levels of each side have an order in the book."""
    market = status.markets[symbol]
    sides = [level.side for level in market.levels if level.resting_price is not None]
    return market.state is BotState.QUOTING and all(
        sides.count(side.label) >= levels for side in SIDES
    )


def _recover(blobs: tuple[bytes, ...], records: Sequence[bytes]) -> SimulatedExchange:
    store = MemoryStore()
    store.checkpoint(blobs)
    for record in records:
        store.append(record)
    exchange = SimulatedExchange.recover(store)
    assert exchange is not None
    return exchange
