from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import START_NS, plain_rows, write_plain
from hypothesis import given
from hypothesis import strategies as st

from market_maker.core.errors import ExitCode
from market_maker.core.events import BestQuote, BookDelta, BookSnapshot, TradePrint
from market_maker.core.instrument import InstrumentKind
from market_maker.market.order_book import OrderBook
from market_maker.ticks.columns import LAST, UNNUMBERED, Kind, events_of
from market_maker.ticks.foreign import NOTHING_GIVEN, Given, Opened
from market_maker.ticks.grid_inference import Floats, infer_step
from market_maker.ticks.loading import load
from market_maker.ticks.opening import open_recording
from market_maker.ticks.parquet_file import TicksFileError

Rows = dict[str, Any]


def opened(folder: Path, rows: Rows, given: Given = NOTHING_GIVEN) -> Opened:
    return open_recording(write_plain(folder / "btcusdt.parquet", rows), given)


def test_rows_become_whole_messages_that_a_book_follows(tmp_path: Path) -> None:
    recording = opened(tmp_path, plain_rows())
    events = list(events_of(recording.ticks))
    assert isinstance(events[0], BookSnapshot)
    assert len(events[0].bids) == len(events[0].asks) == 12
    assert sum(isinstance(event, TradePrint) for event in events) == 57
    book = OrderBook(100, 100, 5.0)
    book.apply_snapshot(events[0])
    for event in events:
        if isinstance(event, BookDelta):
            assert event.prev_seq == book.seq
            book.apply_delta(event)
    assert book.gaps == book.malformed == 0
    assert book.synced
    assert recording.ticks.flags[0] & UNNUMBERED


def test_trades_get_names_of_their_own(tmp_path: Path) -> None:
    trades = [
        e for e in events_of(opened(tmp_path, plain_rows()).ticks) if isinstance(e, TradePrint)
    ]
    assert [trade.trade_id for trade in trades] == [str(START_NS + i) for i in range(1, 58)]


def test_tick_and_lot_are_inferred_with_their_evidence(tmp_path: Path) -> None:
    recording = opened(tmp_path, plain_rows())
    assert recording.tick is not None
    assert recording.lot is not None
    assert recording.tick.size == Decimal("0.01")
    assert recording.lot.size == Decimal("0.00001")
    assert recording.tick.sure
    assert "480 of 480 values" in str(recording.tick)
    instrument = recording.info.header.instrument
    assert instrument.price_quantum == Decimal("0.01")
    assert instrument.maker_fee_rate is None
    assert recording.info.header.market == "btcusdt"
    assert (instrument.base, instrument.quote, instrument.settle) == ("BTC", "USDT", "USDT")


@pytest.mark.parametrize(
    ("name", "currencies"),
    [
        ("XBTUSD", ("XBT", "USD")),
        ("binance_fut_ethusdt_20260216", ("ETH", "USDT")),
        ("ETH-UXBT", ("ETH", "UXBT")),
        ("gold", ("gold", "QUOTE")),
    ],
)
def test_currencies_are_read_from_a_market_s_name(
    name: str, currencies: tuple[str, str], tmp_path: Path
) -> None:
    instrument = opened(tmp_path, plain_rows(), Given(market=name)).info.header.instrument
    assert (instrument.base, instrument.quote) == currencies


def test_what_is_given_counts(tmp_path: Path) -> None:
    given = Given(
        market="XBT-USD", tick=Decimal("0.005"), lot=Decimal("0.00001"), inverse=True,
        maker_fee_rate=Decimal("-0.00025"),
    )  # fmt: skip
    recording = opened(tmp_path, plain_rows(), given)
    instrument = recording.info.header.instrument
    assert instrument.kind is InstrumentKind.INVERSE
    assert (instrument.base, instrument.quote, instrument.settle) == ("XBT", "USD", "XBT")
    assert instrument.price_quantum == Decimal("0.005")
    assert instrument.maker_fee_rate == Decimal("-0.00025")
    first = int(recording.ticks.price[0])
    assert first * Decimal("0.005") == Decimal("60999.99")


def _changed(column: str, change: Callable[[Any], Any]) -> Callable[[Rows], Rows]:
    return lambda rows: {**rows, column: change(rows[column])}


def _without(column: str) -> Callable[[Rows], Rows]:
    return lambda rows: {name: values for name, values in rows.items() if name != column}


def _few(rows: Rows) -> Rows:
    return {name: values[:4] for name, values in rows.items()}


BAR = ("open", "high", "low", "close")
BAD: list[tuple[Callable[[Rows], Rows], tuple[str, ...]]] = [
    (_without("qty"), ("lacks the columns qty",)),
    (_without("ts_ns"), ("lacks the columns ts_ns",)),
    (_changed("ts_ns", lambda ts: ts // 10**9), ("ts_ns is in seconds", "multiply it by 1000000000")),
    (_changed("ts_ns", lambda ts: ts // 10**6), ("ts_ns is in milliseconds",)),
    (_changed("exch_ts_ns", lambda ts: ts // 1000), ("exch_ts_ns is in microseconds",)),
    (_changed("ts_ns", lambda ts: ts * 0), ("ts_ns is 0 throughout",)),
    (_changed("ts_ns", lambda ts: ts.astype(float)), ("ts_ns holds double",)),
    (_changed("price", lambda p: np.rint(p * 1e4)), ("look scaled", "--tick")),
    (_changed("price", lambda p: [str(x) for x in p]), ("price holds string",)),
    (_changed("side", lambda s: [None, *s[1:].tolist()]), ("side has 1 empty values",)),
    (_changed("qty", lambda q: np.where(q == q[60], 1e15, q)), ("too large",)),
    (lambda rows: {"open_ts_ns": rows["ts_ns"]} | dict.fromkeys(BAR, rows["price"]), ("holds bars",)),
    (_few, ("--tick",)),
    (lambda rows: {name: values[:0] for name, values in rows.items()}, ("no rows",)),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_bad_input_is_refused_with_its_remedy(
    spoil: Callable[[Rows], Rows], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(TicksFileError) as refused:
        opened(tmp_path, spoil(plain_rows()))
    assert refused.value.exit_code is ExitCode.UNUSABLE
    assert "btcusdt.parquet" in str(refused.value)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[: len(data) // 2], "is torn"),
        (lambda _: b"", "is empty"),
        (lambda _: b"ts_ns,price\n1,2\n", "is no Parquet file"),
        (lambda data: data[:4] + b"\0" * 200 + data[204:], "is damaged"),
        (lambda data: data[:-300] + b"\0" * 292 + data[-8:], "cannot be read"),
    ],
)
def test_files_that_are_not_whole_are_refused(
    spoil: Callable[[bytes], bytes], words: str, tmp_path: Path
) -> None:
    path = write_plain(tmp_path / "x.parquet", plain_rows())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(TicksFileError, match=words):
        open_recording(path, NOTHING_GIVEN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TicksFileError, match=r"there is no file .*nowhere\.parquet"):
        open_recording(tmp_path / "nowhere.parquet", NOTHING_GIVEN)


def test_a_tick_that_the_data_contradict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TicksFileError, match=r"no multiples of the tick 0\.5; the data say 0\.01"):
        opened(tmp_path, plain_rows(), Given(tick=Decimal("0.5")))


def test_values_that_are_no_numbers_reach_the_gates(tmp_path: Path) -> None:
    rows = plain_rows()
    rows["price"][50] = np.nan
    rows["qty"][60] = np.inf
    ticks = opened(tmp_path, rows).ticks
    assert (ticks.price < 0).sum() == 1
    assert (ticks.qty < 0).sum() == 1


def test_stray_values_are_rounded_and_reported(tmp_path: Path) -> None:
    rows = plain_rows()
    rows["price"][50] += 0.004
    recording = opened(tmp_path, rows)
    assert recording.tick is not None
    assert recording.tick.size == Decimal("0.01")
    assert recording.off_grid_ns.tolist() == [rows["ts_ns"][50]]


def test_best_prices_of_one_side_are_completed(tmp_path: Path) -> None:
    rows = plain_rows(40)
    best: Rows = {
        "ts_ns": START_NS + 10**9 * np.arange(3, 9),
        "exch_ts_ns": np.zeros(6, np.int64),
        "kind": np.full(6, 5, np.int8),
        "side": np.array([1, 1, -1, 1, -1, -1], np.int8),
        "price": np.array([60_999.5, 60_999.6, 61_000.1, 60_999.7, 61_000.2, 61_000.3]),
        "qty": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    }
    best["ts_ns"][4] = best["ts_ns"][3]  # one message with both sides
    both = {name: np.concatenate([rows[name], best[name]]) for name in rows}
    ticks = opened(tmp_path, both).ticks
    quotes = [event for event in events_of(ticks) if isinstance(event, BestQuote)]
    assert [(q.bid / 100, q.ask / 100) for q in quotes] == [
        (60_999.5, 0.0),
        (60_999.6, 0.0),
        (60_999.6, 61_000.1),
        (60_999.7, 61_000.2),
        (60_999.7, 61_000.3),
    ]
    assert (ticks.flags[ticks.kind == Kind.BEST] & LAST).tolist() == [0, 1] * 5


def test_files_of_two_markets_are_not_mixed(tmp_path: Path) -> None:
    first = write_plain(tmp_path / "btc.parquet", plain_rows())
    second = write_plain(tmp_path / "eth.parquet", plain_rows())
    with pytest.raises(TicksFileError, match=r"btc and .* of eth: choose files of one market"):
        load([first, second])
    info, ticks = load([first, second], given=Given(market="BTC-USDT"))
    assert info.header.market == "BTC-USDT"
    lost = ticks.kind == Kind.STATUS  # the second does not continue the first
    assert (~lost).sum() == 2 * len(open_recording(first, NOTHING_GIVEN).ticks)


@given(
    st.sampled_from(
        ["0.00001", "0.0001", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"]
    ),
    st.integers(0, 2**32),
    st.integers(0, 3),
)
def test_a_step_is_found_however_few_values_are_broken(step: str, seed: int, strays: int) -> None:
    rng = np.random.default_rng(seed)
    values: Floats = rng.integers(1_000, 2_000, 300).astype(np.float64) * float(step)
    values[:strays] += float(step) * 0.37
    found = infer_step(values)
    assert found is not None
    assert found.size == Decimal(step)
    assert found.off_grid == strays


def test_nothing_is_inferred_from_nothing() -> None:
    assert infer_step(np.array([])) is None
    assert infer_step(np.array([np.nan, 0.0, -1.0])) is None
