"""The process's first lines: signals are safe before anything heavy is imported."""

from __future__ import annotations

from market_maker import early_signals

early_signals.install()

from market_maker.cli.root import main as run_command_line  # noqa: E402 - signals come first


def main() -> int:
    """Entry point of the console script and of `python -m market_maker`."""
    return run_command_line()


if __name__ == "__main__":
    raise SystemExit(main())
