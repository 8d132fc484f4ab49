"""The watchdog: one report a stall, beats only while healthy, a latch file that is noticed."""

import asyncio
import socket
import threading
import time
from pathlib import Path

from market_maker.runtime.sd_notify import SdNotifier
from market_maker.runtime.watchdog import Watchdog


class _Clock:
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


class _Bench:
    """A watchdog whose thread and clock the test plays itself."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = _Clock()
        self.reports: list[str] = []
        self.lags: list[int] = []
        self.beats = 0
        self.latch = tmp_path / "kill"
        self.watchdog = Watchdog(
            self.clock,
            1.0,
            self.reports.append,
            self.lags.append,
            self._beat,
            self.latch,
            lambda: None,
        )

    def _beat(self) -> None:
        self.beats += 1

    def pass_time(self, seconds: float) -> None:
        self.clock.ns += round(seconds * 1e9)


def test_a_turning_loop_is_healthy_and_feeds_the_supervisor(tmp_path: Path) -> None:
    bench = _Bench(tmp_path)
    for _ in range(8):
        bench.watchdog.beat()
        bench.pass_time(0.25)
        bench.watchdog.check()
    assert bench.beats == 8
    assert bench.reports == []
    assert bench.watchdog.stalled_ns == 0


def test_one_stall_is_reported_once_with_stacks_and_stops_the_beats(tmp_path: Path) -> None:
    bench = _Bench(tmp_path)
    bench.watchdog.beat()
    for _ in range(20):
        bench.pass_time(0.25)
        bench.watchdog.check()
    assert bench.beats == 3
    assert len(bench.reports) == 1
    assert "stalled for 1.00 s" in bench.reports[0]
    assert "test_one_stall_is_reported_once" in bench.reports[0]
    assert bench.watchdog.stalled_ns == 5_000_000_000
    assert bench.watchdog.beat_age_ns == 5_000_000_000
    bench.watchdog.beat()
    assert bench.watchdog.stalled_ns == 0
    assert bench.lags[-1] == 4_750_000_000
    bench.watchdog.check()
    bench.pass_time(1.5)
    bench.watchdog.check()
    assert len(bench.reports) == 2


def test_lag_is_how_late_a_beat_came(tmp_path: Path) -> None:
    bench = _Bench(tmp_path)
    for late in (0.0, 0.0, 0.1):
        bench.pass_time(0.25 + late)
        bench.watchdog.beat()
    assert bench.lags == [250_000_000, 0, 100_000_000]


class _RealClock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def test_a_latch_file_calls_the_loop_once_each_time_it_appears(tmp_path: Path) -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        latch = tmp_path / "kill"
        seen: asyncio.Queue[str] = asyncio.Queue()
        checks: asyncio.Queue[None] = asyncio.Queue()

        def on_beat() -> None:
            loop.call_soon_threadsafe(checks.put_nowait, None)

        watchdog = Watchdog(
            _RealClock(),
            0.04,
            lambda _report: None,
            lambda _lag_ns: None,
            on_beat,
            latch,
            lambda: seen.put_nowait(threading.current_thread().name),
        )
        watchdog.start(loop)
        names = []
        async with asyncio.timeout(20):
            for _ in range(2):
                latch.write_text("")
                names.append(await seen.get())
                for _ in range(3):  # the file is seen to stay, and that is no second call
                    await checks.get()
                latch.unlink()
                while not checks.empty():
                    checks.get_nowait()
                for _ in range(3):  # the file is seen to be gone
                    await checks.get()
        watchdog.stop()
        watchdog.stop()
        assert seen.empty()
        return names

    assert asyncio.run(main()) == ["MainThread", "MainThread"]


def test_a_real_stall_is_reported_from_the_other_thread_while_it_lasts(tmp_path: Path) -> None:
    reported = threading.Event()
    reports: list[str] = []

    def on_stall(report: str) -> None:
        reports.append(report)
        reported.set()

    async def stall_here() -> None:
        watchdog = Watchdog(
            _RealClock(),
            0.02,
            on_stall,
            lambda _lag: None,
            lambda: None,
            tmp_path / "kill",
            reported.set,
        )
        watchdog.start(asyncio.get_running_loop())
        assert reported.wait(20)  # holds the loop until the watchdog has seen it
        watchdog.stop()

    asyncio.run(stall_here())
    assert "stall_here" in reports[0]


def test_states_reach_the_supervisors_socket(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(10)
        notifier = SdNotifier({"NOTIFY_SOCKET": str(path)})
        notifier.ready()
        notifier.alive()
        notifier.stopping()
        received = [listener.recv(100) for _ in range(3)]
    assert received == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    notifier.alive()  # nobody listens any more


def test_an_abstract_socket_is_reached_and_a_missing_one_is_no_error() -> None:
    name = f"market-maker-test-{threading.get_native_id()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(10)
        SdNotifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert listener.recv(100) == b"READY=1"
    SdNotifier({}).ready()
