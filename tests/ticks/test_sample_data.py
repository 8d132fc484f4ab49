"""The bundled excerpts are what their README says, and no more than they say themselves."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from market_maker.core.events import BookDelta, BookSnapshot
from market_maker.core.instrument import InstrumentKind
from market_maker.market.order_book import OrderBook
from market_maker.ticks.checking import check_file
from market_maker.ticks.columns import Kind, events_of
from market_maker.ticks.findings import Finding, Verdict
from market_maker.ticks.foreign import NOTHING_GIVEN, Given
from market_maker.ticks.opening import open_recording

DATA = Path(__file__).parents[1] / "data"
SAMPLES = [
    ("binance_spot_btcusdt_20240808", "0.01", "0.00001", 1_382,
     {Finding.BRIDGE_UNPROVEN, Finding.CLOCK_BEHIND, Finding.OFF_GRID, Finding.BOOK_LOST}),
    ("binance_fut_btcusdt_20260216", "0.1", "0.001", 11_807, {Finding.BRIDGE_UNPROVEN, Finding.TRADE_THROUGH}),
    ("bitmex_xbtusd_20200310", "0.5", "1", 1_453, {Finding.BRIDGE_UNPROVEN, Finding.ONE_CLOCK}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "tick", "lot", "trades", "findings"), SAMPLES)
def test_the_samples_are_usable_and_their_flaws_known(
    name: str, tick: str, lot: str, trades: int, findings: set[Finding]
) -> None:
    checked = check_file(DATA / f"{name}.parquet", NOTHING_GIVEN)
    assert checked.verdict is Verdict.USABLE
    assert checked.opened is not None
    assert checked.quality is not None
    assert checked.opened.tick is not None
    assert checked.opened.lot is not None
    assert (checked.opened.tick.size, checked.opened.lot.size) == (Decimal(tick), Decimal(lot))
    assert checked.quality.facts.trades == trades
    assert checked.quality.names() == findings
    assert checked.quality.facts.valid_share > 0.99


def test_the_clock_that_is_behind_is_measured() -> None:
    checked = check_file(DATA / "binance_spot_btcusdt_20240808.parquet", NOTHING_GIVEN)
    assert checked.quality is not None
    facts = checked.quality.facts
    assert facts.book_latency.negative == facts.book_latency.messages
    assert facts.book_latency.median_ns == pytest.approx(-1.272e9, abs=3e6)


def test_inverse_contracts_are_read_as_such() -> None:
    recording = open_recording(
        DATA / "bitmex_xbtusd_20200310.parquet", Given(market="XBT-USD", inverse=True)
    )
    instrument = recording.info.header.instrument
    assert instrument.kind is InstrumentKind.INVERSE
    assert (instrument.settle, instrument.qty_quantum) == ("XBT", Decimal(1))


@pytest.mark.parametrize("name", [sample[0] for sample in SAMPLES])
def test_the_bots_own_book_follows_every_message(name: str) -> None:
    ticks = open_recording(DATA / f"{name}.parquet", NOTHING_GIVEN).ticks
    book = OrderBook(5_000, 1_000, 5.0)
    for event in events_of(
        ticks.picked((ticks.kind == Kind.LEVEL) | (ticks.kind == Kind.SNAPSHOT))
    ):
        if isinstance(event, BookSnapshot):
            book.apply_snapshot(event)
        elif isinstance(event, BookDelta):
            book.apply_delta(event)
    assert book.synced
    assert book.gaps == book.malformed == 0
    bid, ask = book.top()[:2]
    assert 0 < bid < ask


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 800_000
