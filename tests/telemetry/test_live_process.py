from __future__ import annotations

import sys
from io import BytesIO, StringIO
from pathlib import Path

from rich.console import Console

from market_maker.telemetry.live_process import LiveProcess, draw
from market_maker.telemetry.snapshot import Status, encode

COPY = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
DEAF = "import sys, time; print('up', flush=True); time.sleep(600)"


def _child(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code, *arguments)


def test_the_child_receives_whole_lines(status: Status, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    process = LiveProcess(_child(COPY, str(copy)))
    process.send(encode(status))
    process.close()
    received = copy.read_bytes()
    assert received == encode(status) + b"\n"


def test_a_child_that_does_not_read_costs_frames_and_not_time(status: Status) -> None:
    process = LiveProcess(_child(DEAF), end_wait_s=0.01)
    for _ in range(200):
        process.send(encode(status))
    assert process.alive
    process.close()
    assert not process.alive


def test_a_dead_child_is_forgotten(status: Status) -> None:
    process = LiveProcess(_child("raise SystemExit"), end_wait_s=5.0)
    for _ in range(1_000_000):
        process.send(encode(status))
        if not process.alive:
            break
    assert not process.alive
    process.send(encode(status))
    process.close()


def test_a_child_that_cannot_start_leaves_the_bot_alone(status: Status) -> None:
    process = LiveProcess(("/nonexistent/program",))
    assert not process.alive
    process.send(encode(status))
    process.close()


def test_drawing_ends_with_its_input_and_survives_nonsense(status: Status) -> None:
    out = StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    draw(BytesIO(b"nonsense\n{}\n" + encode(status) + b"\n"), console)
    assert "SOL-USD" in out.getvalue()
