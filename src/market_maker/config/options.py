"""What the command line says about one run: what to trade, where, how long, with which settings."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

DEFAULT_DATA_DIR = Path("data")
"""Where every command looks for the bot, relative to the current directory."""


class Mode(StrEnum):
    """Where orders go."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"


DEFAULT_MODE = Mode.SIM
"""What every command assumes, so that none of them acts on another bot than `run` started."""


FLAG_KEYS: dict[str, tuple[str, ...]] = {
    "--engine": ("quoting", "engine"),
    "--metrics-port": ("metrics", "port"),
    "--log-format": ("logging", "format"),
}
"""Options that set a key of the settings."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of one run; `flags` are those that also set a key of the settings."""

    markets: tuple[str, ...]
    mode: Mode = DEFAULT_MODE
    venue: str = ""
    engine: str | None = None
    config_files: tuple[Path, ...] = ()
    params: Path | None = None
    seed: int | None = None
    duration_s: float | None = None
    metrics_port: int | None = None
    data_dir: Path = DEFAULT_DATA_DIR
    log_format: str | None = None
    fresh: bool = False

    @property
    def flags(self) -> dict[tuple[str, ...], tuple[str, object]]:
        """Key to option and value, for every such option that was given."""
        given = {"engine": self.engine, "port": self.metrics_port, "format": self.log_format}
        return {
            key: (option, value)
            for option, key in FLAG_KEYS.items()
            if (value := given[key[-1]]) is not None
        }
