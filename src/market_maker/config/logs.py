"""How the bot writes its log lines."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from market_maker.config.section import Section


class LogFormat(StrEnum):
    """What a log line looks like."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LoggingConfig(Section):
    """Section `[logging]`."""

    format: LogFormat = Field(
        LogFormat.AUTO,
        description="auto: the live view on a terminal and JSON elsewhere; console or json: lines only",
    )
    level: LogLevel = Field(
        LogLevel.INFO, description="Least severe line written; debug shows every order's life"
    )
    info_lines_per_hour: int = Field(
        60, ge=1, le=100_000, description="INFO lines let through in any hour; warnings always pass"
    )
    health_line_s: float = Field(
        900.0, gt=0, le=86_400, description="Time between two lines that sum up a healthy bot"
    )
