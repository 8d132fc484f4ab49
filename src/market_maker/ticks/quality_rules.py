"""What makes a finding of what a gate has counted, and how much it weighs.

Owns every limit beyond which a finding is a warning or a failure. Refuses to read rows. What always holds: each finding
comes with numbers and when it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from market_maker.core.instrument import NANOS
from market_maker.kernels import gate_layout as at
from market_maker.kernels.gate_layout import Ints
from market_maker.ticks.clocks import quantiles
from market_maker.ticks.facts import Facts, seconds
from market_maker.ticks.findings import (
    Finding,
    Found,
    Span,
    Weight,
)
from market_maker.ticks.stream_gate import Sums

_START_NS: Final = 10 * NANOS
"""How long a recording may take to get its first book."""
_USUAL_GAPS: Final = 20.0
"""A silence is a hole when it lasts this many times the 99th percentile of silences."""
_LEAST_HOLE_NS: Final = {
    at.ANY_FEED: 5 * NANOS,
    at.BOOK_FEED: 5 * NANOS,
    at.BEST_FEED: 10 * NANOS,
    at.TRADE_FEED: 60 * NANOS,
}
_LATE_NS: Final = NANOS
_THROUGH: Final = 0.05
"""Share of seconds with a trade beyond all best prices that a fast market may have."""
_SCALE: Final = 1.5
"""Ratio of trade prices to the book from which on they are of different units."""


Rule = Callable[[Sums, Facts], Iterator[Found]]


def _spans(sums: Sums, what: int, above: int = 0) -> tuple[Span, ...]:
    kept = int(sums.found[what, at.KEPT])
    spans = [Span(*row) for row in sums.spans[what, :kept].tolist() if row[2] > above]
    return tuple(sorted(spans, key=lambda span: span.begin_ns))


def _counted(
    sums: Sums,
    what: int,
    finding: Finding,
    text: str,
    weight: Weight,
    *,
    share: float = 0.0,
    less: int = 0,
) -> Iterator[Found]:
    """A finding straight from its counter, if it is not zero."""
    count, begin, end = (int(sums.found[what, i]) for i in range(3))
    if count - less > 0:
        yield Found(
            finding=finding,
            weight=weight,
            text=text.format(
                n=count - less,
                s="s" if count - less > 1 else "",
                worst=int(sums.found[what, at.WORST]),
            ),
            count=count - less,
            share=share,
            begin_ns=begin,
            end_ns=end,
            spans=_spans(sums, what),
        )


def _book(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Is there a book, and does it rest on snapshots?"""
    whole = {"begin_ns": facts.begin_ns, "end_ns": facts.end_ns}
    if facts.snapshots == 0:
        if facts.book_messages:
            yield _failure(
                finding=Finding.BRIDGE_MISSING,
                text=f"{facts.book_messages:,} changes of the book and no snapshot that they change",
                **whole,
            )
        elif facts.best_quotes:
            yield _warning(
                finding=Finding.NO_DEPTH,
                text="only best bid and ask, no levels behind them",
                **whole,
            )
        else:
            yield _failure(finding=Finding.NO_BOOK, text="neither levels nor best prices", **whole)
    if not facts.trades:
        yield _warning(
            finding=Finding.NO_TRADES,
            text="no trades: nothing proves that a resting order fills",
            **whole,
        )
    unproven = int(sums.state[at.UNPROVEN])
    if unproven:
        yield _warning(
            finding=Finding.BRIDGE_UNPROVEN,
            text="the feed has no sequence: nothing proves that changes follow on the snapshot or that none is missing",
            count=unproven,
            **whole,
        )
    yield from _counted(
        sums,
        at.BRIDGE_BROKEN,
        Finding.BRIDGE_BROKEN,
        "{n:,} time{s} the first changes after a snapshot did not follow on it",
        Weight.WARNING,
    )


def _sequence(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Are messages missing, old, or doubled?"""
    yield from _counted(
        sums,
        at.GAP,
        Finding.SEQUENCE_GAP,
        "{n:,} time{s} messages were missing, up to {worst:,} numbers at once",
        Weight.WARNING,
    )
    doubled = int(sums.found[at.DUPLICATE, at.COUNT])
    share = doubled / max(facts.messages, 1)
    weight = Weight.FAILURE if share > 0.2 else Weight.WARNING
    text = f"{{n:,}} message{{s}} came twice ({share:.2%})"
    yield from _counted(sums, at.DUPLICATE, Finding.DUPLICATE, text, weight, share=share)
    yield from _counted(
        sums,
        at.OLD,
        Finding.OUT_OF_SEQUENCE,
        "{n:,} message{s} of the book were older than what was known, by up to {worst:,} numbers",
        Weight.WARNING,
        less=doubled,
    )
    repeats = int(sums.found[at.REPEAT, at.COUNT])
    share = repeats / max(facts.book_messages + facts.snapshots + facts.best_quotes, 1)
    weight = Weight.WARNING if share > 0.05 else Weight.REMARK
    text = f"{{n:,}} message{{s}} of the book repeat the one before ({share:.2%})"
    yield from _counted(sums, at.REPEAT, Finding.REPEAT, text, weight, share=share)
    yield from _counted(
        sums,
        at.MISMATCH,
        Finding.SNAPSHOT_MISMATCH,
        "{n:,} snapshot{s} differ from the book that changes had made, in up to {worst:,} levels",
        Weight.WARNING,
    )


def _lasting(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Conditions of the book that held for a while."""
    length = max(facts.end_ns - facts.begin_ns, 1)
    for what, finding, words, most in (
        (at.CROSSED, Finding.CROSSED_BOOK, "the book was crossed", 0.01),
        (at.BEST_CROSSED, Finding.CROSSED_BOOK, "the best prices were crossed", 0.01),
        (at.LOCKED, Finding.LOCKED_BOOK, "the book was locked", 0.05),
        (at.BEST_LOCKED, Finding.LOCKED_BOOK, "the best prices were locked", 0.05),
        (at.MISSING_SIDE, Finding.MISSING_SIDE, "a side was missing", 0.05),
        (at.STALE, Finding.STALE_BOOK, "the book stood still behind trades", 0.05),
        (at.NO_BOOK, Finding.BOOK_LOST, "there was no book", 0.2),
    ):
        total = int(sums.found[what, at.TOTAL])
        share = total / length
        weight = Weight.FAILURE if share > most else Weight.WARNING
        if what == at.NO_BOOK:
            begin, end = int(sums.found[what, at.BEGIN_NS]), int(sums.found[what, at.END_NS])
            if begin == facts.begin_ns and end - begin == total and total < _START_NS:
                weight = Weight.REMARK
        text = f"{words} for {seconds(total)} ({share:.2%} of the time) in {{n:,}} spell{{s}}"
        yield from _counted(sums, what, finding, text, weight, share=share)


def _values(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Rows that cannot be true, or lie badly."""
    yield from _counted(
        sums, at.BAD_VALUE, Finding.BAD_VALUE, "{n:,} row{s} with impossible values", Weight.FAILURE
    )
    share = int(sums.found[at.OFF_GRID, at.COUNT]) / max(facts.rows, 1)
    yield from _counted(
        sums,
        at.OFF_GRID,
        Finding.OFF_GRID,
        f"{{n:,}} row{{s}} ({share:.3%}) off the tick or lot",
        Weight.FAILURE if share > 0.01 else Weight.WARNING,
        share=share,
    )
    yield from _counted(
        sums, at.ZERO_TRADE, Finding.ZERO_TRADE, "{n:,} trade{s} of size 0", Weight.WARNING
    )
    yield from _counted(
        sums, at.CUT, Finding.TORN_MESSAGE, "{n:,} message{s} without an end", Weight.WARNING
    )
    if sums.state[at.IN_MESSAGE]:
        yield _warning(
            finding=Finding.TORN_MESSAGE,
            text="the recording ends amid a message",
            count=1,
            begin_ns=facts.end_ns,
            end_ns=facts.end_ns,
        )
    # A recording that is ended in order says so by states of all feeds at its very end.
    last = sum(span.begin_ns == facts.end_ns for span in _spans(sums, at.FEED_DOWN))
    yield from _counted(
        sums,
        at.FEED_DOWN,
        Finding.FEED_DOWN,
        "{n:,} time{s} the recorder lost a feed",
        Weight.WARNING,
        less=last,
    )


def _order(sums: Sums, _facts: Facts) -> Iterator[Found]:
    """Does time run forward?"""
    back = int(sums.found[at.OUT_OF_ORDER, at.WORST])
    yield from _counted(
        sums,
        at.OUT_OF_ORDER,
        Finding.OUT_OF_ORDER,
        f"{{n:,}} message{{s}} before the one that came first, by up to {seconds(back)}",
        Weight.FAILURE,
    )
    back = int(sums.found[at.VENUE_BACK, at.WORST])
    yield from _counted(
        sums,
        at.VENUE_BACK,
        Finding.VENUE_TIME_BACK,
        f"{{n:,}} time{{s}} the venue's clock ran back within a feed, by up to {seconds(back)}",
        Weight.WARNING,
    )


def _clock(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Can the two clocks be compared?"""
    whole = {"begin_ns": facts.begin_ns, "end_ns": facts.end_ns}
    dated, same = int(sums.state[at.DATED]), int(sums.state[at.SAME_CLOCK])
    if not dated:
        yield _remark(
            finding=Finding.NO_VENUE_TIME, text="no venue times: latency is unknown", **whole
        )
        return
    if same == dated:
        yield _remark(
            finding=Finding.ONE_CLOCK,
            text="both times are always equal: latency is unknown",
            **whole,
        )
        return
    for name, latency in (("book", facts.book_latency), ("trades", facts.trade_latency)):
        if latency.negative > 0.001 * latency.messages:
            yield _warning(
                finding=Finding.CLOCK_BEHIND,
                text=f"{name}: {latency.negative / latency.messages:.1%} of messages came before they were sent, typically "
                f"{seconds(-latency.median_ns)} before: the recorder's clock is at least "
                f"{seconds(-latency.least_ns)} behind the venue's",
                count=latency.negative,
                share=latency.negative / latency.messages,
                **whole,
            )
        elif latency.p99_ns - latency.least_ns > _LATE_NS:
            yield _warning(
                finding=Finding.SLOW_FEED,
                text=f"{name}: 1% of messages came more than {seconds(latency.p99_ns)} late, the worst "
                f"{seconds(latency.most_ns)}",
                **whole,
            )
    clocks = facts.clocks
    if clocks.jumps:
        worst = max(clocks.jumps, key=lambda jump: abs(jump.size_ns))
        yield _warning(
            finding=Finding.CLOCK_JUMP,
            text=f"{len(clocks.jumps):,} time{'s' if len(clocks.jumps) > 1 else ''} a clock was set, at most by {seconds(worst.size_ns)}",
            count=len(clocks.jumps),
            begin_ns=clocks.jumps[0].time_ns,
            end_ns=clocks.jumps[-1].time_ns,
            spans=tuple(Span(jump.time_ns, jump.time_ns, jump.size_ns) for jump in clocks.jumps),
        )
    if clocks.drift_ns:
        yield _warning(
            finding=Finding.CLOCK_DRIFT,
            text=f"the clocks moved apart by {seconds(clocks.drift_ns)} ({clocks.drift_ppm:.0f} millionths)",
            **whole,
        )


def _silences(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Was anything quiet for longer than it usually is?"""
    holes = _long_silences(sums, at.ANY_FEED)
    yield from _silence(Finding.HOLE, "nothing was recorded", holes, facts)
    for feed, finding, words in (
        (at.BOOK_FEED, Finding.BOOK_SILENT, "the book was silent"),
        (at.TRADE_FEED, Finding.TRADES_SILENT, "there were no trades"),
        (at.BEST_FEED, Finding.BEST_SILENT, "best prices were silent"),
    ):
        alone = tuple(
            span
            for span in _long_silences(sums, feed)
            if not any(h.begin_ns <= span.begin_ns and span.end_ns <= h.end_ns for h in holes)
            and span.size > 1.5 * sum(_overlap(span, hole) for hole in holes)
        )
        yield from _silence(finding, words, alone, facts)


def _overlap(left: Span, right: Span) -> int:
    return max(0, min(left.end_ns, right.end_ns) - max(left.begin_ns, right.begin_ns))


def _long_silences(sums: Sums, feed: int) -> tuple[Span, ...]:
    usual = quantiles(sums.gaps[feed]).p99_ns
    return _spans(sums, at.SILENT + feed, int(max(_LEAST_HOLE_NS[feed], _USUAL_GAPS * usual)))


def _silence(
    finding: Finding, words: str, spans: tuple[Span, ...], facts: Facts
) -> Iterator[Found]:
    if not spans:
        return
    total = sum(span.size for span in spans)
    share = total / max(facts.end_ns - facts.begin_ns, 1)
    least = "at least " if len(spans) == at.N_KEPT else ""
    longest = max(spans, key=lambda span: span.size)
    failed = share > 0.2 and finding in (Finding.HOLE, Finding.BOOK_SILENT)
    yield Found(
        finding=finding,
        weight=Weight.FAILURE if failed else Weight.WARNING,
        text=f"{words} for {least}{seconds(total)} ({share:.2%} of the time) in {least}{len(spans)} hole{'s' if len(spans) > 1 else ''}, the longest "
        f"of {seconds(longest.size)}",
        count=len(spans),
        share=share,
        begin_ns=spans[0].begin_ns,
        end_ns=spans[-1].end_ns,
        spans=spans,
    )


def _trades(sums: Sums, facts: Facts) -> Iterator[Found]:
    """Do trades print where the book is?"""
    table = sums.table
    low, high = table[:, at.T_TRADE_LOW], table[:, at.T_TRADE_HIGH]
    bid, ask = _held(table[:, at.T_BID_LOW], np.minimum), _held(table[:, at.T_ASK_HIGH], np.maximum)
    known = (low > 0) & (bid > 0) & (ask > 0)
    if not known.any():
        return
    ratio = float(np.median((low[known] + high[known]) / (bid[known] + ask[known])))
    if not 1 / _SCALE < ratio < _SCALE:
        yield _failure(
            finding=Finding.PRICE_SCALE,
            text=f"trades print at {ratio:.4g} times the prices of the book",
            begin_ns=facts.begin_ns,
            end_ns=facts.end_ns,
        )
        return
    rows = np.flatnonzero(known & ((low < bid) | (high > ask)))
    if not len(rows):
        return
    beyond = np.maximum(bid - low, high - ask)[rows]
    share = len(rows) / int(known.sum())
    spans = [
        Span(begin, begin + sums.interval_ns, size)
        for begin, size in zip(
            (sums.start_ns + rows * sums.interval_ns).tolist(), beyond.tolist(), strict=True
        )
    ]
    largest = sorted(spans, key=lambda span: -span.size)[: at.N_KEPT]
    yield Found(
        finding=Finding.TRADE_THROUGH,
        weight=Weight.WARNING if share > _THROUGH else Weight.REMARK,
        text=f"in {len(rows):,} of {int(known.sum()):,} seconds with trades ({share:.2%}) one printed beyond every best "
        f"price of the seconds around it, by up to {int(beyond.max()):,} quanta",
        count=len(rows),
        share=share,
        begin_ns=spans[0].begin_ns,
        end_ns=spans[-1].end_ns,
        spans=tuple(sorted(largest, key=lambda span: span.begin_ns)),
    )


def _held(values: Ints, worst: np.ufunc) -> Ints:
    """The widest value of an interval and its neighbours; where none came the last one stands."""
    last = np.maximum.accumulate(np.where(values > 0, np.arange(len(values)), -1))
    filled = np.where(last >= 0, values[last], 0)
    before, after = np.roll(filled, 1), np.roll(filled, -1)
    before[0], after[-1] = filled[0], filled[-1]
    widest = worst(filled, np.where(after > 0, after, filled))
    return np.asarray(worst(widest, np.where(before > 0, before, widest)), np.int64)


def _maker(weight: Weight) -> Callable[..., Found]:
    return partial(Found, weight=weight)


_failure, _warning, _remark = map(_maker, (Weight.FAILURE, Weight.WARNING, Weight.REMARK))

RULES: Final[tuple[Rule, ...]] = (
    _book, _sequence, _lasting, _values, _order, _clock, _silences, _trades,
)  # fmt: skip
