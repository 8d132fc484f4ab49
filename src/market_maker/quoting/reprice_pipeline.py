"""What each level does next: hold, place, amend, cancel or wait, with one closed reason.

Owns the comparison of a level's resting order with its target, final price against final price, and
the patience in it: tolerance, intervals, age, gates, churn. Refuses to compute a price and to
send anything. One memory object per level; a decision to move spends the market's churn budget.

Always holds: time alone moves no order. One that stood where its target said stays there until
the book, a trade, the funding rate or the position says something new, however far estimates
drift meanwhile (a static market gives no action). Age makes a move possible, never necessary; a
level that reduces a large position passes every gate but book validity; an order inside the
fee floor waits for nothing.
"""

from __future__ import annotations

from market_maker.config.quoting import PipelineConfig
from market_maker.core.commands import LevelId
from market_maker.core.instrument import NANOS, Instrument
from market_maker.core.readings import Readings
from market_maker.core.reasons import BookVerdict, DecisionReason
from market_maker.core.units import Grid
from market_maker.market.market_view import MarketView
from market_maker.quoting.churn_budget import ChurnBudget
from market_maker.quoting.decision import Action, Decision, RestingOrder, RestingState
from market_maker.quoting.gates import Gates
from market_maker.quoting.ladder import LevelTarget

_BPS = 1e-4
_AMEND_COST = 1.0
_REPLACE_COST = 2.0
_STATIC = Decision(Action.HOLD, DecisionReason.STATIC)
_IN_FLIGHT = Decision(Action.WAIT, DecisionReason.IN_FLIGHT)
_UNKNOWN = Decision(Action.WAIT, DecisionReason.UNKNOWN_OUTCOME)
# Named once: they are compared on every decision.
_RESTING = RestingState.RESTING
_VALID = BookVerdict.VALID
_WITHIN_TOLERANCE = DecisionReason.WITHIN_TOLERANCE

_Known = tuple[LevelTarget, MarketView, Readings]


class LevelMemory:
    """What one level remembers between decisions."""

    __slots__ = (
        "detail",
        "failure",
        "failures",
        "gates",
        "held",
        "moved_ns",
        "moving",
        "pause_until_ns",
        "settled",
    )

    def __init__(self, gates: Gates) -> None:
        """Start with nothing done."""
        self.gates = gates
        self.held = _STATIC
        self.moved_ns = 0
        self.moving = False
        self.failures = 0
        self.failure = DecisionReason.RISK_REFUSED
        self.detail = ""
        self.pause_until_ns = 0
        self.settled: _Known | None = None
        """What was known when the order last stood where its target said."""


class RepricePipeline:
    """Decides for every level of one market."""

    __slots__ = (
        "_age_ns",
        "_budget",
        "_can_amend",
        "_config",
        "_grid",
        "_interval_ns",
        "_levels",
        "_most",
        "_refill_below",
        "_tick",
        "_tolerance",
        "_urgent",
    )

    def __init__(
        self, config: PipelineConfig, instrument: Instrument, *, can_amend: bool = True
    ) -> None:
        """Start with an empty memory; levels are added as they are first decided."""
        self._config = config
        self._grid = Grid(instrument)
        self._tick = instrument.tick if instrument.price_significant_digits is None else 0
        self._can_amend = can_amend
        self._interval_ns = config.min_interval_s * NANOS
        self._age_ns = int(config.max_age_s * NANOS)
        self._most = 1.0 + config.size_tolerance
        self._refill_below = config.refill_below
        # Shares of twice the mid.
        self._tolerance = config.tolerance_bps * _BPS * 0.5
        self._urgent = config.urgent_bps * _BPS * 0.5
        self._budget = ChurnBudget(config.churn_per_s, config.churn_burst)
        self._levels: dict[LevelId, LevelMemory] = {}

    def decide(
        self,
        target: LevelTarget,
        resting: RestingOrder | None,
        view: MarketView,
        readings: Readings,
        now_ns: int,
    ) -> Decision:
        """Decide one level's next action and count it as done."""
        if resting is not None and resting.state is not _RESTING:
            return _UNKNOWN if resting.state is RestingState.UNKNOWN else _IN_FLIGHT
        memory = self._levels.get(target.level) or self._memory(target.level)
        if view.verdict is not _VALID:
            return self._silence(memory, resting, DecisionReason.BOOK_INVALID, 0)
        # Gates see every decision, so that their dwell is right when a priority ends.
        gate = memory.gates.check(view, readings, now_ns)
        if target.blocked is not None:
            return self._silence(memory, resting, target.blocked, 0)
        if gate is not None and not target.priority:
            return self._silence(memory, resting, gate, memory.gates.until_ns)
        if resting is None:
            memory.settled = None
            return self._place(target, memory, now_ns)
        if resting.price == target.price and self._size_fits(target, resting):
            memory.moving = False
            memory.settled = target, view, readings
            return _STATIC
        return self._move(target, resting, memory, view, readings, now_ns)

    def on_failure(
        self, level: LevelId, now_ns: int, reason: DecisionReason, detail: str = ""
    ) -> None:
        """A placement or move was refused or rejected: pause this level, longer each time."""
        memory = self._memory(level)
        memory.failure = reason
        memory.detail = detail
        config = self._config
        pause_s = config.failure_pause_s * 2 ** min(memory.failures, 30)
        memory.failures += 1
        memory.pause_until_ns = now_ns + int(min(pause_s, config.max_failure_pause_s) * NANOS)

    def on_success(self, level: LevelId) -> None:
        """A placement or move was accepted: failures are forgotten."""
        memory = self._memory(level)
        memory.failures = 0
        memory.pause_until_ns = 0

    def _memory(self, level: LevelId) -> LevelMemory:
        memory = self._levels.get(level)
        if memory is None:
            memory = self._levels[level] = LevelMemory(Gates(self._config, level.side))
        return memory

    def _silence(
        self,
        memory: LevelMemory,
        resting: RestingOrder | None,
        reason: DecisionReason,
        wake_ns: int,
    ) -> Decision:
        memory.moving = False
        action = Action.WAIT if resting is None else Action.CANCEL
        return Decision(action, reason, wake_ns=wake_ns)

    def _place(self, target: LevelTarget, memory: LevelMemory, now_ns: int) -> Decision:
        memory.moving = False
        if now_ns < target.not_before_ns:
            return Decision(Action.WAIT, DecisionReason.COOLDOWN, wake_ns=target.not_before_ns)
        if now_ns < memory.pause_until_ns:
            return _paused(Action.WAIT, memory)
        return Decision(
            Action.PLACE, DecisionReason.NO_ORDER, target.price, target.qty, target.reduce_only
        )

    def _size_fits(self, target: LevelTarget, resting: RestingOrder) -> bool:
        qty, remaining = target.qty, resting.remaining
        return qty * self._refill_below <= remaining <= qty * self._most

    def _move(
        self,
        target: LevelTarget,
        resting: RestingOrder,
        memory: LevelMemory,
        view: MarketView,
        readings: Readings,
        now_ns: int,
    ) -> Decision:
        """The order is not where or what it should be: act now, later, or not at all."""
        config = self._config
        urgent = self._is_urgent(target, resting, view)
        if (
            not urgent
            and _no_news(memory.settled, target, view, readings)
            and self._size_fits(target, resting)
        ):
            memory.moving = False
            return _STATIC
        if not urgent:
            held = self._patience(target, resting, memory, view, readings, now_ns)
            if held is not None:
                return held
        shift = abs(target.price - resting.price)
        small = shift <= config.amend_max_bps * _BPS * 0.5 * view.mid2
        filled = resting.qty - resting.remaining
        # What filled before the lot changed leaves no total that would be on the new one.
        whole = filled % self._grid.instrument.lot == 0
        # Nor does an amendment change whether an order may open a position.
        alike = resting.reduce_only is target.reduce_only
        amends = self._can_amend and small and whole and alike
        cost = _AMEND_COST if amends else _REPLACE_COST
        if not urgent:
            delay_ns = self._budget.wait_ns(cost, target.level.index, now_ns)
            if delay_ns:
                return Decision(Action.HOLD, DecisionReason.CHURN_BUDGET, wake_ns=now_ns + delay_ns)
        if now_ns < memory.pause_until_ns:
            if not urgent:
                return _paused(Action.HOLD, memory)
            # What cannot be moved and must not stay is taken away.
            amends = False
        cost = _AMEND_COST if amends else _REPLACE_COST
        delay_ns = 0 if urgent else self._budget.wait_ns(cost, target.level.index, now_ns)
        if delay_ns:
            return Decision(Action.HOLD, DecisionReason.CHURN_BUDGET, wake_ns=now_ns + delay_ns)
        self._budget.spend(cost, now_ns)
        memory.moved_ns = now_ns
        memory.moving = False
        if amends:
            reason = DecisionReason.SMALL_MOVE if shift else DecisionReason.SIZE_CHANGED
            return Decision(
                Action.AMEND, reason, target.price, filled + target.qty, target.reduce_only
            )
        reason = DecisionReason.PRICE_MOVED if shift else DecisionReason.SIZE_CHANGED
        return Decision(Action.CANCEL, reason)

    def _is_urgent(self, target: LevelTarget, resting: RestingOrder, view: MarketView) -> bool:
        """Whether the order stands inside the fee floor, or where a new one would be clamped away."""
        side = target.level.side
        if side * (resting.price - target.price) <= 0:
            return False
        slack = self._urgent * (view.best_bid + view.best_ask)
        return side * (resting.price - target.edge_price) > slack

    def _patience(
        self,
        target: LevelTarget,
        resting: RestingOrder,
        memory: LevelMemory,
        view: MarketView,
        readings: Readings,
        now_ns: int,
    ) -> Decision | None:
        """Why a move that is not urgent has to wait, or None."""
        config = self._config
        volatility = readings.volatility
        hurry = readings.toxicity.interval_scale
        shift = abs(target.price - resting.price)
        tick = self._tick or self._grid.tick_at(resting.price)
        tolerance = volatility.tolerance_scale * max(
            config.tolerance_ticks * tick, self._tolerance * (view.best_bid + view.best_ask)
        )
        if memory.moving:
            tolerance *= config.tolerance_release
        if shift <= tolerance and self._size_fits(target, resting):
            aged_ns = resting.placed_ns + int(self._age_ns * hurry)
            if now_ns < aged_ns:
                memory.moving = False
                return _hold(memory, _WITHIN_TOLERANCE, aged_ns)
        memory.moving = True
        # A move that was refused counts too, so that it is not tried on every event.
        last_ns = max(memory.moved_ns, resting.placed_ns)
        ready_ns = last_ns + int(self._interval_ns * volatility.interval_scale * hurry)
        if now_ns < ready_ns:
            return _hold(memory, DecisionReason.TOO_YOUNG, ready_ns)
        if now_ns < target.not_before_ns and target.level.side * (target.price - resting.price) > 0:
            # After a post-only rejection nothing moves towards the market.
            return Decision(Action.HOLD, DecisionReason.COOLDOWN, wake_ns=target.not_before_ns)
        return None


def _no_news(
    settled: _Known | None, target: LevelTarget, view: MarketView, readings: Readings
) -> bool:
    """Whether nothing but the time has changed since then."""
    if settled is None:
        return False
    then, seen, read = settled
    return (
        seen.version == view.version
        and read.intensity.market_orders == readings.intensity.market_orders
        and read.funding.rate_per_hour == readings.funding.rate_per_hour
        and then.position == target.position
    )


def _paused(action: Action, memory: LevelMemory) -> Decision:
    """The pause after a failure, which must not hide what it is for."""
    return Decision(action, memory.failure, wake_ns=memory.pause_until_ns, detail=memory.detail)


def _hold(memory: LevelMemory, reason: DecisionReason, wake_ns: int) -> Decision:
    """The decision to hold; the same object while nothing about it changes."""
    held = memory.held
    if held.reason is not reason or held.wake_ns != wake_ns:
        held = memory.held = Decision(Action.HOLD, reason, wake_ns=wake_ns)
    return held
