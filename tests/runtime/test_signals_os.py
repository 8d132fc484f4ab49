"""No signal is lost, however early it comes; repeated ones mean the same."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from market_maker import early_signals
from market_maker.runtime import signals_os


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in early_signals.HANDLED}
    yield
    early_signals.take()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_early_signals_are_replayed_once_each_in_order_of_arrival() -> None:
    early_signals.install()
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
        signal.raise_signal(number)
    seen: list[str] = []

    async def main() -> None:
        callbacks = {
            signal.SIGTERM: lambda: seen.append("stop"),
            signal.SIGUSR1: lambda: seen.append("kill"),
        }
        detach = signals_os.attach(asyncio.get_running_loop(), callbacks)
        await asyncio.sleep(0)
        detach()

    asyncio.run(main())
    assert seen == ["kill", "stop"]
    assert early_signals.take() == ()


def test_a_signal_reaches_its_callback_on_the_loop() -> None:
    early_signals.install()

    async def main() -> None:
        arrived = asyncio.Event()
        detach = signals_os.attach(asyncio.get_running_loop(), {signal.SIGUSR1: arrived.set})
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(10):
            await arrived.wait()
        detach()

    asyncio.run(main())


def test_a_signal_after_detaching_does_not_kill_the_process() -> None:
    early_signals.install()

    async def main() -> None:
        signals_os.attach(asyncio.get_running_loop(), {signal.SIGTERM: asyncio.Event().set})()

    asyncio.run(main())
    signal.raise_signal(signal.SIGTERM)
    assert early_signals.take() == (signal.SIGTERM,)


def test_a_second_interrupt_during_start_up_interrupts() -> None:
    early_signals.install()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert early_signals.take() == (signal.SIGINT,)


def test_restoring_gives_a_pending_interrupt_its_ordinary_effect() -> None:
    early_signals.install()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        early_signals.restore()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    early_signals.restore()


_EARLY = """
import sys
from market_maker import early_signals
early_signals.install()
loaded = sorted(name for name in sys.modules if name.startswith("market_maker"))
assert loaded == ["market_maker", "market_maker.early_signals"], loaded
assert "asyncio" not in sys.modules
print("installed", flush=True)
sys.stdin.readline()
print(*(int(number) for number in early_signals.take()), flush=True)
"""


def test_a_process_survives_signals_that_come_before_any_heavy_import() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _EARLY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "installed\n"
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM):
            process.send_signal(number)
        process.stdin.write("go\n")
        process.stdin.flush()
        answer = process.stdout.readline().split()
    assert process.returncode == 0
    numbers = {signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM}
    assert {int(number) for number in answer} == {int(number) for number in numbers}
