"""The exchange as a process that outlives its bots, asked for the truth over its own socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from bot_process import DEADLINE_S, SOL, START_S, BotProcess, environment

from market_maker.config.simulated import SimulatedConfig
from market_maker.core.errors import MarketMakerError
from market_maker.core.side import Side
from market_maker.core.units import Grid, money_to_decimal
from market_maker.telemetry.snapshot import MarketStatus
from market_maker.venues.simulated import remote_protocol as words
from market_maker.venues.simulated.markets import instrument

SOCKET = "MM_VENUE__SIMULATED__SOCKET"
PROMPT = {
    "MM_RUNTIME__RECONCILE_PERIOD_S": "1",
    "MM_LEDGER__IN_FLIGHT_HORIZON_S": "4",
}
"""Settings of a bot that notices and settles everything within seconds."""

TRADED = {
    "MM_QUOTING__LADDER__ORDER_SIZE_QUOTE": "50",
    "MM_QUOTING__LADDER__MIN_SIZE_QUOTE": "10",
    "MM_RISK__MIN_ORDER_NOTIONAL_QUOTE": "10",
}
"""Settings that keep orders small, so that both sides are quoted whatever was filled."""

_POLL_S = 0.05


class ExchangeProcess:
    """One exchange on a socket, from `with` to its end."""

    def __init__(self, folder: Path, *, speed: float = 10.0) -> None:
        self.socket = folder / "x.sock"
        self._folder = folder
        self._environ = environment({"MM_VENUE__SIMULATED__SPEED": str(speed)})
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE_S)
        assert "Traceback" not in self.text()

    def start(self) -> None:
        """Start, and return once it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "market_maker", "exchange", "--market", SOL),
                    *("--data-dir", str(self._folder / "exchange"), "--oracle"),
                    *("--socket", str(self.socket)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
            )
        until = time.monotonic() + START_S
        while not self.socket.exists():
            assert self._process.poll() is None, self.text()
            assert time.monotonic() < until, "nobody listens"
            time.sleep(_POLL_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the exchange."""
        os.kill(self._process.pid, number)
        code = self._process.wait(DEADLINE_S)
        self.socket.unlink(missing_ok=True)
        return code

    def bot(self, folder: Path, through: Path | None = None, **environ: str) -> BotProcess:
        """A bot that will trade here, `through` another socket if given."""
        folder.mkdir(exist_ok=True)
        place = {SOCKET: str(through or self.socket)}
        return BotProcess(folder, environ=place | PROMPT | TRADED | environ)

    def text(self) -> str:
        """What it printed."""
        return self._log.read_text(encoding="utf-8")

    def truth(self) -> words.Truth:
        """The exchange's own books, now."""
        truth = self._call(words.AskTruth())
        return msgspec.json.decode(truth, type=words.Truth)

    @property
    def _log(self) -> Path:
        return self._folder / "exchange.log"

    def _call(self, call: words.Call) -> msgspec.Raw:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE_S)
            connection.connect(str(self.socket))
            hello = words.Hello(words.VERSION, SOL, "oracle")
            for number, question in enumerate((hello, call)):
                connection.sendall(words.line(words.Request(number, question)))
                reply = self._reply(connection)
            return reply

    def _reply(self, connection: socket.socket) -> msgspec.Raw:
        lines = words.messages()
        while True:
            data = connection.recv(1 << 16)
            assert data, "the exchange hung up"
            for message in lines.feed(data):
                assert isinstance(message, words.Answer), message
                return message.value


def sum_of_fills(truth: words.Truth) -> int:
    """The position that the fills make."""
    return sum(fill.qty if fill.side is Side.BUY else -fill.qty for fill in truth.fills)


def agrees(market: MarketStatus, truth: words.Truth) -> bool:
    """Position, every fee exactly once, and parts of profit that sum."""
    grid = Grid(instrument(SOL, SimulatedConfig()))
    fees = -money_to_decimal(sum(fill.fee for fill in truth.fills))
    return (
        market.position.base == grid.qty_decimal(truth.position)
        and market.pnl.fees == fees
        and market.pnl.total == sum(market.pnl.parts().values())
    )


def settled(exchange: ExchangeProcess, bot: BotProcess) -> words.Truth:
    """The truth, once the bot's books agree with it and it knows every order that rests (L1, L2)."""

    def look() -> words.Truth | None:
        before = exchange.truth()
        try:
            market = bot.market()
        except MarketMakerError:
            return None
        truth = exchange.truth()
        quiet = (before.fills, before.open_orders) == (truth.fills, truth.open_orders)
        known = {order.client_id for order in market.open_orders}
        resting = {order.client_id for order in truth.open_orders}
        same = agrees(market, truth) and resting <= known and not market.unknown_orders
        return truth if quiet and same else None

    truth: words.Truth = bot.wait(look, "books that agree with the exchange's", DEADLINE_S)
    assert truth.position == sum_of_fills(truth)
    return truth
