"""Settings that are valid one by one and can never quote together: named with both keys and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.config.consistency import contradictions
from market_maker.config.load import load
from market_maker.config.options import Mode
from market_maker.config.schema import Settings
from market_maker.core.errors import ExitCode, UnusableError

LADDER = "quoting.ladder"
PAIRS: dict[str, tuple[dict[str, str], str, str]] = {
    "below risk's minimum": (
        {"MM_RISK__MIN_ORDER_NOTIONAL_QUOTE": "300"},
        f"{LADDER}.order_size_quote",
        "risk.min_order_notional_quote",
    ),
    "below the ladder's minimum": (
        {"MM_QUOTING__LADDER__MIN_SIZE_QUOTE": "251"},
        f"{LADDER}.order_size_quote",
        f"{LADDER}.min_size_quote",
    ),
    "below the exchange's minimum": (
        {"MM_VENUE__SIMULATED__MIN_NOTIONAL": "251"},
        f"{LADDER}.order_size_quote",
        "venue.simulated.min_notional",
    ),
    "above the fat-finger cap": (
        {"MM_RISK__MAX_ORDER_NOTIONAL_QUOTE": "250"},
        f"{LADDER}.order_size_quote",
        "risk.max_order_notional_quote",
    ),
    "position below one order": (
        {"MM_RISK__MAX_POSITION_NOTIONAL_QUOTE": "90"},
        f"{LADDER}.order_size_quote",
        "risk.max_position_notional_quote",
    ),
    "position below a side": (
        {"MM_QUOTING__LADDER__LEVELS": "5"},
        f"{LADDER}.levels",
        "risk.max_position_notional_quote",
    ),
    "share of capital": (
        {"MM_RISK__CAPITAL_SHARE": "0.05"},
        f"{LADDER}.order_size_quote",
        "risk.capital_share",
    ),
    "capital": (
        {"MM_ACCOUNT__CAPITAL_QUOTE": "1000"},
        f"{LADDER}.order_size_quote",
        "risk.capital_share",
    ),
    "margin": (
        {"MM_RISK__MAX_MARGIN_UTILISATION": "0.02"},
        f"{LADDER}.order_size_quote",
        "risk.max_margin_utilisation",
    ),
    "room at the exchange": (
        {"MM_VENUE__SIMULATED__MAX_OPEN_ORDERS": "5"},
        f"{LADDER}.levels",
        "venue.simulated.max_open_orders",
    ),
    "floor above its cap": (
        {"MM_QUOTING__LADDER__MARGIN_BPS": "100"},
        f"{LADDER}.margin_bps",
        f"{LADDER}.max_floor_bps",
    ),
    "floor outside the price band": (
        {"MM_QUOTING__LADDER__MARGIN_BPS": "5", "MM_RISK__PRICE_BAND_BPS": "5.2"},
        f"{LADDER}.margin_bps",
        "risk.price_band_bps",
    ),
}


def _problems(environ: dict[str, str] | None = None, *files: Path) -> str:
    with pytest.raises(UnusableError) as caught:
        load(files=files, environ=environ or {})
    assert caught.value.exit_code is ExitCode.UNUSABLE
    return str(caught.value)


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_that_excludes_each_other_is_named(name: str) -> None:
    environ, key, other = PAIRS[name]
    told = _problems(environ)
    assert key in told
    assert other in told
    assert next(iter(environ)) in told
    assert " or " in told, "says what to change"


def test_the_line_that_was_written_is_named_whichever_of_the_two_it_is(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[risk]\n\nmin_order_notional_quote = 300\n", encoding="utf-8")
    assert f"{file}:3: quoting.ladder.order_size_quote" in _problems(None, file)


def test_a_market_of_its_own_is_checked_with_its_own_values(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        '[quoting.ladder]\nlevels = 3\n[markets."BTC-USD".quoting.ladder]\nlevels = 2\n'
        "order_size_quote = 600.0\n",
        encoding="utf-8",
    )
    told = _problems(None, file)
    assert "levels x" in told
    assert f'{file}:5: markets."BTC-USD".quoting.ladder.order_size_quote' in told
    assert "2 problems" in told, "the limit of notional and the share of capital"


def test_a_market_does_not_repeat_what_is_wrong_for_all(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        '[risk]\nmin_order_notional_quote = 300\n[markets."BTC-USD".quoting]\nengine = "offset"\n',
        encoding="utf-8",
    )
    assert "one problem" in _problems(None, file)


def test_what_only_the_embedded_exchange_asks_for_binds_there_only() -> None:
    settings = Settings.model_validate({"venue": {"simulated": {"min_notional": 300}}})
    assert contradictions(settings, Mode.SIM)
    assert not contradictions(settings, Mode.LIVE)


def test_limits_that_just_fit_are_accepted() -> None:
    environ = {
        "MM_RISK__MAX_POSITION_NOTIONAL_QUOTE": "750",
        "MM_RISK__CAPITAL_SHARE": "0.075",
        "MM_RISK__MIN_ORDER_NOTIONAL_QUOTE": "250",
        "MM_QUOTING__LADDER__MIN_SIZE_QUOTE": "250",
        "MM_VENUE__SIMULATED__MAX_OPEN_ORDERS": "6",
    }
    assert load(environ=environ).settings.risk.capital_share == 0.075
