"""No path, however rarely taken, uses a name that does not exist."""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from desk import SOL, STALE, T0, USD, Store, exit_order, quote

import market_maker
from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.core.commands import Approved
from market_maker.core.reasons import Refusal
from market_maker.core.side import Side
from market_maker.ledger.ledger import Ledger
from market_maker.risk.account import AccountRisk
from market_maker.risk.gate import Gate
from market_maker.risk.kill_switch import KillSwitch
from market_maker.risk.order_checks import Refused
from market_maker.risk.risk_manager import RiskManager

SOURCE = Path(market_maker.__file__).parent
_MODULE = {"__file__", "__name__", "__doc__", "__path__", "__spec__", "__package__"}


def unresolved(source: str) -> Iterator[str]:
    """Names that some function reads and neither its module nor Python defines."""
    top = symtable.symtable(source, "module", "exec")
    known = set(dir(builtins)) | _MODULE
    for symbol in top.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            known.add(symbol.get_name())
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        for symbol in table.get_symbols():
            inner = symbol.is_local() or symbol.is_free() or symbol.is_parameter()
            if inner and table is not top:
                continue
            if symbol.is_referenced() and symbol.get_name() not in known:
                yield f"{table.get_name()} line {table.get_lineno()}: {symbol.get_name()}"


@pytest.mark.scenario("SC45")
@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_every_name_exists(path: Path) -> None:
    assert list(unresolved(path.read_text(encoding="utf-8"))) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    source = "import a\ndef f(x):\n    if x:\n        log.debug(x)\n    return a, len(x)\n"
    assert list(unresolved(source)) == ["f line 2: log"]


@pytest.mark.scenario("SC45")
def test_an_exit_needs_no_price_of_ours_and_a_quote_does() -> None:
    """Before the first mid: the one return of the exposure check that trading never takes."""
    ledger = Ledger(SOL, LedgerConfig(), "mm", 1)
    account = AccountRisk(RiskConfig(), 10_000 * USD, KillSwitch(Store()))
    risk = RiskManager(RiskConfig(), SOL, ledger, account, Gate())
    ledger.open_at(100, (), T0)
    stale = msgspec.structs.replace(STALE, best_bid=0, best_ask=0)
    refused = risk.approve(quote(), stale, T0)
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.BOOK_INVALID
    assert isinstance(risk.approve(exit_order(Side.SELL, 14_900, 100), stale, T0), Approved)
