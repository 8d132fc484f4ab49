"""A bot that answers on its control socket, and the command line in this process."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from market_maker.cli.root import main
from market_maker.config.options import Mode
from market_maker.config.paths import DataPaths
from market_maker.telemetry.snapshot import Status, decode

SAMPLE = Path(__file__).parents[1] / "telemetry" / "sample_status.json"


class Outcome(msgspec.Struct):
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Standard output, read as JSON."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command line."""

    def once(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return once


class FakeBot:
    """Answers every command from a table; remembers what it was asked."""

    def __init__(self, data_dir: Path, replies: dict[str, object]) -> None:
        """Listen where a bot of this data directory would."""
        self.replies = replies
        self.asked: list[dict[str, Any]] = []
        path = DataPaths(data_dir, Mode.SIM).control_socket
        path.parent.mkdir(parents=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                question = json.loads(stream.readline())
                self.asked.append(question)
                reply = self.replies[question["command"]]
                answer = (
                    {"ok": False, "error": str(reply)}
                    if isinstance(reply, Exception)
                    else {"ok": True, "result": reply}
                )
                stream.write(json.dumps(answer).encode() + b"\n")


@pytest.fixture
def status() -> Status:
    """A status as a running bot would publish it."""
    return decode(SAMPLE.read_bytes())


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[FakeBot]:
    """A bot under `tmp_path` that is quoting."""
    fake = FakeBot(
        tmp_path,
        {
            "status": json.loads(SAMPLE.read_bytes()),
            "kill": {"open_orders": 0, "verified": True, "detail": "6 orders cancelled"},
            "rearm": {"detail": "resyncing"},
        },
    )
    yield fake
    fake.close()
