"""What a bot remembers: epochs grow, the latch is durable, damage is named."""

import itertools
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_maker.core.errors import InvariantError, UnusableError
from market_maker.core.reasons import KillReason
from market_maker.risk.kill_switch import KillSwitch, Latch
from market_maker.runtime.state import CleanStop, KeyValueStore, StateStore
from market_maker.runtime.stores import MemoryStore, SqliteStore, StateWriteError

Reopen = Callable[[], StateStore]


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Open the same memory as a new session would, closing the one before."""
    values: dict[str, bytes] = {}
    opened: list[StateStore] = []

    def open_again() -> StateStore:
        if opened:
            opened.pop().close()
        store: KeyValueStore = (
            MemoryStore(values) if request.param == "memory" else SqliteStore(tmp_path / "s.sqlite")
        )
        opened.append(StateStore(store))
        return opened[0]

    yield open_again
    if opened:
        opened.pop().close()


def test_epochs_follow_the_clock_and_grow_even_when_it_goes_back(reopen: Reopen) -> None:
    assert reopen().next_epoch(5_000_000_000) == 5_000
    assert reopen().next_epoch(9_000_000_000) == 9_000
    assert reopen().next_epoch(1_000_000_000) == 9_001
    assert reopen().next_epoch(9_000_000_000) == 9_002


@given(st.lists(st.integers(0, 10**19), min_size=2, max_size=20))
@settings(deadline=None, max_examples=50)
def test_epochs_strictly_grow_for_any_clock(clock: list[int]) -> None:
    store = StateStore(MemoryStore())
    epochs = [store.next_epoch(now_ns) for now_ns in clock]
    assert all(a < b for a, b in itertools.pairwise(epochs))


def test_the_kill_switch_stays_engaged_over_restarts_until_released(reopen: Reopen) -> None:
    switch = KillSwitch(reopen().latches())
    assert not switch.engaged
    assert switch.engage(KillReason.SIGNAL, 5, "operator")
    assert switch.engage(KillReason.DRAWDOWN, 6)
    again = KillSwitch(reopen().latches())
    assert dict(again.reasons) == dict(switch.reasons)
    again.release(7)
    assert not KillSwitch(reopen().latches()).engaged


def test_latches_that_cannot_be_read_are_not_taken_for_released() -> None:
    latches = StateStore(MemoryStore({"kill_latches": b'[{"reason": 5}]'})).latches()
    switch = KillSwitch(latches)
    assert list(switch.reasons) == [KillReason.INVARIANT]
    switch.release(9)
    assert not KillSwitch(latches).engaged


def test_the_accounts_switch_and_a_markets_own_are_remembered_apart(reopen: Reopen) -> None:
    KillSwitch(reopen().latches("SOL-USD")).engage(KillReason.COMMAND, 5)
    assert not KillSwitch(reopen().latches()).engaged
    assert not KillSwitch(reopen().latches("BTC-USD")).engaged
    assert KillSwitch(reopen().latches("SOL-USD")).engaged


def test_a_clean_stop_is_told_once(reopen: Reopen) -> None:
    assert reopen().take_clean_stop() is None
    reopen().mark_clean_stop(epoch=4, now_ns=99)
    assert reopen().take_clean_stop() == CleanStop(99, 4)
    assert reopen().take_clean_stop() is None


def test_risk_memory_and_ledgers_are_read_back_by_scope_and_market(reopen: Reopen) -> None:
    store = reopen()
    assert store.load_risk("seed-1") is None
    store.save_risk("seed-1", b"memory")
    store.save_ledger("seed-1", "SOL-USD", b"one")
    store.save_ledger("seed-1", "BTC-USD", b"two", durable=True)
    store.save_ledger("seed-1", "SOL-USD", b"three")
    store = reopen()
    assert store.load_risk("seed-1") == b"memory"
    assert store.load_risk("seed-2") is None
    assert store.load_ledger("seed-1", "SOL-USD") == b"three"
    assert store.load_ledger("seed-1", "BTC-USD") == b"two"
    assert store.load_ledger("seed-2", "SOL-USD") is None
    store.forget("seed-1", "SOL-USD")
    assert store.load_ledger("seed-1", "SOL-USD") is None
    assert store.load_risk("seed-1") is None
    assert store.load_ledger("seed-1", "BTC-USD") == b"two"


def test_a_store_that_is_closed_refuses_to_forget_silently(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.sqlite")
    store.close()
    with pytest.raises(InvariantError, match="closed"):
        store.put("key", b"value")


def test_a_file_that_is_no_database_is_named_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(UnusableError, match=r"state\.sqlite is damaged.*move it"):
        SqliteStore(path)


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStore(path)
    for n in range(300):
        store.put(f"key-{n}", bytes(200))
    store.close()
    content = bytearray(path.read_bytes())
    for place in range(4096, len(content), 64):
        content[place : place + 32] = b"\xff" * 32
    path.write_bytes(content)
    with pytest.raises(UnusableError, match="damaged"):
        SqliteStore(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(UnusableError, match="newer version"):
        SqliteStore(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableError, match="cannot be used"):
        SqliteStore(tmp_path / "file" / "state.sqlite")


def test_a_write_that_fails_is_told_and_made_up_for_later(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("ALTER TABLE state RENAME TO away")
    store.put("first", b"1")
    with pytest.raises(StateWriteError, match=r"state\.sqlite"):
        store.put("second", b"2", durable=True)
    switch = KillSwitch(StateStore(store).latches())
    assert switch.engage(KillReason.SIGNAL, 5)
    assert switch.engaged
    assert not switch.persisted
    assert store.failed
    other.execute("ALTER TABLE away RENAME TO state")
    store.put("third", b"3", durable=True)
    assert not store.failed
    other.close()
    store.close()
    again = SqliteStore(path)
    assert [again.get(key) for key in ("first", "second", "third")] == [b"1", b"2", b"3"]
    again.close()


def test_a_release_that_cannot_be_written_leaves_the_switch_engaged_for_good(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStore(path)
    switch = KillSwitch(StateStore(store).latches())
    switch.engage(KillReason.SIGNAL, 5)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("ALTER TABLE state RENAME TO away")
    with pytest.raises(OSError, match=r"state\.sqlite"):
        switch.release(9)
    assert switch.engaged
    other.execute("ALTER TABLE away RENAME TO state")
    other.close()
    store.put("other", b"1", durable=True)
    store.close()
    again = SqliteStore(path)
    assert KillSwitch(StateStore(again).latches()).engaged
    again.close()


_LATCHER = """
import sys
from pathlib import Path
from market_maker.core.reasons import KillReason
from market_maker.risk.kill_switch import Latch
from market_maker.runtime.state import StateStore
from market_maker.runtime.stores import SqliteStore
store = StateStore(SqliteStore(Path(sys.argv[1])))
print(store.next_epoch(0), flush=True)
store.latches().save((Latch(KillReason.SIGNAL, 1, "x"),))
print("latched", flush=True)
sys.stdin.read()
"""


def test_latch_and_epoch_survive_a_kill_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    for epoch in (0, 1):
        command = [sys.executable, "-c", _LATCHER, str(path)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{epoch}\n"
            assert process.stdout.readline() == "latched\n"
            process.send_signal(signal.SIGKILL)
    store = StateStore(SqliteStore(path))
    assert store.latches().load() == (Latch(KillReason.SIGNAL, 1, "x"),)
    assert store.next_epoch(0) == 2
    store.close()
