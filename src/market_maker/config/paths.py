"""Where files live under the data directory.

One folder for the account of a mode (lock, control socket, state, embedded exchange) and one for each market and
mode (journal), so that modes never share a book.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from market_maker.core.errors import UnusableError

RECORD: Final = "record"
"""What `record` calls itself where others say their mode."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


class DataPaths:
    """Every path of one mode's bot, or of `record`; making a directory is `ensure`'s business alone."""

    def __init__(self, data_dir: Path, mode: str, markets: tuple[str, ...] = ()) -> None:
        """Absolute, so that a later change of directory moves nothing."""
        self._root = data_dir.expanduser().absolute()
        self._mode = mode
        self.markets = markets

    @property
    def account_dir(self) -> Path:
        """What the account's markets share."""
        return self._root / f"account-{self._mode}"

    @property
    def lock_file(self) -> Path:
        """Held while a bot runs."""
        return self.account_dir / "lock"

    @property
    def control_socket(self) -> Path:
        """Where a running bot listens."""
        return self.account_dir / "control.sock"

    @property
    def state_file(self) -> Path:
        """Epoch, kill latch and whatever else must survive."""
        return self.account_dir / "state.sqlite"

    @property
    def kill_file(self) -> Path:
        """Appears when `kill` meets a bot that does not answer; the bot's watchdog looks for it."""
        return self.account_dir / "kill"

    @property
    def exchange_dir(self) -> Path:
        """The embedded exchange's own files."""
        return self.account_dir / "exchange"

    @property
    def exchange_socket(self) -> Path:
        """Where an exchange in a process of its own listens unless told otherwise."""
        return self.account_dir / "exchange.sock"

    @property
    def served_file(self) -> Path:
        """Says at which socket the bot's orders rest, for `kill` when the bot is dead."""
        return self.account_dir / "served.json"

    @property
    def log_file(self) -> Path:
        """Log lines while the live view has the terminal."""
        return self.account_dir / "bot.log"

    def market_dir(self, market: str) -> Path:
        """What one market keeps."""
        # Venues write BTC/USDT:USDT; a file system should not have to.
        return self._root / f"{_UNSAFE.sub('_', market)}-{self._mode}"

    def journal_dir(self, market: str) -> Path:
        """The append-only journal."""
        return self.market_dir(market) / "journal"

    def ticks_dir(self, market: str) -> Path:
        """Recorded market data."""
        return self.market_dir(market) / "ticks"

    def ensure(self) -> None:
        """Make the account's and the markets' directories, private to the user."""
        for directory in (self.account_dir, *map(self.market_dir, self.markets)):
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                probe = directory / ".writable"
                probe.touch()
                probe.unlink()
            except OSError as error:
                raise UnusableError(
                    f"data directory {directory} cannot be written: {error.strerror}; "
                    "choose another one with --data-dir"
                ) from None
