"""How far paper fills are from what the queue that was really there would have given.

    python tests/benchmarks/shadow_truth.py                         20 markets, the tables of docs/backtesting.md
    python tests/benchmarks/shadow_truth.py --seeds 1-4 --minutes 5
    python tests/benchmarks/shadow_truth.py --json

On each market a bot trades on paper; then the same market is made again with a shadow for each of its orders (see
tests/app/shadowing.py). P&L of an estimate: each fill valued at the mid `HORIZON_S` after it, fees paid. Exits 1 if the
true P&L lies outside the pessimistic-optimistic band on more than a tenth of the markets.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).parents[1] / "app"), str(Path(__file__).parents[2])]

from recorded import EPOCH_NS  # noqa: E402 - the line above makes it importable
from shadowing import (  # noqa: E402 - likewise
    DELAY_NS,
    SOURCES,
    TRUE,
    Compared,
    Stay,
    compare,
)
from tests.benchmarks._options import overrides, seeds  # noqa: E402 - likewise

from market_maker.backtest.bootstrap import student_quantile  # noqa: E402 - likewise
from market_maker.config.schema import Settings  # noqa: E402 - likewise
from market_maker.kernels.fill_fit import TrueOrder, fit_exponent  # noqa: E402 - likewise
from market_maker.ticks.columns import Kind  # noqa: E402 - likewise

PESSIMISTIC, CENTRAL, OPTIMISTIC, _ = SOURCES
MONEY: Final = 1e18

HORIZON_S: Final = 5.0
"""That of the market's own markout facts; chosen before the first result was seen."""
JUDGED: Final = f"{HORIZON_S:g} s"
BESIDE: Final[dict[str, float | None]] = {"1 s": 1.0, "60 s": 60.0, "end of session": None}
"""Valuations for comparison; nothing is judged by them."""
CHANCE_S: Final = (1.0, 3.0, 10.0)
CLASSES: Final = 5
LATER_S: Final = 10.0

_PAPER, _TRUE, _WIDTH = 1, 3, 5
"""Where a row of stays tells of paper and of the truth."""

Floats = NDArray[np.float64]


class Outcome(NamedTuple):
    """One market; `pnl` by horizon and source, `stays` as `_row` makes them.

    `over` counts orders that filled more than the optimist says, `under` those with less than the pessimist says.
    """

    seed: int
    orders: int
    refused: int
    filled: dict[str, tuple[int, int]]
    over: int
    under: int
    pnl: dict[str, dict[str, float]]
    stays: Floats
    unseen: tuple[int, int]
    exponent: tuple[float, float, float] | None


def measure(job: tuple[int, float, dict[str, object]]) -> Outcome:
    """Trade one market and ask its queue."""
    seed, minutes, changes = job
    found = compare(Settings.model_validate(changes), seed, 60.0 * minutes)
    filled = {source: found.filled(source) for source in SOURCES}
    true = filled[TRUE]
    horizons = {JUDGED: HORIZON_S, **BESIDE}
    return Outcome(
        seed,
        len(found.totals),
        found.refused,
        {source: (len(by), sum(by.values())) for source, by in filled.items()},
        sum(qty > filled[OPTIMISTIC].get(order, 0) for order, qty in true.items()),
        sum(qty > true.get(order, 0) for order, qty in filled[PESSIMISTIC].items()),
        {
            name: {source: found.pnl(source, horizon_s) / MONEY for source in SOURCES}
            for name, horizon_s in horizons.items()
        },
        np.array([_row(stay) for stay in found.stays]).reshape(-1, _WIDTH),
        unseen(found),
        _exponent(found),
    )


def _row(stay: Stay) -> list[float]:
    """Ahead, then on paper and in truth how long it waited and whether it filled."""
    row = [float(stay.ahead)]
    for source, until_ns in ((CENTRAL, stay.ended_ns), (TRUE, stay.lingered_ns)):
        at_ns = stay.filled_ns.get(source, 0)
        row += [((at_ns or until_ns) - stay.began_ns) / 1e9, float(at_ns > 0)]
    return row


def unseen(found: Compared) -> tuple[int, int]:
    """True executions that the optimist does not have then: how many, and how many no public trade could tell of.

    A public trade could have told of them if it was through the price, or left something at it.
    """
    ticks, shift = found.ticks, EPOCH_NS
    paper = {(x.order, x.at_ns) for x in found.executions if x.source == OPTIMISTIC}
    late = [x for x in found.executions if x.source == TRUE and (x.order, x.at_ns) not in paper]
    silent = 0
    for x in late:
        now = ticks.venue_ns == x.at_ns + shift
        trades, levels = now & (ticks.kind == Kind.TRADE), now & (ticks.kind == Kind.LEVEL)
        through = (x.price - ticks.price[trades]) * x.side > 0
        left = levels & (ticks.price == x.price) & (ticks.side == x.side) & (ticks.qty > 0)
        silent += not through.any() and not left.any()
    return len(late), silent


def _exponent(found: Compared) -> tuple[float, float, float] | None:
    """What the true fills make likely, as somebody sees it who receives the market data."""
    shift = EPOCH_NS + DELAY_NS
    orders = [
        TrueOrder(
            x.began_ns + shift,
            x.lingered_ns + shift,
            x.side,
            x.price,
            x.filled_ns[TRUE] + shift if TRUE in x.filled_ns else 0,
        )
        for x in found.stays
    ]
    columns = msgspec.structs.astuple(found.ticks)[:9]
    fit = fit_exponent(found.instrument, columns, orders)
    return (fit.exponent, fit.low, fit.high) if fit is not None and fit.bounded else None


# Chances -----------------------------------------------------------------------------------------


def chance(waited_s: Floats, filled: Floats, horizon_s: float) -> float:
    """Kaplan and Meier's chance of a fill within a horizon."""
    times = np.unique(waited_s[(filled > 0) & (waited_s <= horizon_s)])
    left = 1.0
    for at in times.tolist():
        here = waited_s == at
        left *= 1.0 - float(filled[here].sum()) / float((waited_s >= at).sum())
    return 1.0 - left


class Line(NamedTuple):
    """One row of the reliability table; `half` is half the 95 % interval of realised minus predicted."""

    ahead: str
    horizon_s: float
    stays: int
    predicted: float
    realised: float
    half: float

    @property
    def met(self) -> bool:
        """Whether chance explains the difference."""
        return abs(self.realised - self.predicted) <= self.half


def reliability(outcomes: list[Outcome]) -> list[Line]:
    """Chances by queue ahead: what paper says and what shadows did. Markets are left out in turn for the interval."""
    stays = np.concatenate([x.stays for x in outcomes])
    market = np.concatenate([np.full(len(x.stays), i) for i, x in enumerate(outcomes)])
    ahead = stays[:, 0]
    bounds = np.quantile(ahead[ahead > 0], np.linspace(0.0, 1.0, CLASSES + 1)[1:]).astype(int)
    lines = []
    low = -1
    for high in [0, *bounds.tolist()]:
        keep = (ahead > low) & (ahead <= high)
        name = "nothing" if high == 0 else f"{max(low, 0) + 1:,} to {high:,}"
        if high == bounds[-1]:
            name = f"above {low:,}"
        low = high
        lines += [
            _line(name, horizon_s, stays[keep], market[keep], len(outcomes))
            for horizon_s in CHANCE_S
        ]
    return lines


def _line(name: str, horizon_s: float, stays: Floats, market: NDArray[np.int64], n: int) -> Line:
    def chances(rows: Floats) -> list[float]:
        return [chance(rows[:, i], rows[:, i + 1], horizon_s) for i in (_PAPER, _TRUE)]

    predicted, realised = chances(stays)
    without = np.array([chances(stays[market != i]) for i in range(n)])
    apart = without[:, 1] - without[:, 0]
    error = float(np.sqrt((n - 1) / n * ((apart - apart.mean()) ** 2).sum()))
    half = student_quantile(n - 1) * error
    return Line(name, horizon_s, len(stays), predicted, realised, half)


def lateness(outcomes: list[Outcome]) -> dict[str, float]:
    """Of orders that filled on paper: when their shadows did, as shares."""
    stays = np.concatenate([x.stays for x in outcomes])
    on_paper, in_truth = stays[:, _PAPER + 1] > 0, stays[:, _TRUE + 1] > 0
    both = stays[on_paper]
    later = np.where(in_truth[on_paper], both[:, _TRUE] - both[:, _PAPER], np.inf)
    found = {
        "first fills on paper": float(len(both)),
        "true one earlier": float((later < 0).mean()),
        "on the same trade": float((later == 0).mean()),
        f"at most {LATER_S:g} s later": float(((later > 0) & (later <= LATER_S)).mean()),
        "later or never": float((later > LATER_S).mean()),
        "first fills in truth only, per fill on paper": float((in_truth & ~on_paper).sum())
        / max(1, len(both)),
    }
    late, silent = (sum(x.unseen[i] for x in outcomes) for i in range(2))
    found["executions in truth that the optimist does not have then"] = float(late)
    found["of them such that no public trade could tell of"] = silent / max(1, late)
    return found


# What is printed ---------------------------------------------------------------------------------


def inside(pnl: dict[str, float]) -> bool:
    """Whether the truth lies in the band."""
    ends = (pnl[PESSIMISTIC], pnl[OPTIMISTIC])
    return min(ends) <= pnl[TRUE] <= max(ends)


def report(outcomes: list[Outcome]) -> str:
    """Tables in Markdown."""
    return "\n".join(
        [*_markets(outcomes), "", *_sums(outcomes), "", *_chances(outcomes), "", *_rest(outcomes)]
    )


def _markets(outcomes: list[Outcome]) -> Iterator[str]:
    names = ", ".join(SOURCES)
    yield f"| seed | orders | filled: {names} | P&L after {HORIZON_S:g} s | in band | over, under |"
    yield "|---|---|---|---|---|---|"
    for x in outcomes:
        filled = ", ".join(str(x.filled[source][0]) for source in SOURCES)
        pnl = ", ".join(f"{x.pnl[JUDGED][source]:+.3f}" for source in SOURCES)
        verdict = "yes" if inside(x.pnl[JUDGED]) else "**no**"
        yield f"| {x.seed} | {x.orders} | {filled} | {pnl} | {verdict} | {x.over}, {x.under} |"


def _sums(outcomes: list[Outcome]) -> Iterator[str]:
    for name in outcomes[0].pnl:
        held = sum(inside(x.pnl[name]) for x in outcomes)
        sums = ", ".join(f"{sum(x.pnl[name][source] for x in outcomes):+.3f}" for source in SOURCES)
        apart = np.array([x.pnl[name][TRUE] - x.pnl[name][CENTRAL] for x in outcomes])
        half = student_quantile(len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
        yield (
            f"valued at {name}: in the band on {held} of {len(outcomes)} markets; sums {sums};"
            f" true minus central {apart.mean():+.3f} ± {half:.3f} a market"
        )


def _chances(outcomes: list[Outcome]) -> Iterator[str]:
    yield "| ahead | within | stays | predicted % | realised % | difference | |"
    yield "|---|---|---|---|---|---|---|"
    for line in reliability(outcomes):
        apart = f"{100 * (line.realised - line.predicted):+.1f} ± {100 * line.half:.1f}"
        yield (
            f"| {line.ahead} | {line.horizon_s:g} s | {line.stays:,} | {100 * line.predicted:.1f} |"
            f" {100 * line.realised:.1f} | {apart} | {'' if line.met else 'differs'} |"
        )


def _rest(outcomes: list[Outcome]) -> Iterator[str]:
    for name, value in lateness(outcomes).items():
        yield f"{name}: {value:,.0f}" if value > 1 else f"{name}: {value:.1%}"
    refused = sum(x.refused for x in outcomes)
    yield f"orders that rested on paper and would have crossed in truth: {refused}"
    fits = np.array([x.exponent[0] for x in outcomes if x.exponent is not None])
    if len(fits):
        yield (
            f"queue exponent: median {np.median(fits):.2f} of {len(fits)} fits with an interval,"
            f" {fits.min():.2f} to {fits.max():.2f}"
        )


def as_json(outcomes: list[Outcome]) -> str:
    """The same as one object."""
    return json.dumps(
        {
            "horizon_s": HORIZON_S,
            "markets": [
                {**x._replace(stays=np.empty(0))._asdict(), "stays": len(x.stays)} for x in outcomes
            ],
            "reliability": [line._asdict() for line in reliability(outcomes)],
            "lateness": lateness(outcomes),
        }
    )


def main(argv: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=seeds, default=seeds("1-20"), help="for example 1-8")
    parser.add_argument("--minutes", type=float, default=10.0, help="traded on each market")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--jobs", type=int, default=1, help="markets at once")
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    options = parser.parse_args(argv)
    jobs = [(seed, options.minutes, overrides(options.set)) for seed in options.seeds]
    outcomes = []
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for outcome in pool.imap(measure, jobs):
            outcomes.append(outcome)
            done = f"market {outcome.seed}, {len(outcomes)} of {len(jobs)}"
            print(done, file=sys.stderr, flush=True)  # noqa: T201 - progress
    print(as_json(outcomes) if options.json else report(outcomes))  # noqa: T201 - the result
    held = sum(inside(x.pnl[JUDGED]) for x in outcomes)
    return 0 if 10 * held >= 9 * len(outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
