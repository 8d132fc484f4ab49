"""What a session says: every figure with its interval, and a verdict that a few minutes or fills cannot carry."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from typing import Final

import numpy as np

from market_maker.backtest.bootstrap import CONFIDENCE, Figure
from market_maker.backtest.cells import (
    HORIZONS_S,
    Cells,
    Marked,
    cells_of,
    effective_fills,
    mark_fills,
)
from market_maker.backtest.drawdown import drawdown_of
from market_maker.backtest.fill_chance import fill_chance
from market_maker.backtest.results import (
    Activity,
    BandResult,
    Hour,
    Judgement,
    Latency,
    MarkoutFigure,
    Statistics,
    Verdict,
)
from market_maker.backtest.sample import (
    BOTH_SIDES,
    HOUR_S,
    Sample,
    marked_out,
    over,
    sample_of,
    sampling_of,
    sharpe,
)
from market_maker.backtest.session import KINDS, PARTS, RESULTS, BandFills, Session
from market_maker.core.events import RequestKind, Result
from market_maker.core.instrument import NANOS, Payoff
from market_maker.core.units import money_to_decimal

LEAST_FILLS: Final = 100
LEAST_BLOCKS: Final = 30
LEAST_HOURS: Final = 1.0
"""What carries a verdict."""

RULE: Final = (
    f"Positive or negative only where the {CONFIDENCE:.0%} interval of profit per hour, after all fees and funding,"
    f" excludes zero, and the session has at least {LEAST_FILLS} effective fills (fills within 10 s count once),"
    f" {LEAST_BLOCKS} independent blocks of time and {LEAST_HOURS:g} hour."
)

_TRADING = PARTS[:-1]


def statistics_of(session: Session, seed: int = 1) -> Statistics:
    """Every figure of a session."""
    marked = mark_fills(session)
    cells = cells_of(session, marked)
    sample = sample_of(cells, seed)
    unit = session.about.instrument.settle
    money = f"{unit}/h"
    per_hour = sample.of(over("pnl", "time_s", HOUR_S), money)
    parts = {
        name: money_to_decimal(money[-1])
        for name, money in zip(PARTS, session.equity.parts(), strict=True)
    }
    return Statistics(
        currency=unit,
        judgement=judge(per_hour, session, sample),
        sampling=sampling_of(sample),
        pnl=sum((parts[name] for name in _TRADING), Decimal(0)),
        parts=parts,
        pnl_per_hour=per_hour,
        parts_per_hour={name: sample.of(over(name, "time_s", HOUR_S), money) for name in _TRADING},
        parts_bps={
            name: sample.of(over(name, "notional", 1e4), "bps") for name in (*_TRADING, "pnl")
        },
        sharpe_per_hour=sample.of(sharpe, "per √hour"),
        drawdown=drawdown_of(cells.edges, cells.sums["pnl"], sample.blocks),
        markouts=_markouts(sample),
        quoting={
            name: sample.of(over(f"{name}_s", "time_s", 100.0), "%").within(0.0, 100.0)
            for name in ("both", "one", "none")
        },
        turnover_per_hour=sample.of(over("notional", "time_s", HOUR_S), money).within(
            0.0, math.inf
        ),
        fills_per_hour=sample.of(over("fills", "time_s", HOUR_S), "1/h").within(0.0, math.inf),
        mean_held_base=sample.of(
            over("held_s", "time_s", session.about.grid.base(1)), session.about.instrument.sized_in
        ),
        fill_chance=fill_chance(session),
        activity=_activity(session, marked),
        latencies=_latencies(session),
        hours=_hours(session, cells),
        bands=_bands(session),
    )


def judge(per_hour: Figure, session: Session, sample: Sample) -> Judgement:
    """The verdict on positive expectancy."""
    fills = effective_fills(session.fills.time_ns)
    hours = session.about.duration_s / HOUR_S
    blocks = sample.blocks.count
    lacks = []
    if fills < LEAST_FILLS:
        lacks.append(f"{fills} of {LEAST_FILLS} effective fills")
    if blocks < LEAST_BLOCKS:
        lacks.append(f"{blocks:.3g} of {LEAST_BLOCKS} independent blocks of time")
    if hours < LEAST_HOURS:
        lacks.append(f"{hours:.2g} of {LEAST_HOURS:g} hours")
    verdict = Verdict.INSUFFICIENT_DATA if lacks else _VERDICTS[per_hour.decided]
    return Judgement(verdict, RULE, tuple(lacks), fills, blocks, hours)


_VERDICTS = {1: Verdict.POSITIVE, -1: Verdict.NEGATIVE, 0: Verdict.UNDECIDED}


def _markouts(sample: Sample) -> tuple[MarkoutFigure, ...]:
    return tuple(
        MarkoutFigure(
            side=side,
            horizon_s=horizon_s,
            fills=round(sum(sample.total(f"count{sign}/{row}") for sign in signs)),
            markout=sample.of(marked_out("markout", row, signs), "bps"),
            adverse=sample.of(marked_out("adverse", row, signs), "bps"),
        )
        for row, horizon_s in enumerate(HORIZONS_S)
        for side, signs in (("buy", ("+1",)), ("sell", ("-1",)), ("both", BOTH_SIDES))
    )


def _activity(session: Session, marked: Marked) -> Activity:
    fills, orders, requests = session.fills, session.orders, session.requests
    refused = requests.result == RESULTS.index(Result.REJECTED)
    cancels = requests.kind == KINDS.index(RequestKind.CANCEL)
    return Activity(
        fills=len(fills.time_ns),
        taker_fills=int(fills.taker.sum()),
        notional=float(marked.notional.sum()),
        base=float(session.about.grid.base(int(fills.qty.sum()))),
        orders=len(orders.sent_ns),
        amendments=int(orders.amendments.sum()),
        cancels=int((cancels & ~refused).sum()),
        rejected=dict(Counter(reason for reason in orders.reason if reason)),
        refusals=dict(session.refusals),
        decisions=dict(session.decisions),
        most_held_base=float(session.about.grid.base(np.abs(session.equity.position).max())),
    )


def _latencies(session: Session) -> tuple[Latency, ...]:
    requests = session.requests
    found = []
    for code, kind in enumerate(KINDS):
        known = (requests.kind == code) & (requests.latency_ns >= 0)
        taken_ms = requests.latency_ns[known] / 1e6
        if len(taken_ms):
            median, p90, p99 = np.quantile(taken_ms, (0.5, 0.9, 0.99)).tolist()
            longest = float(taken_ms.max())
            found.append(Latency(kind.value, len(taken_ms), median, p90, p99, longest))
    return tuple(found)


def _hours(session: Session, cells: Cells) -> tuple[Hour, ...]:
    hour_ns = int(HOUR_S) * NANOS
    numbers = cells.edges[:-1] // hour_ns
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    sums = {name: np.add.reduceat(column, starts) for name, column in cells.sums.items()}
    base = session.about.grid.base(1)
    return tuple(
        Hour(
            begin_ns=int(numbers[start]) * hour_ns,
            seconds=float(sums["time_s"][row]),
            pnl=float(sums["pnl"][row]),
            parts={name: float(sums[name][row]) for name in PARTS},
            fills=round(float(sums["fills"][row])),
            notional=float(sums["notional"][row]),
            both_share=float(sums["both_s"][row] / sums["time_s"][row]),
            none_share=float(sums["none_s"][row] / sums["time_s"][row]),
            mean_held_base=float(sums["held_s"][row] / sums["time_s"][row] * base),
        )
        for row, start in enumerate(starts.tolist())
    )


def _bands(session: Session) -> tuple[BandResult, ...]:
    """The band around the result: the same orders, filled by the other estimates of the queue."""
    fills, mid2 = session.fills, int(session.equity.mid2[-1])
    told = BandFills(fills.time_ns, fills.side, fills.price, fills.qty, fills.order, fills.fee)
    trading = sum(money[-1] for money in session.equity.parts()[:-1])
    base = trading - _worth(session, told, mid2)
    grid = session.about.grid
    return tuple(
        BandResult(
            estimate.value,
            len(band.time_ns),
            float(grid.base(int(band.qty.sum()))),
            money_to_decimal(base + _worth(session, band, mid2)),
        )
        for estimate, band in session.bands.items()
    )


def _worth(session: Session, fills: BandFills, mid2: int) -> int:
    """What fills are worth at a mid, as money: exactly."""
    value = Payoff(session.about.instrument).value
    columns = zip(
        fills.side.tolist(), fills.price.tolist(), fills.qty.tolist(), fills.fee, strict=True
    )
    return sum(
        value(side * qty, mid2) - value(side * qty, 2 * price) - fee
        for side, price, qty, fee in columns
    )
