"""The control socket: private, bounded, and clear about what went wrong."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from market_maker.core.errors import NoSuchBotError, UnusableError
from market_maker.runtime.control import ControlServer, Handler
from market_maker.runtime.control_client import BotNotAnsweringError, ask
from market_maker.runtime.unix_path import fitting_path


async def _status(arguments: dict[str, Any]) -> object:
    return {"state": "quoting", "asked": arguments, "text": "é\n" * 50_000}


async def _refuse(_arguments: dict[str, Any]) -> object:
    raise UnusableError("rearm: the account still has an unexplained position")


async def _break(_arguments: dict[str, Any]) -> object:
    raise ZeroDivisionError("secret")


async def _hang(_arguments: dict[str, Any]) -> object:
    await asyncio.sleep(3600)
    return None


_HANDLERS: dict[str, Handler] = {
    "status": _status,
    "rearm": _refuse,
    "break": _break,
    "hang": _hang,
}

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def _serve(
    path: Path,
    scenario: Callable[[], Awaitable[None]],
    loop_factory: LoopFactory = asyncio.new_event_loop,
) -> list[str]:
    errors: list[str] = []

    async def main() -> None:
        server = ControlServer(path, _HANDLERS, errors.append)
        await server.start()
        try:
            async with asyncio.timeout(30):
                await scenario()
        finally:
            await server.stop()
            await server.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert not path.exists()
    return errors


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_command_gets_its_result(tmp_path: Path, loop_factory: LoopFactory) -> None:
    path = tmp_path / "control.sock"

    async def scenario() -> None:
        answer = await asyncio.to_thread(ask, path, "status", {"market": "SOL-USD"})
        assert answer["state"] == "quoting"
        assert answer["asked"] == {"market": "SOL-USD"}
        assert answer["text"] == "é\n" * 50_000
        assert path.stat().st_mode & 0o777 == 0o600

    assert _serve(path, scenario, loop_factory) == []


def test_refusals_unknown_commands_and_bugs_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def scenario() -> None:
        with pytest.raises(UnusableError, match="unexplained position"):
            await asyncio.to_thread(ask, path, "rearm")
        with pytest.raises(UnusableError, match=r"'stats'.*status, rearm"):
            await asyncio.to_thread(ask, path, "stats")
        with pytest.raises(UnusableError, match=r"^internal error: ZeroDivisionError$"):
            await asyncio.to_thread(ask, path, "break")
        assert (await asyncio.to_thread(ask, path, "status"))["state"] == "quoting"

    assert _serve(path, scenario) == ["control command failed: ZeroDivisionError: secret"]


def test_nobody_listening_and_nobody_answering_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(NoSuchBotError, match=r"no bot is running.*--data-dir") as caught:
        ask(path, "status")
    assert not isinstance(caught.value, BotNotAnsweringError)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NoSuchBotError, match="no bot is running"):
        ask(path, "status")

    async def scenario() -> None:
        with pytest.raises(BotNotAnsweringError, match="does not answer"):
            await asyncio.to_thread(ask, path, "hang", timeout_s=0.05)

    _serve(path, scenario)  # the file left behind is replaced


def test_several_questions_fit_one_connection_and_bad_ones_do_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def scenario() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=10**6)
        for line in (b"garbage\n", b"[]\n", b'{"command": 5}\n', b'{"command": "status"}\n'):
            writer.write(line)
        answers = [json.loads(await reader.readline()) for _ in range(4)]
        assert [answer["ok"] for answer in answers] == [False, False, False, True]
        writer.close()
        await writer.wait_closed()

    assert _serve(path, scenario) == []


def test_a_line_without_end_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def scenario() -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(b"x" * 300_000)
            await writer.drain()
            answer = await reader.read()
        except ConnectionError:
            answer = b""
        assert answer == b""
        writer.close()
        assert (await asyncio.to_thread(ask, path, "status"))["state"] == "quoting"

    assert _serve(path, scenario) == []


def test_the_number_of_connections_is_bounded_and_room_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"

    async def scenario() -> None:
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(16)]
        for reader, writer in idle:
            writer.write(b'{"command": "rearm"}\n')
            assert not json.loads(await reader.readline())["ok"]
        with pytest.raises(BotNotAnsweringError):
            await asyncio.to_thread(ask, path, "status")
        for reader, writer in idle:
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert (await asyncio.to_thread(ask, path, "status"))["state"] == "quoting"

    assert _serve(path, scenario) == []


def test_a_path_too_long_for_the_kernel_works_where_the_user_put_it(tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / ("e" * 120) / "control.sock"

    async def scenario() -> None:
        assert path.is_socket()
        assert (await asyncio.to_thread(ask, path, "status"))["state"] == "quoting"

    assert _serve(path, scenario) == []
    with pytest.raises(NoSuchBotError):
        ask(path, "status")


def test_a_short_path_is_used_as_it_is_and_no_descriptor_leaks(tmp_path: Path) -> None:
    with fitting_path(Path("/run/x.sock")) as name:
        assert name == "/run/x.sock"
    before = len(list(Path("/proc/self/fd").iterdir()))
    deep = tmp_path / ("d" * 150)
    deep.mkdir()
    with fitting_path(deep / "x.sock") as name:
        assert len(name) < 107
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_place_where_no_socket_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = ControlServer(tmp_path / "file" / "control.sock", _HANDLERS, print)
    with pytest.raises(UnusableError, match=r"control\.sock"):
        asyncio.run(server.start())
