"""A search: the same for the same seed, continued where it was left, and honest about what it found."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from synthetic_rows import INSTRUMENT, synthetic_ticks

from market_maker.app.optimise import Search, Tried
from market_maker.cli.root import main
from market_maker.config.schema import Settings
from market_maker.core.errors import UnusableError
from market_maker.ticks.columns import Ticks
from market_maker.ticks.header import header_of
from market_maker.ticks.parquet_file import write_file


@pytest.fixture(scope="module")
def ticks() -> Ticks:
    """Half an hour of a market an eighth as lively."""
    ticks = synthetic_ticks(110_000, seed=2)
    recv_ns = ticks.recv_ns[0] + 8 * (ticks.recv_ns - ticks.recv_ns[0])
    return replace(ticks, recv_ns=recv_ns, venue_ns=recv_ns - 5_000_000)


@pytest.fixture(scope="module")
def search(ticks: Ticks) -> Search:
    return Search(Settings(), INSTRUMENT, ticks, folds=2, seed=3)


def _search(search: Search, folder: Path, trials: int, name: str = "one") -> tuple[Tried, ...]:
    study = search.open_study(str(folder / f"{name}.journal"), "study")
    search.run(study, trials, 1, lambda _done: None)
    return search.tried(study)


def test_the_same_seed_tries_the_same_and_begins_with_what_is_in_force(
    search: Search, tmp_path: Path
) -> None:
    first = _search(search, tmp_path, 4)
    again = _search(search, tmp_path, 4, "other")
    assert first == again
    assert first[0].values == search.defaults
    assert len({one.objective for one in first}) > 1


def test_a_search_goes_on_where_it_was_left(search: Search, tmp_path: Path) -> None:
    first = _search(search, tmp_path, 2)
    more = _search(search, tmp_path, 4)
    assert more[: len(first)] == first
    assert len(more) == 4
    assert _search(search, tmp_path, 3) == more


def test_another_question_does_not_continue_a_search(
    search: Search, ticks: Ticks, tmp_path: Path
) -> None:
    _search(search, tmp_path, 1)
    other = Search(Settings(), INSTRUMENT, ticks, folds=3, seed=3)
    with pytest.raises(UnusableError, match="search of other data or settings"):
        other.open_study(str(tmp_path / "one.journal"), "study")


def test_what_is_kept_back_is_not_in_the_trials(search: Search) -> None:
    last = search.plan.folds[-1].end_ns
    assert search.plan.holdout.begin_ns > last
    assert int(search._searched.recv_ns[-1]) < last  # noqa: SLF001 - the one fact that matters


def test_the_command_searches_judges_and_writes(
    ticks: Ticks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "syn.parquet"
    write_file(data, header_of("SYN-USD", "synthetic", "record", INSTRUMENT, session=1), ticks)
    out = tmp_path / "out"
    words = ["optimise", "--market", "SYN-USD", "--data", str(data), "--trials", "3"]
    words += ["--folds", "2", "--out", str(out), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["whole_trials"] == 3
    assert found["full"]["compiled_fills"] == found["best"]["fills"]
    assert found["verdict"]
    assert set(tomllib.loads((out / "params.toml").read_text())) == {"engines", "signals"}
    assert "<svg" in (out / "search.html").read_text()
    words[words.index("--json")] = "--engine"
    assert main([*words, "layered"]) == 3
    assert "has no kernel" in capsys.readouterr().err


def test_help_shows_examples_without_numerics() -> None:
    from market_maker.cli.optimise import command

    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0
    assert "--trials" in result.output
    assert "optimise --market SOL-USD" in result.output
