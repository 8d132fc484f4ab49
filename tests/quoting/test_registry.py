"""Finding engines by name: ours, foreign ones, misspelt ones and broken ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_maker.core.errors import ExitCode, UnusableError
from market_maker.quoting.engine import QuoteState
from market_maker.quoting.registry import build_engine, engine_config_model, engine_names

PLUGIN = """
from pydantic import BaseModel
from market_maker.quoting.engine import EngineQuote

class Config(BaseModel):
    half: float = 0.05

class Flat:
    name = "flat"
    Config = Config
    def __init__(self, config):
        self.half = config.half
    def quote(self, state):
        row = (self.half,)
        return EngineQuote(row, row, (1.0,), (1.0,), {"model": row}, {"model": row})

class Explodes(Flat):
    def __init__(self, config):
        raise RuntimeError("no licence")

class NoConfig:
    name = "noconfig"
    def quote(self, state): ...

class NoName:
    Config = Config
    def __init__(self, config): ...
    def quote(self, state): ...
"""


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Install a throw-away package that offers one engine."""
    (tmp_path / "foreign_engine.py").write_text(PLUGIN)
    sys.path.insert(0, str(tmp_path))

    def offer(name: str, target: str) -> None:
        info = tmp_path / f"foreign_{len(list(tmp_path.iterdir()))}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {info.name.split('-')[0]}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[market_maker.engines]\n{name} = {target}\n")

    yield offer
    sys.path.remove(str(tmp_path))
    sys.modules.pop("foreign_engine", None)


def test_our_engines_are_installed() -> None:
    ours = {"glft", "avellaneda-stoikov", "layered", "offset"}
    assert ours <= set(engine_names())
    for name in ours:
        assert build_engine(name, {}).name == name


def test_settings_reach_the_engine(state: QuoteState) -> None:
    near = build_engine("offset", {"mode": "fixed", "fixed_bps": 10.0}).quote(state)
    assert near.bid_offsets[0] == pytest.approx(0.15)


def test_the_model_of_a_section_is_available() -> None:
    assert "fixed_bps" in engine_config_model("offset").model_fields


@pytest.mark.parametrize(("typo", "meant"), [("gltf", "glft"), ("avelaneda", "avellaneda-stoikov")])
def test_an_unknown_engine_names_the_nearest_one(typo: str, meant: str) -> None:
    with pytest.raises(UnusableError, match=f"did you mean '{meant}'") as caught:
        build_engine(typo, {})
    assert caught.value.exit_code == ExitCode.UNUSABLE


def test_an_unknown_engine_lists_those_installed() -> None:
    with pytest.raises(UnusableError, match="layered"):
        build_engine("zzzzzz", {})


def test_an_unknown_key_names_its_section_and_the_nearest_key() -> None:
    with pytest.raises(UnusableError, match=r"\[engines\.glft\].*'target_deviation'"):
        build_engine("glft", {"target_deviaton": 0.3})


def test_a_value_out_of_bounds_is_refused_without_repeating_it() -> None:
    with pytest.raises(UnusableError, match="holding_s") as caught:
        build_engine("glft", {"holding_s": -12345.5})
    assert "12345" not in str(caught.value)


def test_a_foreign_engine_works_without_a_fork(
    install: Callable[[str, str], None], state: QuoteState
) -> None:
    install("flat", "foreign_engine:Flat")
    assert "flat" in engine_names()
    quote = build_engine("flat", {"half": 0.07}).quote(state)
    assert quote.bid_offsets == (0.07,)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("missing_module:Engine", "could not be loaded"),
        ("foreign_engine:Nothing", "could not be loaded"),
        ("foreign_engine:Explodes", "no licence"),
        ("foreign_engine:NoConfig", "not an engine"),
        ("foreign_engine:NoName", "no usable"),
        ("foreign_engine:PLUGIN", "could not be loaded"),
    ],
)
def test_a_broken_plug_in_is_named(
    install: Callable[[str, str], None], target: str, says: str
) -> None:
    install("broken", target)
    with pytest.raises(UnusableError, match=f"'broken'.*{says}"):
        build_engine("broken", {})


def test_two_engines_of_one_name_are_refused(install: Callable[[str, str], None]) -> None:
    install("glft", "foreign_engine:Flat")
    with pytest.raises(UnusableError, match="more than once"):
        build_engine("glft", {})
