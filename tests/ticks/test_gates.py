"""Whatever is done to a flawless recording, the gates name it, and nothing is named otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from good_recording import START_NS, good_recording
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.instrument import NANOS
from market_maker.kernels import gate_layout as at
from market_maker.kernels.gate import watch
from market_maker.ticks.columns import COLUMNS, EMPTY, LAST, UNNUMBERED, Kind, Ticks, joined
from market_maker.ticks.findings import MEANINGS, Finding, Verdict, Weight
from market_maker.ticks.quality import Quality, quality_of
from market_maker.ticks.stream_gate import StreamGate, gate_over

Spoil = Callable[[Ticks], Ticks]

TICK, LOT = 10, 5


def judged(ticks: Ticks) -> Quality:
    return quality_of(gate_over(ticks, TICK, LOT).sums())


def with_columns(ticks: Ticks, **columns: object) -> Ticks:
    kept = {name: getattr(ticks, name).copy() for name in COLUMNS}
    return Ticks(**{**kept, **columns})


def picked(ticks: Ticks, rows: object) -> Ticks:
    return Ticks(**{name: getattr(ticks, name)[rows] for name in COLUMNS})


def messages(ticks: Ticks, kind: Kind) -> list[tuple[int, int]]:
    ends = (np.flatnonzero(ticks.flags & LAST) + 1).tolist()
    starts = [0, *ends[:-1]]
    return [(i, j) for i, j in zip(starts, ends, strict=True) if ticks.kind[i] == kind]


def test_the_untouched_recording_is_ready() -> None:
    quality = judged(good_recording())
    assert quality.verdict is Verdict.READY
    assert quality.found == ()
    facts = quality.facts
    assert (facts.snapshots, facts.bridges, facts.trades, facts.fundings) == (3, 3, 299, 2)
    assert facts.best_quotes == facts.book_messages == 899
    assert facts.valid_share == pytest.approx(1.0)
    assert facts.spread == pytest.approx(20.0)
    assert 20e6 < facts.book_latency.median_ns < 25e6


def _without(kind: Kind, which: slice) -> Spoil:
    def spoil(ticks: Ticks) -> Ticks:
        keep = np.ones(len(ticks), np.bool_)
        for i, j in messages(ticks, kind)[which]:
            keep[i:j] = False
        return picked(ticks, keep)

    return spoil


def _between(first_s: float, last_s: float, *kinds: Kind) -> Spoil:
    def spoil(ticks: Ticks) -> Ticks:
        since = ticks.recv_ns - START_NS
        gone = (since >= first_s * NANOS) & (since < last_s * NANOS) & np.isin(ticks.kind, kinds)
        return picked(ticks, ~gone)

    return spoil


def _set(changed: Kind, which: slice, /, **values: int) -> Spoil:
    """Give the last row of some messages other values."""

    def spoil(ticks: Ticks) -> Ticks:
        columns = {name: getattr(ticks, name).copy() for name in values}
        for _, j in messages(ticks, changed)[which]:
            for name, value in values.items():
                columns[name][j - 1] = value
        return with_columns(ticks, **columns)

    return spoil


def _add(kind: Kind, which: slice, side: int, price: int, qty: int) -> Spoil:
    """Add a level to some messages."""

    def spoil(ticks: Ticks) -> Ticks:
        parts, start = [], 0
        for _, j in messages(ticks, kind)[which]:
            row = picked(ticks, slice(j - 1, j))
            more = with_columns(
                row,
                side=np.array([side], np.int8),
                price=np.array([price]),
                qty=np.array([qty]),
                flags=row.flags & ~np.uint8(LAST),
            )
            parts += [picked(ticks, slice(start, j - 1)), more]
            start = j - 1
        return joined([*parts, picked(ticks, slice(start, None))])

    return spoil


def _doubled(kind: Kind, which: slice, times: int = 1) -> Spoil:
    def spoil(ticks: Ticks) -> Ticks:
        parts, start = [], 0
        for i, j in messages(ticks, kind)[which]:
            parts += [picked(ticks, slice(start, j)), *[picked(ticks, slice(i, j))] * times]
            start = j
        return joined([*parts, picked(ticks, slice(start, None))])

    return spoil


def _shifted(column: str, by: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil(ticks: Ticks) -> Ticks:
        since_s = (ticks.recv_ns - START_NS) / NANOS
        values = getattr(ticks, column)
        moved = np.where(values > 0, values + by(since_s).astype(np.int64), values)
        return with_columns(ticks, **{column: moved})

    return spoil


def _swapped(ticks: Ticks) -> Ticks:
    recv = ticks.recv_ns.copy()
    (i, j), (k, m) = messages(ticks, Kind.LEVEL)[400], messages(ticks, Kind.LEVEL)[430]
    recv[i:j], recv[k:m] = recv[k], recv[i]
    return with_columns(ticks, recv_ns=recv)


def _unnumbered(ticks: Ticks) -> Ticks:
    return with_columns(ticks, flags=ticks.flags | np.uint8(UNNUMBERED))


def _unproven_level_repeated(ticks: Ticks) -> Ticks:
    return _doubled(Kind.LEVEL, slice(100, 105))(_unnumbered(ticks))


def _torn(ticks: Ticks) -> Ticks:
    _, j = messages(ticks, Kind.LEVEL)[500]
    return picked(ticks, slice(0, j - 1))


def _cut(ticks: Ticks) -> Ticks:
    _, j = messages(ticks, Kind.LEVEL)[500]
    flags = ticks.flags.copy()
    flags[j - 1] &= ~np.uint8(LAST)
    return with_columns(ticks, flags=flags)


def _scaled_trades(ticks: Ticks) -> Ticks:
    return with_columns(
        ticks, price=np.where(ticks.kind == Kind.TRADE, ticks.price * 100, ticks.price)
    )


def _trades_elsewhere(ticks: Ticks) -> Ticks:
    return with_columns(
        ticks, price=np.where(ticks.kind == Kind.TRADE, ticks.price + 1000, ticks.price)
    )


def _frozen(ticks: Ticks) -> Ticks:
    quiet = _between(30, 34, Kind.LEVEL, Kind.BEST)(ticks)
    since = quiet.recv_ns - START_NS
    hit = (quiet.kind == Kind.TRADE) & (since > 31 * NANOS) & (since < 34 * NANOS)
    return with_columns(quiet, price=np.where(hit, quiet.price + 5000, quiet.price))


def _feed_lost(ticks: Ticks) -> Ticks:
    i, _ = messages(ticks, Kind.LEVEL)[200]
    row = picked(ticks, slice(i, i + 1))
    status = with_columns(
        row,
        kind=np.array([Kind.STATUS], np.int8),
        side=np.array([-1], np.int8),
        price=np.array([1]),
        flags=np.array([LAST], np.uint8),
    )
    return joined([picked(ticks, slice(0, i)), status, picked(ticks, slice(i, None))])


def _locked(ticks: Ticks) -> np.ndarray:
    price = ticks.price.copy()
    for i, j in messages(ticks, Kind.BEST)[_SOME]:
        price[j - 1] = price[i]
    return price


def _without_bids(ticks: Ticks) -> Ticks:
    """Bids that come go at once, and the rest of them is gone after a while."""
    levels = np.isin(ticks.kind, (Kind.LEVEL, Kind.SNAPSHOT)) & (ticks.side > 0)
    late = ticks.recv_ns > START_NS + 60 * NANOS
    return with_columns(ticks, qty=np.where(levels & late, 0, ticks.qty))


W, F = Verdict.USABLE, Verdict.UNUSABLE
_SOME = slice(100, 105)
_MANY = slice(100, 400)
CASES: list[tuple[str, Spoil, Finding, Verdict]] = [
    ("a message of the book is missing", _without(Kind.LEVEL, slice(500, 501)), Finding.SEQUENCE_GAP, W),
    ("the last snapshot's next message is missing", _without(Kind.LEVEL, slice(0, 1)), Finding.BRIDGE_BROKEN, F),
    ("no snapshot", _without(Kind.SNAPSHOT, slice(None)), Finding.BRIDGE_MISSING, F),
    ("the first snapshot is missing", _without(Kind.SNAPSHOT, slice(0, 1)), Finding.BOOK_LOST, F),
    ("no book", lambda t: picked(t, np.isin(t.kind, (Kind.TRADE, Kind.FUNDING))), Finding.NO_BOOK, F),
    ("only best prices", lambda t: picked(t, np.isin(t.kind, (Kind.TRADE, Kind.BEST))), Finding.NO_DEPTH, F),
    ("no trades", _without(Kind.TRADE, slice(None)), Finding.NO_TRADES, W),
    ("no sequence", _unnumbered, Finding.BRIDGE_UNPROVEN, W),
    ("crossed for a moment", _add(Kind.LEVEL, _SOME, 1, 10_500, 5), Finding.CROSSED_BOOK, F),
    ("best prices crossed", _set(Kind.BEST, _SOME, price=8_000), Finding.CROSSED_BOOK, W),
    ("best prices locked", lambda t: with_columns(t, price=_locked(t)), Finding.LOCKED_BOOK, W),
    ("bids vanish", _without_bids, Finding.MISSING_SIDE, F),
    ("snapshots differ", _set(Kind.SNAPSHOT, slice(1, 3), qty=995), Finding.SNAPSHOT_MISMATCH, W),
    ("book messages twice", _doubled(Kind.LEVEL, _SOME), Finding.DUPLICATE, W),
    ("unnumbered messages twice", _unproven_level_repeated, Finding.DUPLICATE, W),
    ("trades twice", _doubled(Kind.TRADE, _SOME), Finding.DUPLICATE, W),
    ("nearly all twice", _doubled(Kind.LEVEL, slice(0, 880), 2), Finding.DUPLICATE, F),
    ("best prices repeat", _doubled(Kind.BEST, _MANY), Finding.REPEAT, W),
    ("rows change places", _swapped, Finding.OUT_OF_ORDER, F),
    ("the venue's clock runs back", _set(Kind.TRADE, _SOME, venue_ns=START_NS - 5), Finding.VENUE_TIME_BACK, W),
    ("the recorder is behind", _shifted("venue_ns", lambda s: 0 * s + 1.27e9), Finding.CLOCK_BEHIND, W),
    ("the clock is set", _shifted("venue_ns", lambda s: -4e8 * (s > 45)), Finding.CLOCK_JUMP, W),
    ("the clock drifts", _shifted("venue_ns", lambda s: -2e6 * s), Finding.CLOCK_DRIFT, W),
    ("one clock", lambda t: with_columns(t, venue_ns=t.recv_ns.copy()), Finding.ONE_CLOCK, Verdict.READY),
    ("no venue's clock", lambda t: with_columns(t, venue_ns=0 * t.recv_ns), Finding.NO_VENUE_TIME, Verdict.READY),
    ("late messages", _shifted("venue_ns", lambda s: -3e9 * ((s > 40) & (s < 43))), Finding.SLOW_FEED, W),
    ("a hole", _between(40, 52, *Kind), Finding.HOLE, W),
    ("the book falls silent", _between(40, 52, Kind.LEVEL, Kind.SNAPSHOT), Finding.BOOK_SILENT, W),
    ("trades fall silent", _between(20, 85, Kind.TRADE), Finding.TRADES_SILENT, W),
    ("best prices fall silent", _between(40, 52, Kind.BEST), Finding.BEST_SILENT, W),
    ("the recorder lost the book", _feed_lost, Finding.FEED_DOWN, W),
    ("trades far from the book", _trades_elsewhere, Finding.TRADE_THROUGH, W),
    ("trades in another unit", _scaled_trades, Finding.PRICE_SCALE, F),
    ("the book stands still", _frozen, Finding.STALE_BOOK, F),
    ("prices off the tick", _set(Kind.TRADE, _SOME, price=10_001), Finding.OFF_GRID, W),
    ("sizes off the lot", _set(Kind.TRADE, _SOME, qty=7), Finding.OFF_GRID, W),
    ("a negative price", _set(Kind.LEVEL, slice(9, 10), price=-10), Finding.BAD_VALUE, F),
    ("a negative size", _set(Kind.TRADE, slice(9, 10), qty=-5), Finding.BAD_VALUE, F),
    ("no side", _set(Kind.TRADE, slice(9, 10), side=0), Finding.BAD_VALUE, F),
    ("an unknown kind", _set(Kind.TRADE, slice(9, 10), kind=99), Finding.BAD_VALUE, F),
    ("trades of nothing", _set(Kind.TRADE, _SOME, qty=0), Finding.ZERO_TRADE, W),
    ("the file ends amid a message", _torn, Finding.TORN_MESSAGE, W),
    ("a message is cut", _cut, Finding.TORN_MESSAGE, W),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "finding", "verdict"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_gate_names_what_was_done(spoil: Spoil, finding: Finding, verdict: Verdict) -> None:
    quality = judged(spoil(good_recording()))
    assert finding in quality.names()
    assert quality.verdict is verdict


def test_every_finding_of_a_gate_is_provoked() -> None:
    loaders = {Finding.UNREADABLE, Finding.GRID_UNSURE}
    provoked = {finding for _, _, finding, _ in CASES}
    assert provoked | loaders | {Finding.OUT_OF_SEQUENCE} == set(Finding)
    assert set(MEANINGS) == set(Finding)


def test_every_finding_is_documented() -> None:
    docs = Path(__file__).parents[2] / "docs" / "data-quality.md"
    text = docs.read_text(encoding="utf-8")
    assert [finding for finding in Finding if f"`{finding}`" not in text] == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(good_recording())), max_size=6), st.integers(0, len(CASES) - 1))
def test_pieces_give_what_the_whole_gives(cuts: list[int], case: int) -> None:
    ticks = CASES[case][1](good_recording())
    whole = gate_over(ticks, TICK, LOT)
    start_ns, end_ns = int(ticks.recv_ns.min()), int(ticks.recv_ns.max())
    pieces = StreamGate(TICK, LOT, start_ns, end_ns - start_ns)
    places = [0, *sorted(min(cut, len(ticks)) for cut in cuts), len(ticks)]
    for first, stop in itertools.pairwise(places):
        pieces.watch(picked(ticks, slice(first, stop)))
        pieces.sums()
    assert np.array_equal(pieces.sums().state, whole.sums().state)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 880), st.integers(1, 8))
def test_lost_messages_of_the_book_never_pass_for_ready(first: int, lost: int) -> None:
    quality = judged(_without(Kind.LEVEL, slice(first, first + lost))(good_recording()))
    assert quality.verdict is not Verdict.READY
    assert quality.names() & {Finding.SEQUENCE_GAP, Finding.BRIDGE_BROKEN}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_rows_are_counted_and_never_break_the_gate(data: st.DataObject) -> None:
    """Random numbers in any column: all rows are counted, time is conserved."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    good = good_recording()
    rows = rng.integers(0, len(good), 400)
    columns = {name: getattr(good, name)[rows].copy() for name in COLUMNS}
    for name in data.draw(st.lists(st.sampled_from(COLUMNS), max_size=4)):
        spoilt = rng.random(400) < 0.2
        info = np.iinfo(columns[name].dtype)
        low, high = max(info.min, -(2**40)), min(info.max, 2**40)
        columns[name][spoilt] = rng.integers(low, high, int(spoilt.sum()))
    ticks = Ticks(**columns, text={})
    sums = gate_over(ticks, TICK, LOT).sums()
    quality = quality_of(sums)
    assert quality.facts.rows == 400
    assert sums.table[:, at.T_VALID_NS : at.T_SILENT_NS + 1].sum() == sums.end_ns - sums.start_ns
    assert msgspec.json.encode(quality)


def test_a_recording_goes_on_in_the_next_part() -> None:
    ticks = good_recording()
    half = len(ticks) // 2
    while not ticks.flags[half - 1] & LAST:
        half += 1
    gate = StreamGate(TICK, LOT, START_NS, 100 * NANOS)
    gate.watch(picked(ticks, slice(0, half)))
    first = quality_of(gate.sums())
    gate.next_part(int(ticks.recv_ns[half]))
    gate.watch(picked(ticks, slice(half, None)))
    second = quality_of(gate.sums())
    assert first.verdict is second.verdict is Verdict.READY
    assert first.facts.rows + second.facts.rows == len(ticks)
    assert first.facts.trades + second.facts.trades == 299


def test_messages_behind_the_book_are_out_of_sequence() -> None:
    ticks = good_recording()
    (i, _j), (k, m) = messages(ticks, Kind.LEVEL)[100], messages(ticks, Kind.LEVEL)[101]
    seq = ticks.seq.copy()
    seq[k:m] = seq[i] - 50
    found = judged(with_columns(ticks, seq=seq)).found
    assert Finding.OUT_OF_SEQUENCE in {item.finding for item in found}


def test_an_end_in_order_is_no_loss() -> None:
    ticks = good_recording()
    last = picked(ticks, slice(len(ticks) - 1, None))
    downs = [
        with_columns(
            last,
            kind=np.array([Kind.STATUS], np.int8),
            side=np.array([-1], np.int8),
            price=np.array([feed]),
            flags=np.array([LAST], np.uint8),
        )
        for feed in (1, 2, 4)
    ]
    assert judged(joined([ticks, *downs])).verdict is Verdict.READY


def test_messages_of_different_kinds_are_not_taken_for_each_other() -> None:
    """Trades and empty changes of the book are both known by little more than a number."""
    ticks = good_recording()
    trades = picked(ticks, ticks.kind == Kind.TRADE)
    empty = with_columns(
        trades,
        kind=np.full(len(trades), Kind.LEVEL, np.int8),
        flags=trades.flags | np.uint8(EMPTY),
        ref=trades.seq - 3,
    )
    quality = judged(
        joined([with_columns(empty, recv_ns=trades.recv_ns[:1] + 0 * trades.recv_ns), trades])
    )
    assert Finding.DUPLICATE not in quality.names()
    assert Finding.REPEAT not in quality.names()


def test_nothing_can_be_quoted_on_while_nothing_is_known() -> None:
    quality = judged(_between(40, 52, *Kind)(good_recording()))
    assert quality.facts.valid_share == pytest.approx(1 - (12 + 8) / 90, abs=0.01)


def test_findings_say_when() -> None:
    quality = judged(_between(40, 52, Kind.BEST)(good_recording()))
    (item,) = (item for item in quality.found if item.finding is Finding.BEST_SILENT)
    assert item.weight is Weight.WARNING
    assert item.begin_ns - START_NS == pytest.approx(40 * NANOS, abs=NANOS // 5)
    assert item.end_ns - item.begin_ns == pytest.approx(12 * NANOS, abs=NANOS // 5)
    assert item.share == pytest.approx(12 / 90, abs=0.01)
    assert [span.size for span in item.spans] == [item.end_ns - item.begin_ns]


def test_the_kernel_does_what_its_python_text_says() -> None:
    ticks = picked(good_recording(), slice(0, 600))
    compiled = gate_over(ticks, TICK, LOT)
    plain = StreamGate(TICK, LOT, int(ticks.recv_ns[0]), int(ticks.recv_ns[-1] - ticks.recv_ns[0]))
    plain.watch(ticks, kernel=watch.py_func)
    assert np.array_equal(plain.sums().state, compiled.sums().state)
