"""What the exchange still knows after it was killed at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from market_maker.config.simulated import SimulatedConfig
from market_maker.config.simulated_market import MarketModelConfig
from market_maker.core.errors import AnotherInstanceError, UnusableError
from market_maker.core.events import BookSnapshot, Fill, OrderUpdate
from market_maker.core.instrument import MONEY_SCALE
from market_maker.core.side import Side
from market_maker.venues.simulated.exchange import (
    SimulatedExchange,
    cancel_everything,
    open_exchange,
)
from market_maker.venues.simulated.rules import OrderRequest
from market_maker.venues.simulated.store import FileStore, MemoryStore, StoreFailedError

SOL, BTC = "SOL-USD", "BTC-USD"
SECOND = 1_000_000_000
CONFIG = SimulatedConfig(funding_interval_s=60)
WALL = 1_700_000_000 * SECOND

Truth = tuple[object, ...]


def truth(exchange: SimulatedExchange) -> Truth:
    """Everything that somebody outside could have been told."""
    per_market: list[tuple[object, ...]] = []
    for symbol in exchange.symbols:
        snapshot: BookSnapshot = exchange.snapshot(symbol)
        orders: tuple[OrderUpdate, ...] = exchange.open_orders(symbol)
        fills: tuple[Fill, ...] = exchange.fills(symbol)
        payments = exchange.payments(symbol)
        update = exchange.funding_update(symbol)
        per_market.append((symbol, snapshot, orders, fills, payments, update))
    return (exchange.now_ns, exchange.cash, exchange.equity, tuple(per_market))


def trade_a_while(exchange: SimulatedExchange, steps: int, first: int = 0) -> list[Truth]:
    """A scripted session; the truth after every command."""
    told = [truth(exchange)]
    for step in range(first, first + steps):
        bid, ask = exchange.best(SOL)
        if step % 3 == 0:
            exchange.advance(exchange.now_ns + 700_000_000)
        elif step % 3 == 1:
            side, price = (Side.BUY, bid) if step % 2 else (Side.SELL, ask)
            exchange.submit(SOL, OrderRequest(f"o{step}", side, price, 100, post_only=True))
        elif step % 4 == 0:
            exchange.cancel(SOL, f"o{step - 4}")
        else:
            exchange.submit(SOL, OrderRequest(f"m{step}", Side.BUY, 0, 50, market=True))
        told.append(truth(exchange))
    return told


def test_a_reopened_exchange_continues_bit_for_bit(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"checkpoint_records": 10})
    steady = open_exchange(config, 9, {SOL: config, BTC: config})
    expected = trade_a_while(steady, 60)
    told: list[Truth] = []
    for part in range(6):
        exchange = open_exchange(config, 9, {SOL: config, BTC: config}, tmp_path)
        told += trade_a_while(exchange, 10, first=10 * part)[part > 0 :]
        # No farewell: the store is merely let go, as the kernel does for a killed process.
        exchange.abandon()
    assert told == expected
    assert len(exchange.fills(SOL)) > 3


def test_a_checkpoint_leaves_nothing_out() -> None:
    config = CONFIG.model_copy(update={"order_rate_per_s": 0.5, "funding_sd_bps": 3.0})
    store = MemoryStore()
    exchange = SimulatedExchange.open(config, 3, store)
    for symbol in (SOL, BTC):
        exchange.list_market(symbol, config)
    exchange.begin_session(WALL)
    exchange.advance(200 * SECOND)
    trade_a_while(exchange, 20)
    bid, _ = exchange.best(SOL)
    exchange.place_shadow(SOL, Side.BUY, bid, 10)
    exchange.arm_dead_man(SOL, 30 * SECOND)
    exchange.set_maintenance(BTC, closed=True)
    exchange.advance(exchange.now_ns + SECOND // 10)
    exchange.checkpoint()
    again = SimulatedExchange.recover(store)
    assert again is not None
    assert again.state() == exchange.state()
    exchange.drain(SOL)
    for each in (exchange, again):
        each.advance(each.now_ns + 65 * SECOND)
    assert again.drain(SOL) == exchange.drain(SOL)
    assert again.open_orders(SOL) == ()
    assert again.state() == exchange.state()


def test_a_log_cut_at_any_byte_recovers_a_state_that_was_true(tmp_path: Path) -> None:
    exchange = open_exchange(CONFIG, 4, {SOL: CONFIG}, tmp_path / "a")
    exchange.checkpoint()
    told = trade_a_while(exchange, 14)
    exchange.abandon()
    source = tmp_path / "a" / "seed-4"
    (log,) = source.glob("log.*")
    data = log.read_bytes()
    reached = []
    for size in range(len(data) + 1):
        copy = tmp_path / "b" / "seed-4"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        (copy / log.name).write_bytes(data[:size])
        recovered = SimulatedExchange.recover(FileStore(copy))
        assert recovered is not None
        reached.append(told.index(truth(recovered)))
        recovered.abandon()
    assert reached == sorted(reached)
    assert sorted(dict.fromkeys(reached)) == list(range(len(told)))


def test_a_damaged_record_hides_all_that_follows_and_new_ones_are_kept(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.load()
    store.checkpoint([b"start"])
    for i in range(5):
        store.append(bytes([i]) * 10)
    store.close()
    (log,) = tmp_path.glob("log.*")
    data = bytearray(log.read_bytes())
    data[2 * 18 + 12] ^= 1
    log.write_bytes(bytes(data))
    again = FileStore(tmp_path)
    assert again.load()[1] == (bytes(10), b"\1" * 10)
    again.append(b"new")
    again.close()
    assert FileStore(tmp_path).load()[1] == (bytes(10), b"\1" * 10, b"new")


def test_a_lost_checkpoint_is_not_taken_for_a_new_exchange(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.load()
    store.checkpoint([b"start"])
    store.append(b"something happened")
    store.close()
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(UnusableError, match=r"missing although its log.*--fresh"):
        FileStore(tmp_path).load()


def test_a_checkpoint_that_was_not_finished_changes_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.checkpoint([b"one", b"two"])
    store.append(b"after")
    store.close()
    (tmp_path / "checkpoint.new").write_bytes(b"half a checkp")
    (tmp_path / "log.0").write_bytes(b"left over")
    again = FileStore(tmp_path)
    assert again.load() == ((b"one", b"two"), (b"after",))
    assert not (tmp_path / "log.0").exists()


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.checkpoint([b"one" * 100])
    store.close()
    path = tmp_path / "checkpoint"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UnusableError, match="--fresh"):
        FileStore(tmp_path).load()


def test_what_cannot_be_written_does_not_happen(tmp_path: Path) -> None:
    class FullDisk(MemoryStore):
        def append(self, record: bytes) -> None:
            raise StoreFailedError(str(len(record)))

    exchange = SimulatedExchange.open(CONFIG, 1, MemoryStore())
    exchange.list_market(SOL)
    store = FullDisk()
    store.checkpoint(exchange.state())
    stuck = SimulatedExchange.recover(store)
    assert stuck is not None
    before = truth(stuck)
    with pytest.raises(StoreFailedError):
        stuck.submit(SOL, OrderRequest("a", Side.BUY, 15_000, 100))
    with pytest.raises(StoreFailedError):
        stuck.advance(SECOND)
    assert truth(stuck) == before


def test_wall_time_never_goes_back_and_market_time_stands_still_between_sessions(
    tmp_path: Path,
) -> None:
    exchange = open_exchange(CONFIG, 2, {SOL: CONFIG}, tmp_path)
    exchange.begin_session(WALL)
    exchange.submit(SOL, OrderRequest("first", Side.BUY, 0, 100, market=True))
    exchange.advance(10 * SECOND)
    exchange.close()
    again = open_exchange(CONFIG, 2, {SOL: CONFIG}, tmp_path)
    assert again.now_ns == 10 * SECOND
    again.begin_session(WALL + 3_600 * SECOND)
    again.advance(11 * SECOND)
    assert again.wall_ns(again.now_ns) == WALL + 3_601 * SECOND
    again.submit(SOL, OrderRequest("second", Side.BUY, 0, 100, market=True))
    again.close()
    back = open_exchange(CONFIG, 2, {SOL: CONFIG}, tmp_path)
    back.begin_session(WALL)
    assert back.wall_ns(back.now_ns) == WALL + 3_601 * SECOND
    stamps = [fill.venue_ns for fill in back.fills(SOL)]
    assert stamps[0] == WALL, "a record keeps the wall time at which it happened"
    assert stamps == sorted(stamps)
    assert stamps[-1] == WALL + 3_601 * SECOND


def test_a_seed_names_a_market_and_fresh_starts_it_over(tmp_path: Path) -> None:
    first = open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path)
    genesis = truth(first)
    trade_a_while(first, 12)
    first.close()
    other = open_exchange(CONFIG, 2, {SOL: CONFIG}, tmp_path)
    assert other.now_ns == 0
    assert truth(other) != genesis
    other.close()
    kept = open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path)
    assert kept.now_ns > 0
    kept.close()
    fresh = open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path, fresh=True)
    assert truth(fresh) == genesis
    fresh.close()


@pytest.mark.scenario("SC97")
def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    exchange = open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path)
    with pytest.raises(AnotherInstanceError, match=str(os.getpid())):
        open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path)
    with pytest.raises(AnotherInstanceError):
        cancel_everything(tmp_path)
    exchange.close()
    open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path).close()


def test_terms_change_at_a_restart_but_capital_and_model_do_not(tmp_path: Path) -> None:
    open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path).close()
    dear = CONFIG.model_copy(update={"taker_fee_bps": CONFIG.taker_fee_bps * 4, "order_burst": 1})
    exchange = open_exchange(dear, 1, {SOL: dear}, tmp_path)
    exchange.submit(SOL, OrderRequest("a", Side.BUY, 0, 100, market=True))
    fill = exchange.fills(SOL)[0]
    assert fill.fee == fill.price * MONEY_SCALE // 100 // 1_000
    assert not exchange.submit(SOL, OrderRequest("b", Side.BUY, 0, 100, market=True)).accepted
    exchange.close()
    rich = dear.model_copy(update={"capital": dear.capital * 2})
    wild = dear.model_copy(update={"market": MarketModelConfig(volatility_bps=5)})
    for changed in (rich, wild):
        with pytest.raises(UnusableError, match="--fresh"):
            open_exchange(changed, 1, {SOL: changed}, tmp_path)
    open_exchange(wild, 1, {SOL: wild}, tmp_path, fresh=True).close()


def test_everything_can_be_cancelled_while_the_bot_is_dead(tmp_path: Path) -> None:
    assert cancel_everything(tmp_path / "nothing") == 0
    for seed in (1, 2):
        exchange = open_exchange(CONFIG, seed, {SOL: CONFIG}, tmp_path)
        trade_a_while(exchange, 12)
        assert exchange.open_orders(SOL)
        exchange.abandon()
    assert cancel_everything(tmp_path) == 0
    for seed in (1, 2):
        exchange = open_exchange(CONFIG, seed, {SOL: CONFIG}, tmp_path)
        assert exchange.open_orders(SOL) == ()
        exchange.close()


def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableError, match="file"):
        open_exchange(CONFIG, 1, {SOL: CONFIG}, tmp_path / "file")


_VICTIM = """
import sys
from pathlib import Path
from market_maker.config.simulated import SimulatedConfig
from market_maker.core.side import Side
from market_maker.venues.simulated.exchange import open_exchange
from market_maker.venues.simulated.rules import OrderRequest

config = SimulatedConfig(checkpoint_records=10, order_burst=10**5, order_rate_per_s=1000)
exchange = open_exchange(config, 6, {"SOL-USD": config}, Path(sys.argv[1]))
for step in range(10**6):
    exchange.advance(exchange.now_ns + 10_000_000)
    exchange.submit("SOL-USD", OrderRequest(f"o{step}", Side(1 - 2 * (step % 2)), 0, 40, market=True))
    fill = exchange.fills("SOL-USD")[-1]
    print(fill.trade_id, fill.client_id, fill.price, fill.qty, fill.fee, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 40])
def test_every_fill_that_was_told_survives_sigkill(tmp_path: Path, lines: int) -> None:
    told = []
    command = [sys.executable, "-c", _VICTIM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        told += [victim.stdout.readline().strip() for _ in range(lines)]
        victim.send_signal(signal.SIGKILL)
        told += [line.strip() for line in victim.stdout if line.endswith("\n")]
    exchange = SimulatedExchange.recover(FileStore(tmp_path / "seed-6"))
    assert exchange is not None
    known = [
        f"{fill.trade_id} {fill.client_id} {fill.price} {fill.qty} {fill.fee}"
        for fill in exchange.fills(SOL)
    ]
    assert known[: len(told)] == told
    assert len(known) <= len(told) + 1
    exchange.abandon()
