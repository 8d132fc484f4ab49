"""Which faults there are, and when each of them strikes.

Owns the catalogue, the seeded choice of what is armed and how often, and the record of what was
injected. Refuses to know what a fault does. It always holds that every fault draws from
random streams of its own, so that arming one never reshuffles another, and that nothing strikes
after `heal`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from market_maker.core.errors import UnusableError
from market_maker.core.instrument import NANOS
from market_maker.core.randomness import RandomStream


class Fault(StrEnum):
    """What can go wrong; the values are what `simulate --faults` takes."""

    # Requests and queries, each time one is made.
    REQUEST_LOST = "request_lost"
    REQUEST_LATE = "request_late"
    REQUEST_TWICE = "request_twice"
    RESPONSE_LOST = "response_lost"
    RESPONSE_LATE = "response_late"
    UNKNOWN_ORDER = "unknown_order"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    RESET = "reset"
    GARBLED = "garbled"
    QUERY_LAG = "query_lag"
    # Stream messages, each time one is sent.
    PRIVATE_DROPPED = "private_dropped"
    PRIVATE_TWICE = "private_twice"
    PRIVATE_LATE = "private_late"
    PRIVATE_REORDERED = "private_reordered"
    BALANCE_LATE = "balance_late"
    BOOK_GAP = "book_gap"
    BOOK_CROSSED = "book_crossed"
    BOOK_ONE_SIDED = "book_one_sided"
    BOOK_REPEATED = "book_repeated"
    # Spells: they begin at a random time and last.
    BAN = "ban"
    OUTAGE = "outage"
    BOOK_FROZEN = "book_frozen"
    PRIVATE_CUT = "private_cut"
    MARKET_CUT = "market_cut"
    SWIZZLE = "swizzle"
    HALF_OPEN = "half_open"
    MAINTENANCE = "maintenance"
    # Single events.
    MASS_CANCEL = "mass_cancel"
    FOREIGN_TRADE = "foreign_trade"
    OVERFILL = "overfill"
    TRANSFER = "transfer"
    RULE_CHANGE = "rule_change"
    VENUE_CLOCK_STEP = "venue_clock_step"
    LIMIT_LOWERED = "limit_lowered"
    LOOP_STALL = "loop_stall"
    KILL = "kill"
    CRASH = "crash"


DESCRIPTIONS = {
    Fault.REQUEST_LOST: "a request never arrives and nobody answers",
    Fault.REQUEST_LATE: "a request arrives seconds later, often after the bot stopped waiting",
    Fault.REQUEST_TWICE: "a request arrives a second time, later",
    Fault.RESPONSE_LOST: "a request is executed and nobody answers",
    Fault.RESPONSE_LATE: "an answer comes seconds later",
    Fault.UNKNOWN_ORDER: "a cancel or amendment is answered: no such order",
    Fault.RATE_LIMIT: "429 with Retry-After for one class of requests",
    Fault.SERVER_ERROR: "503, executed or not",
    Fault.RESET: "the connection resets while the answer is read",
    Fault.GARBLED: "the answer is truncated",
    Fault.QUERY_LAG: "queries do not know the last seconds",
    Fault.PRIVATE_DROPPED: "a message of the private stream is lost",
    Fault.PRIVATE_TWICE: "a message of the private stream comes again, later",
    Fault.PRIVATE_LATE: "a message of the private stream comes seconds later",
    Fault.PRIVATE_REORDERED: "two messages of the private stream swap places",
    Fault.BALANCE_LATE: "position or balance reports come seconds later",
    Fault.BOOK_GAP: "a book message is lost",
    Fault.BOOK_CROSSED: "the book crosses for one message",
    Fault.BOOK_ONE_SIDED: "a snapshot has no asks",
    Fault.BOOK_REPEATED: "a book message comes twice",
    Fault.BAN: "every request is refused for a while (418)",
    Fault.OUTAGE: "nobody is reachable for a while",
    Fault.BOOK_FROZEN: "the book stands still while other streams go on",
    Fault.PRIVATE_CUT: "the private stream is cut and restored",
    Fault.MARKET_CUT: "the public streams are cut and restored",
    Fault.SWIZZLE: "all streams are cut one by one and restored in another order",
    Fault.HALF_OPEN: "streams look open and say nothing",
    Fault.MAINTENANCE: "the venue takes no orders for a while",
    Fault.MASS_CANCEL: "the venue cancels everything",
    Fault.FOREIGN_TRADE: "somebody else trades the account",
    Fault.OVERFILL: "an order fills beyond its quantity",
    Fault.TRANSFER: "money is deposited or withdrawn",
    Fault.RULE_CHANGE: "the venue changes tick, smallest order or fees",
    Fault.VENUE_CLOCK_STEP: "the venue's clock steps by up to a second",
    Fault.LIMIT_LOWERED: "a reload lowers (or raises) the position limit",
    Fault.LOOP_STALL: "the event loop stands still",
    Fault.KILL: "the kill switch is thrown",
    Fault.CRASH: "the process dies and starts again, at times with the newest of its journal lost",
}
"""What each fault does, for users."""

SPELLS = {
    Fault.BAN: 4.0,
    Fault.OUTAGE: 4.0,
    Fault.BOOK_FROZEN: 6.0,
    Fault.PRIVATE_CUT: 4.0,
    Fault.MARKET_CUT: 4.0,
    Fault.SWIZZLE: 6.0,
    Fault.HALF_OPEN: 14.0,
    Fault.MAINTENANCE: 5.0,
}
"""Faults that last, with their mean duration in seconds."""

EVENTS = frozenset(
    {
        Fault.MASS_CANCEL,
        Fault.FOREIGN_TRADE,
        Fault.OVERFILL,
        Fault.TRANSFER,
        Fault.RULE_CHANGE,
        Fault.VENUE_CLOCK_STEP,
        Fault.LIMIT_LOWERED,
        Fault.LOOP_STALL,
        Fault.KILL,
        Fault.CRASH,
    }
)
"""Faults that happen at an instant and are over."""

TIMED = tuple(fault for fault in Fault if fault in SPELLS or fault in EVENTS)
"""Faults that come by the clock, in the catalogue's order."""

_LEAST_CHANCE, _MOST_CHANCE = 0.005, 0.15
_CHANCE_LIMIT = 0.5
_SHORTEST_MEAN_S, _LONGEST_MEAN_S = 10.0, 120.0


def parse_faults(text: str) -> tuple[Fault, ...]:
    """`all`, `none` or names separated by commas; raises UnusableError naming a wrong one."""
    if text == "all":
        return tuple(Fault)
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    known = {fault.value for fault in Fault}
    for name in names:
        if name not in known:
            msg = f"no fault is called {name!r}; there are: all, none, {', '.join(Fault)}"
            raise UnusableError(msg)
    return tuple(fault for fault in Fault if fault.value in names)


class Plan:
    """The faults of one seed: armed or not, how likely at each occasion or how far apart in time.

    With `certain` every allowed fault is armed; otherwise each seed arms about half of them, for
    a bot that survives one mixture may stumble over another. `intensity` multiplies how often
    they strike.
    """

    def __init__(
        self,
        seed: int,
        allowed: Iterable[Fault],
        *,
        certain: bool = False,
        intensity: float = 1.0,
    ) -> None:
        """Draw what is armed from the seed."""
        self.injected: dict[Fault, int] = {}
        self._seed = seed
        self._healed = False
        self._chances: dict[Fault, float] = {}
        self._gaps_s: dict[Fault, float] = {}
        self._streams: dict[Fault, RandomStream] = {}
        for fault in allowed:
            draw = RandomStream(seed, f"fault/{fault}/plan")
            armed = draw.uniform() < 0.5
            rate = draw.uniform()
            if not armed and not certain:
                continue
            self._streams[fault] = RandomStream(seed, f"fault/{fault}")
            if fault in TIMED:
                ratio = _LONGEST_MEAN_S / _SHORTEST_MEAN_S
                self._gaps_s[fault] = _SHORTEST_MEAN_S * ratio**rate / intensity
            else:
                ratio = _MOST_CHANCE / _LEAST_CHANCE
                chance = _LEAST_CHANCE * ratio**rate * intensity
                self._chances[fault] = min(_CHANCE_LIMIT, chance)

    @property
    def armed(self) -> tuple[Fault, ...]:
        """Faults that may strike under this seed."""
        return tuple(self._streams)

    @property
    def healed(self) -> bool:
        """Whether nothing strikes any more."""
        return self._healed

    def heal(self) -> None:
        """Let nothing strike any more."""
        self._healed = True

    def strikes(self, fault: Fault) -> bool:
        """Whether this occasion is hit; counts it."""
        if self._healed or fault not in self._chances:
            return False
        if self._streams[fault].uniform() >= self._chances[fault]:
            return False
        self.count(fault)
        return True

    def gap_s(self, fault: Fault) -> float:
        """Time until a fault that comes by the clock comes again."""
        return self._streams[fault].exponential(self._gaps_s[fault])

    def seconds(self, fault: Fault, mean_s: float, most_s: float) -> float:
        """How long something that a fault does takes."""
        return min(most_s, self._streams[fault].exponential(mean_s))

    def below(self, fault: Fault, n: int) -> int:
        """Pick one of `n` on behalf of a fault."""
        return self._streams[fault].below(n)

    def count(self, fault: Fault) -> None:
        """Note that a fault struck."""
        self.injected[fault] = self.injected.get(fault, 0) + 1


def nanos(seconds: float) -> int:
    """Seconds as integer nanoseconds."""
    return round(seconds * NANOS)
