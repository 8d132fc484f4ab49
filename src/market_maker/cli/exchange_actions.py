"""What `exchange` does: settings first, then the exchange's composition root."""

from __future__ import annotations

import os
from pathlib import Path

from market_maker.config.load import load_for
from market_maker.config.options import RunOptions


def serve_exchange(options: RunOptions, socket: Path | None, *, oracle: bool) -> int:
    """Serve until told to stop; returns the exit code."""
    settings = load_for(options, os.environ).settings
    from market_maker.app.exchange_server import ServeOptions, serve  # noqa: PLC0415 - compiles

    return serve(settings, options, ServeOptions(socket, oracle))
