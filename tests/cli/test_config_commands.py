from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from market_maker.cli.engines import engine_models
from market_maker.config.schema import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(
        "[quoting.ladder]\nlevels = 2\n[engines.glft]\nholding_s = 30.0\n"
        '[markets."BTC-USD".quoting.ladder]\nlevels = 1\n',
        encoding="utf-8",
    )
    return path


def test_check_accepts_what_is_right(run: Run, file: Path) -> None:
    done = run("config", "check", "--config", file, "--json")
    assert done.code == 0
    assert done.json() == {"valid": True, "files": [str(file)], "values_set": 3}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[engines.glft]\nholding = 1\n", "did you mean holding_s?"),
        ("[engines.glft]\nholding_s = -1\n", "engines.glft.holding_s"),
        ("[engines.gltf]\nholding_s = 1\n", "did you mean glft?"),
        ('[markets."SOL-USD".quoting]\nengine = "x"\n', 'markets."SOL-USD".quoting.engine'),
        ('[markets."SOL-USD".engines.glft]\nholding_s = -1\n', 'markets."SOL-USD".engines.glft'),
    ],
)
def test_check_names_what_is_wrong_with_an_engine_once(
    run: Run, tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    done = run("config", "check", "--config", path)
    assert done.code == 3
    assert f"{path}:2: " in done.err or f"{path}:1: " in done.err
    assert named in done.err
    assert done.err.startswith("error: one problem")


def test_show_says_every_value_and_where_it_was_written(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_RISK__MAX_DRAWDOWN", "0.03")
    shown = run("config", "show", "--config", file, "--json").json()
    assert shown["quoting.ladder.levels"] == {"value": 2, "origin": f"{file}:2"}
    assert shown["engines.glft.holding_s"] == {"value": 30.0, "origin": f"{file}:4"}
    assert shown["risk.max_drawdown"] == {"value": 0.03, "origin": "MM_RISK__MAX_DRAWDOWN"}
    assert shown["metrics.port"] == {"value": 9464, "origin": "default"}


def test_show_sees_settings_as_one_market_does(run: Run, file: Path) -> None:
    shown = run("config", "show", "--config", file, "--market", "BTC-USD", "--json").json()
    assert shown["quoting.ladder.levels"] == {"value": 1, "origin": f"{file}:6"}
    assert shown["engines.glft.holding_s"] == {"value": 30.0, "origin": f"{file}:4"}


def test_show_covers_every_key_and_every_engine(run: Run) -> None:
    shown = run("config", "show", "--json").json()
    for name in Settings.model_fields:
        if name != "markets":
            assert any(key.startswith(f"{name}.") for key in shown), name
    for name, model in engine_models().items():
        quoted = f'"{name}"' if "-" in name else name
        assert {f"engines.{quoted}.{field}" for field in model.model_fields} <= set(shown)


def test_the_text_and_the_json_say_the_same_keys(run: Run) -> None:
    shown = run("config", "show", "--json").json()
    lines = run("config", "show").out.splitlines()
    assert [line.split()[0] for line in lines] == list(shown)


def test_what_show_prints_as_toml_gives_the_same_settings(
    run: Run, file: Path, tmp_path: Path
) -> None:
    first = run("config", "show", "--config", file, "--toml").out
    again = tmp_path / "again.toml"
    again.write_text(first, encoding="utf-8")
    assert run("config", "show", "--config", again, "--toml").out == first
    assert "levels = 2" in first


def test_the_schema_accepts_the_default_file_and_refuses_a_mistake(run: Run) -> None:
    schema = run("config", "schema").json()
    document = tomllib.loads(run("config", "show", "--toml").out)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(document)
    mistakes: list[dict[str, object]] = [
        {"riks": {}},
        {"risk": {"max_drawdwn": 1}},
        {"quoting": {"ladder": {"levels": 0}}},
        {"engines": {"gltf": {}}},
        {"engines": {"glft": {"gama": 1}}},
    ]
    for mistake in mistakes:
        assert not validator.is_valid(mistake), mistake
