"""What a search may change, and that what it writes is what a bot reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.backtest.search_space import parameter_file, space_of, with_values
from market_maker.config.load import load
from market_maker.config.schema import Settings


@pytest.mark.parametrize("engine", ["glft", "avellaneda-stoikov"])
def test_every_range_holds_what_is_in_force_and_is_allowed(engine: str) -> None:
    settings = Settings.model_validate({"quoting": {"engine": engine}})
    space = space_of(settings)
    assert {one.key[0] for one in space} == {"signals", "engines"}
    for one in space:
        assert one.low <= one.now <= one.high
        assert one.low < one.high
        for value in (one.low, one.high):
            with_values(settings, {one.name: value})


def test_values_in_force_are_those_of_the_settings() -> None:
    settings = Settings.model_validate({"engines": {"glft": {"holding_s": 17.0}}})
    now = {one.name: one.now for one in space_of(settings)}
    assert now["engines.glft.holding_s"] == 17.0
    assert with_values(settings, now).engines["glft"]["holding_s"] == 17.0
    assert with_values(settings, now).signals == settings.signals


def test_a_run_reads_the_parameters_that_a_search_writes(tmp_path: Path) -> None:
    settings = Settings()
    values = {one.name: one.low + 0.37 * (one.high - one.low) for one in space_of(settings)}
    path = tmp_path / "params.toml"
    path.write_text(parameter_file(values, "found\nsomewhere"), encoding="utf-8")
    read = load(params=path).settings
    now = {one.name: one.now for one in space_of(read)}
    assert now == pytest.approx(values, rel=1e-5)
