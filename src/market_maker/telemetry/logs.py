"""Structured logs: one pipeline for our own lines and for libraries', set up once a process.

JSON off a terminal, readable lines on one, or a rotated file while the live view owns the terminal.
Formatting happens where a line is logged; writing happens in a thread behind a bounded queue,
so that a reader who stops reading cannot stop the bot (lines are dropped instead).

Always holds: no secret passes; third-party loggers stay at WARNING whatever our own level is; INFO lines stay inside
a budget. What happens to a single order is DEBUG and carries its `order_id`.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
from collections import deque
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec
import structlog

from market_maker.config.logs import LogFormat, LoggingConfig
from market_maker.core.instrument import NANOS
from market_maker.telemetry.redaction import Redactor

OUR_LOGGER = "market_maker"
_QUEUE_LINES = 10_000
_FILE_BYTES = 10_000_000
_FILES_KEPT = 3
_TAIL_LINES = 50

EventDict = MutableMapping[str, object]
Processor = Callable[[object, str, EventDict], EventDict]
NowNs = Callable[[], int]


class LogTail:
    """The last few lines, short, for the live view."""

    def __init__(self) -> None:
        """Start empty."""
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)

    def last(self, count: int) -> tuple[str, ...]:
        """The newest lines, oldest first."""
        return tuple(self._lines)[-count:] if count > 0 else ()

    def __call__(self, _logger: object, method: str, event: EventDict) -> EventDict:
        """Keep a line that an operator should see."""
        if method != "debug":
            time = str(event.get("timestamp", ""))[11:19]
            shown = (f"{k}={v}" for k, v in event.items() if k not in _NOT_IN_TAIL)
            self._lines.append(" ".join((time, str(event.get("event", "")), *shown)))
        return event


_NOT_IN_TAIL = frozenset({"timestamp", "event", "level", "exception", "logger", "_record"})


class InfoBudget:
    """Lets at most `per_hour` INFO lines through in any hour; says once when it starts to drop.

    Half of the budget is a burst, half refills evenly, so that no window holds more than the whole.
    """

    def __init__(self, per_hour: int, now_ns: NowNs) -> None:
        """Start with a full burst."""
        self._capacity = per_hour / 2
        self._refill_per_ns = self._capacity / (3600 * NANOS)
        self._tokens = self._capacity
        self._now_ns = now_ns
        self._refilled_ns = now_ns()
        self._dropped = 0

    def __call__(self, _logger: object, method: str, event: EventDict) -> EventDict:
        """Pass or drop one line."""
        if method != "info":
            return event
        now_ns = self._now_ns()
        elapsed_ns = max(0, now_ns - self._refilled_ns)
        self._tokens = min(self._capacity, self._tokens + elapsed_ns * self._refill_per_ns)
        self._refilled_ns = now_ns
        if self._tokens < 1:
            self._dropped += 1
            raise structlog.DropEvent
        self._tokens -= 1
        if self._dropped:
            event["dropped_before"] = self._dropped
            self._dropped = 0
        return event


class _DroppingQueueHandler(logging.handlers.QueueHandler):
    """Formats in the caller's thread; drops a line when the writer is this far behind."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return


class LogSetup:
    """The process's logging while it is set up; `close` writes what is queued and undoes it."""

    def __init__(
        self,
        listener: logging.handlers.QueueListener,
        tail: LogTail,
        replaced: list[logging.Handler],
    ) -> None:
        """Built by `configure`."""
        self._listener = listener
        self._replaced = replaced
        self.tail = tail

    def close(self) -> None:
        """Flush, stop the writer thread and give logging back as it was."""
        self._listener.stop()
        logging.getLogger().handlers = self._replaced
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        for handler in self._listener.handlers:
            handler.close()


def configure(
    config: LoggingConfig,
    *,
    redactor: Redactor,
    now_ns: NowNs,
    file: Path | None = None,
    stream: TextIO | None = None,
) -> LogSetup:
    """Set up logging for this process; `file` takes the lines instead of the stream."""
    stream = stream or sys.stderr
    console = file is None and wants_console(config.format, stream)
    tail = LogTail()
    shared: list[Processor] = [
        _stamp(now_ns),
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _redact(redactor),
    ]
    queued: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUE_LINES)
    entrance = _DroppingQueueHandler(queued)
    entrance.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, tail],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _console_renderer(stream) if console else _json_renderer(),
            ],
        )
    )
    entrance.addFilter(_foreign_is_pinned)
    exit_ = (
        logging.StreamHandler(stream)
        if file is None
        else logging.handlers.RotatingFileHandler(file, "a", _FILE_BYTES, _FILES_KEPT, delay=True)
    )
    listener = logging.handlers.QueueListener(queued, exit_)
    replaced = logging.getLogger().handlers
    _install(
        config,
        entrance,
        [*shared[:1], InfoBudget(config.info_lines_per_hour, now_ns), *shared[1:], tail],
    )
    listener.start()
    return LogSetup(listener, tail, replaced)


def wants_console(log_format: LogFormat, stream: TextIO) -> bool:
    """Whether lines for people are wanted: said so, or the stream is a terminal."""
    return log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and stream.isatty())


def order_logger(
    market: str, order_id: str, side: str, level: str
) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines share one order's identity from placement to its end."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger.bind(market=market, order_id=order_id, side=side, level=level)


def _install(config: LoggingConfig, handler: logging.Handler, chain: list[Processor]) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    ours = logging.getLogger(OUR_LOGGER)
    level = logging.getLevelNamesMapping()[config.level.value.upper()]
    ours.setLevel(level)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: ours,
        cache_logger_on_first_use=False,
    )


def _foreign_is_pinned(record: logging.LogRecord) -> bool:
    ours = record.name == OUR_LOGGER or record.name.startswith(f"{OUR_LOGGER}.")
    return ours or record.levelno >= logging.WARNING


def _stamp(now_ns: NowNs) -> Processor:
    def stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
        seconds, nanos = divmod(now_ns(), NANOS)
        time = datetime.fromtimestamp(seconds, UTC)
        event["timestamp"] = f"{time:%Y-%m-%dT%H:%M:%S}.{nanos // 1_000_000:03d}Z"
        return event

    return stamp


def _redact(redactor: Redactor) -> Processor:
    def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if key not in _PIPELINE_KEYS:
                event[key] = redactor.value(value, key)
        return event

    return redact


_PIPELINE_KEYS = frozenset({"_record", "_from_structlog", "exc_info"})


def _json_renderer() -> structlog.typing.Processor:
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(event: EventDict, **_kwargs: object) -> str:
    first = {key: event[key] for key in _FIRST_KEYS if key in event}
    return msgspec.json.encode({**first, **event}, enc_hook=str).decode()


_FIRST_KEYS = ("timestamp", "level", "event")


def _console_renderer(stream: TextIO) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
