"""The files under configs/ are what they say they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.cli.config_actions import show_settings
from market_maker.cli.engines import check_engines
from market_maker.config.load import load
from market_maker.config.schema import Settings

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.name)
def test_every_shipped_file_is_valid(file: Path) -> None:
    check_engines(load(files=[file]))


@pytest.mark.scenario("SC91", "SC93")
def test_the_default_file_says_exactly_the_defaults() -> None:
    file = CONFIGS / "default.toml"
    loaded = load(files=[file])
    assert loaded.settings.model_copy(update={"engines": {}}) == Settings()
    # Written by `config show --toml`: run it again after a change of any setting.
    assert file.read_text(encoding="utf-8") == show_settings([], None, None, "toml") + "\n"
