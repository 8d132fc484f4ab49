"""The one exception tree, with the exit code that each branch ends a process with.

    MarketMakerError (1)
      UnusableError (3)            parsed but unusable: configuration, engine, file, port, directory
      VenueUnavailableError (5)    venue or market cannot be reached or does not exist
        QueryFailedError           a query gave no usable answer
      AnotherInstanceError (6)     a bot already runs on this data directory
      NoSuchBotError (7)           a control command found no running bot
      OrdersMayRestError (8)       shutdown or kill could not verify that nothing rests
      InvariantError (1)           our own code broke a rule: the gate closes and orders are cancelled
        LifecycleError             an order was asked for a transition that its table does not list

Refusals that trading expects are values with an enum reason, never exceptions.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Process exit codes; documented for users, never renumbered."""

    CLEAN = 0
    UNEXPECTED = 1
    USAGE = 2
    UNUSABLE = 3
    CREDENTIALS = 4
    VENUE_UNAVAILABLE = 5
    ANOTHER_INSTANCE = 6
    NO_SUCH_BOT = 7
    ORDERS_MAY_REST = 8
    RISK_STOP = 9
    CHECK_FAILED = 10
    NOT_FLAT = 11


class MarketMakerError(Exception):
    """Root of every error we raise on purpose; the message names the remedy."""

    exit_code = ExitCode.UNEXPECTED


class UnusableError(MarketMakerError):
    """Input that was understood but cannot be used."""

    exit_code = ExitCode.UNUSABLE


class VenueUnavailableError(MarketMakerError):
    """The venue or the market cannot be traded now."""

    exit_code = ExitCode.VENUE_UNAVAILABLE


class AnotherInstanceError(MarketMakerError):
    """Another bot holds the lock."""

    exit_code = ExitCode.ANOTHER_INSTANCE


class NoSuchBotError(MarketMakerError):
    """No running bot answers."""

    exit_code = ExitCode.NO_SUCH_BOT


class OrdersMayRestError(MarketMakerError):
    """Nothing proved that all orders are gone."""

    exit_code = ExitCode.ORDERS_MAY_REST


class InvariantError(MarketMakerError):
    """Our own code broke a rule that must always hold."""


class LifecycleError(InvariantError):
    """An order was asked for a transition that its table does not list."""


class QueryFailedError(VenueUnavailableError):
    """A venue query gave no usable answer; says nothing about what is true.

    `retry_after_ns` is how long queries must pause, 0 if the venue did not say.
    """

    def __init__(self, message: str, retry_after_ns: int = 0) -> None:
        """Keep the pause that the venue asked for."""
        super().__init__(message)
        self.retry_after_ns = retry_after_ns
