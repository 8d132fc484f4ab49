from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.config.environment import OPTION_VARIABLES, read_environment, variable
from market_maker.config.keys import OPEN_SECTIONS, leaf_keys
from market_maker.config.layers import flatten
from market_maker.config.load import load
from market_maker.config.problems import Problem
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError


def _read(environ: dict[str, str]) -> tuple[dict[tuple[str, ...], object], list[Problem]]:
    problems: list[Problem] = []
    layer = read_environment(environ, Settings, problems)
    return dict(flatten(layer.values)), problems


@pytest.mark.parametrize(
    "key", [key for key, _ in leaf_keys(Settings) if key[0] not in OPEN_SECTIONS]
)
def test_every_key_can_be_set_by_its_variable(key: tuple[str, ...]) -> None:
    values, problems = _read({variable(key): "[1, 2]"})
    assert problems == []
    assert list(values) == [key]


def test_names_are_understood_in_any_case() -> None:
    values, problems = _read({"mm_risk__max_drawdown": "0.1"})
    assert (values, problems) == ({("risk", "max_drawdown"): "0.1"}, [])


def test_other_programs_variables_are_left_alone() -> None:
    assert _read({"PATH": "/bin", "MMX": "1", "XMM_RISK": "1"}) == ({}, [])


@pytest.mark.parametrize("name", OPTION_VARIABLES)
def test_variables_of_options_are_not_settings(name: str) -> None:
    assert _read({name: "x"}) == ({}, [])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MM_MARKTE", "MM_MARKET"),
        ("MM_RISK__MAX_DRAWDWN", "MM_RISK__MAX_DRAWDOWN"),
        ("MM_RISK_MAX_DRAWDOWN", "MM_RISK__MAX_DRAWDOWN"),
        ("MM_QUOTING__LADDER__LEVEL", "MM_QUOTING__LADDER__LEVELS"),
        ("MM_METRICS__PORT_FLIE", "MM_METRICS__PORT"),
        ("MM_DATADIR", "MM_DATA_DIR"),
    ],
)
def test_an_unknown_name_is_a_problem_that_names_the_nearest(name: str, meant: str) -> None:
    values, problems = _read({name: "1"})
    assert values == {}
    (problem,) = problems
    assert problem.where == name
    assert f"{meant}?" in problem.message


@pytest.mark.parametrize(
    "name", ["MM_", "MM_X", "MM_MARKETS__SOL__RISK__X", "MM_RISK", "MM_ENGINES"]
)
def test_a_name_without_a_key_is_a_problem(name: str) -> None:
    _, problems = _read({name: "1"})
    assert [problem.where for problem in problems] == [name]


def test_lists_are_json_and_anything_else_is_a_problem() -> None:
    name = "MM_SIGNALS__VOLATILITY__HORIZONS_S"
    good = load(environ={name: "[30, 60]"}).settings.signals.volatility.horizons_s
    assert good == (30.0, 60.0)
    _, problems = _read({name: "30,60"})
    assert [problem.where for problem in problems] == [name]


def test_engines_keys_are_taken_as_they_are() -> None:
    values, problems = _read({"MM_ENGINES__AVELLANEDA_STOIKOV__HOLDING_S": "5"})
    assert problems == []
    assert values == {("engines", "avellaneda-stoikov", "holding_s"): "5"}


def test_a_value_can_come_from_a_file_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "tag").write_text("bot7\n", encoding="utf-8")
    loaded = load(environ={"MM_ACCOUNT__TAG_FILE": str(tmp_path / "tag")})
    assert loaded.settings.account.tag == "bot7"
    assert loaded.origin(("account", "tag")) == "MM_ACCOUNT__TAG_FILE"


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    _, problems = _read({"MM_ACCOUNT__TAG_FILE": str(tmp_path / "none")})
    assert [problem.where for problem in problems] == ["MM_ACCOUNT__TAG_FILE"]


def test_a_section_alone_is_told_how_to_name_a_key() -> None:
    with pytest.raises(UnusableError, match="MM_RISK__KEY, such as MM_RISK__"):
        load(environ={"MM_RISK": "3"})
