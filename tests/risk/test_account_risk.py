from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_maker.config.risk import RiskConfig
from market_maker.core.errors import UnusableError
from market_maker.core.events import BalanceReport
from market_maker.core.instrument import MONEY_SCALE
from market_maker.core.reasons import KillReason
from market_maker.risk.account import DAY_NS, AccountRisk
from market_maker.risk.kill_switch import KillSwitch, Latch

USD = MONEY_SCALE
NOON = 20_000 * DAY_NS + DAY_NS // 2
MIDNIGHT = 20_001 * DAY_NS


class Store:
    """Remembers nothing."""

    def load(self) -> tuple[Latch, ...]:
        """Nothing."""
        return ()

    def save(self, latches: tuple[Latch, ...]) -> None:
        """Forget."""


def _account(state: bytes | None = None, config: RiskConfig | None = None) -> AccountRisk:
    account = AccountRisk(config or RiskConfig(), 10_000 * USD, KillSwitch(Store()), state)
    account.register("A", "USD", 0 if state is None else 1)
    return account


def _kills(account: AccountRisk) -> list[KillReason | None]:
    return [breach.kill for breach in account.breaches()]


def test_i04_a_drawdown_of_two_percent_from_the_peak_is_a_breach() -> None:
    account = _account()
    for day, pnl in enumerate((150, 60, 0, -49)):
        account.on_pnl("A", pnl * USD, NOON + day * DAY_NS)
    assert _kills(account) == []
    account.on_pnl("A", -50 * USD, NOON + 4 * DAY_NS)
    assert _kills(account) == [KillReason.DRAWDOWN]
    assert account.drawdown == account.max_drawdown == 200 * USD


def test_i04_a_daily_loss_of_one_percent_is_a_breach_of_its_utc_day_only() -> None:
    account = _account()
    account.on_pnl("A", 0, NOON)
    account.on_pnl("A", -99 * USD, NOON)
    assert _kills(account) == []
    account.on_pnl("A", -100 * USD, MIDNIGHT - 1)
    assert _kills(account) == [KillReason.DAILY_LOSS]
    account.on_pnl("A", -101 * USD, MIDNIGHT)
    assert _kills(account) == []
    assert account.daily_loss == USD
    account.on_pnl("A", -199 * USD, MIDNIGHT + DAY_NS - 1)
    assert account.daily_loss == 99 * USD
    account.on_pnl("A", -200 * USD, MIDNIGHT + DAY_NS - 1)
    assert _kills(account) == [KillReason.DRAWDOWN, KillReason.DAILY_LOSS]


def test_losses_are_summed_over_markets() -> None:
    account = _account()
    account.register("B", "USD", 0)
    account.on_pnl("A", -60 * USD, NOON)
    account.on_pnl("B", -40 * USD, NOON)
    assert _kills(account) == [KillReason.DAILY_LOSS]
    account.on_pnl("B", 40 * USD, NOON)
    assert account.pnl == -20 * USD
    assert account.equity == 9_980 * USD


@pytest.mark.scenario("SC63")
def test_peak_day_and_losses_survive_a_restart() -> None:
    before = _account()
    before.on_pnl("A", 150 * USD, NOON)
    before.on_pnl("A", 80 * USD, NOON + 1)
    after = _account(before.snapshot())
    after.on_pnl("A", 80 * USD, NOON + 2)
    assert (after.drawdown, after.daily_loss) == (70 * USD, -80 * USD)
    after.on_pnl("A", -50 * USD, NOON + 3)
    assert _kills(after) == [KillReason.DRAWDOWN]


def test_a_restart_after_midnight_starts_the_day_where_the_last_one_ended() -> None:
    before = _account()
    before.on_pnl("A", 0, NOON)
    before.on_pnl("A", -90 * USD, NOON)
    after = _account(before.snapshot())
    after.on_pnl("A", -95 * USD, MIDNIGHT + 5)
    assert after.daily_loss == 5 * USD


def test_books_that_start_over_continue_the_losses() -> None:
    before = _account()
    before.on_pnl("A", 0, NOON)
    before.on_pnl("A", -90 * USD, NOON)
    after = AccountRisk(RiskConfig(), 10_000 * USD, KillSwitch(Store()), before.snapshot())
    after.register("A", "USD", 0)
    after.on_pnl("A", -10 * USD, NOON + 1)
    assert after.daily_loss == 100 * USD
    assert _kills(after) == [KillReason.DAILY_LOSS]


@pytest.mark.scenario("SC64")
def test_sc64_a_reload_changes_limits_and_never_the_memory() -> None:
    account = _account()
    account.on_pnl("A", 100 * USD, NOON)
    account.on_pnl("A", 20 * USD, NOON)
    account.configure(RiskConfig(max_drawdown=0.008))
    assert account.drawdown == 80 * USD
    assert _kills(account) == [KillReason.DRAWDOWN]


def test_an_operator_may_start_judging_losses_anew() -> None:
    account = _account()
    account.on_pnl("A", -300 * USD, NOON)
    account.forgive(NOON)
    assert _kills(account) == []
    account.on_pnl("A", -401 * USD, NOON)
    assert _kills(account) == [KillReason.DAILY_LOSS]


def test_on_breach_exit_is_carried_by_the_breach() -> None:
    for on_breach, leave in (("latch", False), ("exit", True)):
        config = RiskConfig.model_validate({"on_breach": on_breach})
        account = _account(config=config)
        account.on_pnl("A", 0, NOON)
        account.on_pnl("A", -150 * USD, NOON)
        (breach,) = account.breaches()
        assert breach.exit_process is leave
        assert breach.account_wide


@given(st.lists(st.tuples(st.integers(0, DAY_NS // 2), st.integers(-500, 500)), min_size=1))
def test_drawdown_and_daily_loss_equal_a_plain_twin(steps: list[tuple[int, int]]) -> None:
    account = _account()
    now_ns, last, peak, day_start, day = NOON, 0, 0, 0, NOON // DAY_NS
    account.on_pnl("A", 0, now_ns)
    for dt_ns, pnl in steps:
        now_ns += dt_ns
        if now_ns // DAY_NS > day:
            day, day_start = now_ns // DAY_NS, last
        last = pnl
        peak = max(peak, pnl)
        account.on_pnl("A", pnl * USD, now_ns)
        assert account.drawdown == (peak - pnl) * USD
        assert account.daily_loss == (day_start - pnl) * USD


def test_the_venues_lower_equity_caps_ours_and_a_higher_one_does_not() -> None:
    account = _account()
    account.on_balance(BalanceReport(0, 0, 9_000 * USD, 0, 0))
    assert account.view("A").equity == 9_000 * USD
    account.on_pnl("A", 50 * USD, NOON)
    assert account.view("A").equity == 9_050 * USD
    account.on_balance(BalanceReport(0, 0, 20_000 * USD, 0, 0))
    assert account.view("A").equity == 10_050 * USD


def test_each_market_sees_what_the_others_bind_and_hold() -> None:
    account = _account()
    account.set_use("A", 7, 20)
    assert not account.shared
    account.register("B", "USD", 0)
    account.set_use("B", 5, -15)
    assert (account.view("A").other_margin, account.view("B").other_margin) == (5, 7)
    assert (account.other_exposure("A"), account.other_exposure("B")) == (-15, 20)


def test_an_adopted_account_holds_what_the_other_markets_held() -> None:
    lived, again = _account(), _account()
    lived.enter("A")
    lived.register("B", "USD", 0)
    lived.enter("B")
    lived.set_use("B", 5, -15)
    image = lived.enter("A")
    assert image is not None
    again.adopt(image)
    assert again.other_exposure("A") == -15
    assert again.view("A").other_margin == 5


def test_markets_with_another_settlement_currency_need_another_account() -> None:
    account = _account()
    with pytest.raises(UnusableError, match="settles in BTC"):
        account.register("B", "BTC", 0)


def test_a_damaged_memory_is_refused_by_name() -> None:
    with pytest.raises(UnusableError, match="account memory"):
        _account(b"{")


def test_tokens_are_never_used_twice() -> None:
    next_token: Callable[[], int] = _account().next_token
    tokens = [next_token() for _ in range(100)]
    assert len(set(tokens)) == 100
