from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
import structlog

from market_maker.config.logs import LogFormat, LoggingConfig, LogLevel
from market_maker.telemetry.logs import LogSetup, configure, order_logger, wants_console
from market_maker.telemetry.redaction import MASK, Redactor

HOUR_NS = 3_600 * 10**9
SECRET = "canary-0815"


class Terminal(StringIO):
    """A stream that says that people look at it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 1_790_000_000 * 10**9

    def __call__(self) -> int:
        """Nanoseconds now."""
        return self.now_ns


class Logged:
    """Logging that is set up; `lines` ends it and returns what was written."""

    def __init__(self, config: LoggingConfig) -> None:
        self.clock = Hands()
        self.stream = StringIO()
        self.setup: LogSetup | None = configure(
            config, redactor=Redactor([SECRET]), now_ns=self.clock, stream=self.stream
        )

    def close(self) -> None:
        """End logging, once."""
        if self.setup is not None:
            self.setup.close()
            self.setup = None

    def lines(self) -> list[dict[str, object]]:
        """End logging and read what was written."""
        self.close()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def start() -> Iterator[Callable[..., Logged]]:
    started: list[Logged] = []

    def make(**settings: object) -> Logged:
        started.append(Logged(LoggingConfig.model_validate({"format": "json", **settings})))
        return started[-1]

    yield make
    for logged in started:
        logged.close()


def test_a_line_is_json_with_time_level_and_fields(start: Callable[..., Logged]) -> None:
    logged = start()
    structlog.get_logger().info("state_changed", market="SOL-USD")
    assert logged.lines() == [
        {
            "timestamp": "2026-09-21T14:13:20.000Z",
            "level": "info",
            "event": "state_changed",
            "market": "SOL-USD",
        }
    ]


@pytest.mark.scenario("SC46")
def test_third_party_loggers_stay_at_warning_when_ours_are_at_debug(
    start: Callable[..., Logged],
) -> None:
    logged = start(level="debug")
    chatty = logging.getLogger("websockets.client")
    chatty.setLevel(logging.DEBUG)
    chatty.debug("frame")
    chatty.info("frame")
    chatty.warning("closing")
    structlog.get_logger().debug("ours")
    assert [line["event"] for line in logged.lines()] == ["closing", "ours"]


def test_secrets_reach_neither_our_lines_nor_those_of_libraries(
    start: Callable[..., Logged],
) -> None:
    logged = start()
    structlog.get_logger().info("x", note=f"a {SECRET} b", api_key="zzz", deep={"password": "yyy"})
    logging.getLogger("ccxt").error("url https://x/?s=%s and %s", "www", SECRET)
    try:
        raise ValueError(SECRET)  # noqa: TRY301 - the trace is what is tested
    except ValueError:
        structlog.get_logger().exception("failed")
    logged.close()
    written = logged.stream.getvalue()
    for secret in (SECRET, "zzz", "yyy", "www"):
        assert secret not in written
    assert written.count(MASK) >= 5
    assert "ValueError" in written


def test_orders_share_one_id_and_are_silent_at_info(start: Callable[..., Logged]) -> None:
    quiet = start()
    order_logger("SOL-USD", "mm-1-7", "buy", "0").debug("order_sent")
    assert quiet.lines() == []
    loud = start(level="debug")
    logger = order_logger("SOL-USD", "mm-1-7", "buy", "0")
    logger.debug("order_sent", price="150.01")
    logger.debug("order_filled")
    assert {line["order_id"] for line in loud.lines()} == {"mm-1-7"}


def test_no_hour_holds_more_info_lines_than_the_budget(start: Callable[..., Logged]) -> None:
    logged = start(info_lines_per_hour=60)
    logger = structlog.get_logger()
    times = []
    for minute in range(180):
        logged.clock.now_ns += HOUR_NS // 60
        for _ in range(5):
            logger.info("noise", minute=minute)
    times = [int(str(line["minute"])) for line in logged.lines()]
    for first in range(120):
        assert sum(first <= minute < first + 60 for minute in times) <= 60
    assert times[-1] >= 170


def test_warnings_pass_when_the_info_budget_is_spent(start: Callable[..., Logged]) -> None:
    logged = start(info_lines_per_hour=2)
    for _ in range(10):
        structlog.get_logger().info("noise")
        structlog.get_logger().warning("trouble")
    events = [line["event"] for line in logged.lines()]
    assert events.count("noise") == 1
    assert events.count("trouble") == 10


def test_a_quiet_time_refills_the_budget_and_says_what_was_dropped(
    start: Callable[..., Logged],
) -> None:
    logged = start(info_lines_per_hour=2)
    for _ in range(4):
        structlog.get_logger().info("noise")
    logged.clock.now_ns += HOUR_NS
    structlog.get_logger().info("again")
    assert logged.lines()[-1]["dropped_before"] == 3


def test_python_warnings_become_lines(start: Callable[..., Logged]) -> None:
    logged = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert [line["level"] for line in logged.lines()] == ["warning"]


def test_the_tail_keeps_what_an_operator_should_see(start: Callable[..., Logged]) -> None:
    logged = start(level="debug")
    structlog.get_logger().debug("detail")
    structlog.get_logger().info("health", fills=3)
    assert logged.setup is not None
    (line,) = logged.setup.tail.last(5)
    assert line.startswith("14:13:20")
    assert "fills=3" in line
    assert logged.setup.tail.last(0) == ()


def test_a_file_takes_the_lines_instead_of_the_terminal(tmp_path: Path) -> None:
    stream = Terminal()
    file = tmp_path / "bot.log"
    setup = configure(
        LoggingConfig(), redactor=Redactor(), now_ns=Hands(), stream=stream, file=file
    )
    structlog.get_logger().info("hello")
    setup.close()
    assert stream.getvalue() == ""
    assert json.loads(file.read_text(encoding="utf-8"))["event"] == "hello"


def test_lines_for_people_are_not_json() -> None:
    stream = Terminal()
    setup = configure(LoggingConfig(), redactor=Redactor(), now_ns=Hands(), stream=stream)
    structlog.get_logger().info("hello")
    setup.close()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize(
    ("log_format", "stream", "console"),
    [
        (LogFormat.AUTO, Terminal(), True),
        (LogFormat.AUTO, StringIO(), False),
        (LogFormat.CONSOLE, StringIO(), True),
        (LogFormat.JSON, Terminal(), False),
    ],
)
def test_the_format_follows_the_wish_and_then_the_terminal(
    log_format: LogFormat, stream: StringIO, console: bool
) -> None:
    assert wants_console(log_format, stream) is console


def test_closing_gives_logging_back_as_it_was(start: Callable[..., Logged]) -> None:
    before = list(logging.getLogger().handlers)
    start(level=LogLevel.DEBUG).close()
    assert logging.getLogger().handlers == before
