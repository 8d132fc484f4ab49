"""The whole bot on a recording: fills, money, endings; always the same."""

from __future__ import annotations

from recorded import SOL, backtested, recorded

from market_maker.app.backtest import Backtest
from market_maker.app.operator_notes import begun_at, note_of
from market_maker.app.reach import STOP
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode
from market_maker.core.events import Liquidity
from market_maker.ticks.columns import events_of
from market_maker.ticks.packing import ticks_of

SETTINGS = Settings.model_validate({"paper": {"maker_fee_bps": "0.1", "queue_exponent": 2.0}})


def test_a_bot_trades_on_a_recording_and_its_books_agree_with_the_venues() -> None:
    run, ended, _ = backtested(SETTINGS, 3, 150.0)
    desk = run.rehearsal.venue.desk
    assert (ended.whole, ended.code, ended.log) == (True, ExitCode.CLEAN, ())
    fills = list(desk.records.fills)
    assert len(fills) > 2
    assert {fill.liquidity for fill in fills} == {Liquidity.MAKER}
    assert desk.line.qty == sum(fill.side * fill.qty for fill in fills)
    payoff = desk.line.payoff
    paid = sum(payoff.value(fill.side * fill.qty, 2 * fill.price) + fill.fee for fill in fills)
    assert desk.account.cash == 10_000 * 10**18 - paid
    for fill in fills:
        notional = payoff.notional(fill.qty, fill.price)
        assert fill.fee == -(-notional * 10 // 1_000_000)
        assert fill.venue_ns <= fill.recv_ns
    assert not desk.records.open
    bot = run.bot
    assert bot is not None
    assert bot.markets[SOL].bot.strategy.parts.ledger.position == desk.line.qty


def test_the_same_recording_gives_the_same_run_to_the_last_bit() -> None:
    assert backtested(SETTINGS, 3, 60.0)[2] == backtested(SETTINGS, 3, 60.0)[2]


def test_a_run_that_is_interrupted_keeps_what_it_has_done() -> None:
    instrument, ticks = recorded(3, 150.0)
    run = Backtest(SETTINGS, SOL, instrument, ticks, 3)
    ended = run.run(lambda rows, _t_ns: rows < len(ticks) // 2)
    assert not ended.whole
    assert len(ticks) // 3 < ended.rows < len(ticks)
    assert ended.code is ExitCode.CLEAN
    assert not run.rehearsal.venue.desk.records.open


def test_an_operators_orders_are_repeated_in_one_session_and_left_out_of_several() -> None:
    """Else the stop of the first session would end the backtest of a whole folder there."""
    instrument, ticks = recorded(3, 60.0)
    events = list(events_of(ticks))
    half = len(events) // 2
    ends_ns = events[half].recv_ns
    began = begun_at(events[0].recv_ns, events[0].recv_ns)
    one = ticks_of([began, *events[:half], note_of(STOP, ends_ns), *events[half:]])
    ended = Backtest(SETTINGS, SOL, instrument, one, 3).run()
    assert (ended.whole, ended.code) == (True, ExitCode.CLEAN)
    assert ended.rows < 0.7 * len(one)
    again = begun_at(ends_ns, ends_ns)
    both = ticks_of([began, *events[:half], note_of(STOP, ends_ns), again, *events[half:]])
    run = Backtest(SETTINGS, SOL, instrument, both, 3)
    assert run.sessions == 2
    assert run.run().rows == len(both)
