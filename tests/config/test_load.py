from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel

from market_maker.config.keys import section_of
from market_maker.config.load import Flags, Loaded, load, load_for
from market_maker.config.logs import LogFormat
from market_maker.config.options import RunOptions
from market_maker.config.schema import PROCESS_KEYS, Settings
from market_maker.core.errors import ExitCode, UnusableError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def _problems(
    *files: Path,
    params: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Flags | None = None,
) -> list[str]:
    with pytest.raises(UnusableError) as caught:
        load(files=files, params=params, environ=environ, flags=flags)
    assert caught.value.exit_code is ExitCode.UNUSABLE
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_without_any_source_the_defaults_hold() -> None:
    loaded = load()
    assert loaded.settings == Settings()
    assert loaded.origin(("risk", "max_drawdown")) == "default"


def test_later_sources_win_key_by_key(write: Write) -> None:
    first = write("[quoting.ladder]\nlevels = 1\norder_size_quote = 111\nmargin_bps = 1.0\n")
    second = write("[quoting.ladder]\nlevels = 2\norder_size_quote = 222\n")
    loaded = load(
        files=[first, second],
        environ={"MM_QUOTING__LADDER__LEVELS": "4", "PATH": "/bin"},
        flags={("quoting", "engine"): ("--engine", "offset")},
    )
    ladder = loaded.settings.quoting.ladder
    assert (ladder.levels, ladder.order_size_quote, ladder.margin_bps) == (4, 222.0, 1.0)
    assert loaded.settings.quoting.engine == "offset"
    assert loaded.origin(("quoting", "ladder", "levels")) == "MM_QUOTING__LADDER__LEVELS"
    assert loaded.origin(("quoting", "ladder", "order_size_quote")) == f"{second}:3"
    assert loaded.origin(("quoting", "ladder", "margin_bps")) == f"{first}:4"
    assert loaded.origin(("quoting", "engine")) == "--engine"


def test_flags_win_over_the_environment_and_over_a_markets_own_table(write: Write) -> None:
    file = write('[markets."SOL-USD".quoting]\nengine = "layered"\n')
    plain = load(files=[file], environ={"MM_QUOTING__ENGINE": "avellaneda-stoikov"})
    assert plain.settings.quoting.engine == "avellaneda-stoikov"
    assert plain.settings.for_market("SOL-USD").quoting.engine == "layered"
    flagged = load(files=[file], flags={("quoting", "engine"): ("--engine", "offset")})
    assert flagged.settings.for_market("SOL-USD").quoting.engine == "offset"


@pytest.mark.parametrize("key", PROCESS_KEYS, ids=".".join)
def test_what_belongs_to_the_whole_bot_exists(key: tuple[str, ...]) -> None:
    model: type[BaseModel] | None = Settings
    for name in key:
        assert model is not None
        model = section_of(model.model_fields[name])


@pytest.mark.scenario("SC93")
def test_a_runs_options_say_what_to_load(write: Write) -> None:
    options = RunOptions(
        markets=("SOL-USD",),
        config_files=(write("[quoting.ladder]\nlevels = 2\n[metrics]\nport = 1\n"),),
        params=write("[engines.glft]\nholding_s = 5.0\n"),
        engine="layered",
        metrics_port=0,
        log_format="json",
    )
    loaded = load_for(options, {"MM_QUOTING__LADDER__LEVELS": "4"})
    settings = loaded.settings
    assert settings.quoting.ladder.levels == 4
    assert settings.engines == {"glft": {"holding_s": 5.0}}
    assert (settings.quoting.engine, settings.metrics.port) == ("layered", 0)
    assert settings.logging.format is LogFormat.JSON
    assert loaded.origin(("metrics", "port")) == "--metrics-port"


def test_a_market_overrides_only_what_it_names(write: Write) -> None:
    file = write(
        "[quoting.ladder]\nlevels = 2\n[engines.glft]\nholding_s = 30.0\n"
        '[markets."BTC-USD".quoting.ladder]\norder_size_quote = 500\n'
        '[markets."BTC-USD".engines.glft]\ndrift_weight = 0.5\n'
    )
    settings = load(files=[file]).settings
    other = settings.for_market("BTC-USD")
    assert settings.for_market("SOL-USD") == settings
    assert (other.quoting.ladder.levels, other.quoting.ladder.order_size_quote) == (2, 500.0)
    assert other.engines["glft"] == {"holding_s": 30.0, "drift_weight": 0.5}


@pytest.mark.scenario("SC52")
def test_all_problems_are_told_at_once_with_file_and_line(write: Write) -> None:
    file = write(
        "[quoting.ladder]\nlevels = 0\norder_size_quote = -250\n\n[risk]\nmax_drawdwn = 0.1\n"
        '[markets."SOL-USD".quoting.ladder]\nlevels = 99\n'
    )
    problems = _problems(file, environ={"MM_MARKTE": "x"})
    places = {problem.split(": ")[0]: problem for problem in problems}
    assert set(places) == {f"{file}:2", f"{file}:3", f"{file}:6", f"{file}:8", "MM_MARKTE"}
    assert "quoting.ladder.levels" in places[f"{file}:2"]
    assert "max_drawdown" in places[f"{file}:6"]
    assert 'markets."SOL-USD".quoting.ladder.levels' in places[f"{file}:8"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[riks]\nmax_drawdown = 0.1\n", "did you mean risk?"),
        ("[risk]\nlevels = 3\n", "it belongs in quoting.ladder.levels"),
        ("[risk]\nzzz = 3\n", "known here: "),
        ("[quoting]\nladder = 3\n", "quoting.ladder"),
        ('[signals.volatility]\nfloor_bps = "many"\n', "signals.volatility.floor_bps"),
        ("[signals.volatility]\nfloor_bps = nan\n", "signals.volatility.floor_bps"),
        ("[risk]\nerror_window_s = inf\n", "risk.error_window_s"),
        ("[signals.volatility]\nhorizons_s = [60, 30]\n", "must rise"),
        ('[logging]\nformat = "xml"\n', "logging.format"),
        ("a = \n", "not valid TOML"),
        ("markets = 3\n", "markets"),
        ('[markets]\n"SOL-USD" = 3\n', "SOL-USD"),
        ('[markets."SOL-USD".metrics]\nport = 1\n', "belongs to the whole bot"),
        ('[markets."SOL-USD".risk]\nmax_drawdown = 0.5\n', "belongs to the whole bot"),
        ('[markets."SOL-USD".rsik]\nx = 1\n', "did you mean risk?"),
    ],
)
def test_what_is_wrong_is_named(write: Write, text: str, named: str) -> None:
    file = write(text)
    (problem,) = _problems(file)
    assert problem.startswith(str(file))
    assert named in problem


def test_an_error_of_all_markets_is_not_repeated_for_each(write: Write) -> None:
    file = write('[quoting.ladder]\nlevels = 0\n[markets."SOL-USD".risk]\nred_ratio = 0.6\n')
    assert len(_problems(file)) == 1


def test_a_value_never_appears_in_an_error(write: Write) -> None:
    file = write('[quoting.ladder]\nlevels = "canary-0815"\n[risk]\nunknown = "canary-0815"\n')
    problems = _problems(file, environ={"MM_RISK__MAX_DRAWDOWN": "canary-0815"})
    assert len(problems) == 3
    assert not any("canary" in problem for problem in problems)


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "x.toml"
    binary.write_bytes(b"\xff\xfe")
    problems = _problems(tmp_path / "none.toml", binary, tmp_path)
    assert [problem.split(": ")[0] for problem in problems] == [
        str(tmp_path / "none.toml"),
        str(binary),
        str(tmp_path),
    ]


@pytest.mark.scenario("SC91")
def test_parameters_may_say_how_the_market_behaves_and_nothing_else(write: Write) -> None:
    good = write("[signals.intensity]\ncold_a_per_s = 0.7\n[engines.glft]\nholding_s = 12.0\n")
    settings = load(params=good).settings
    assert settings.signals.intensity.cold_a_per_s == 0.7
    assert settings.engines["glft"] == {"holding_s": 12.0}
    (problem,) = _problems(params=write("[risk]\nmax_drawdown = 0.5\n"))
    assert "risk.max_drawdown" in problem


def test_the_environment_wins_over_parameters(write: Write) -> None:
    params = write("[signals.intensity]\ncold_a_per_s = 0.7\n")
    environ = {"MM_SIGNALS__INTENSITY__COLD_A_PER_S": "0.9"}
    assert load(params=params, environ=environ).settings.signals.intensity.cold_a_per_s == 0.9


def test_settings_take_nothing_from_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK", '{"max_drawdown": 0.5}')
    monkeypatch.setenv("ACCOUNT__TAG", "zz")
    assert Settings() == load().settings


def test_decimals_stay_exact(write: Write) -> None:
    file = write('[account]\ncapital_quote = "10000.10"\n')
    assert load(files=[file]).settings.account.capital_quote == Decimal("10000.10")


def test_an_origin_is_known_for_a_section_too(write: Write) -> None:
    file = write("[risk]\nmax_drawdown = 0.01\n")
    loaded: Loaded = load(files=[file])
    assert loaded.origin(("risk",)) == f"{file}:2"


@pytest.mark.parametrize("table", ["riks", "quoting.laddr", 'markets."BTC-USD".riks'])
def test_a_mistyped_table_is_named_with_its_own_line(write: Write, table: str) -> None:
    file = write(f"# mine\n\n[{table}]\n\nlevels = 2\nsize = 3\n")
    (problem,) = _problems(file)
    assert problem.startswith(f"{file}:3: {table}: unknown key")


def test_a_device_without_end_is_refused_and_a_pipe_is_read(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="/dev/zero: is larger than"):
        load(files=[Path("/dev/zero")])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("[risk]\nmax_drawdown = 0.04\n",))
    writer.start()
    assert load(files=[pipe]).settings.risk.max_drawdown == 0.04
    writer.join()


@pytest.mark.parametrize(
    ("text", "line"), [("[risk]\nmax_drawdown = = 1\n", 2), ("[risk]\n\n[risky", 3)]
)
def test_broken_toml_is_placed_like_every_other_problem(
    text: str, line: int, tmp_path: Path
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text)
    with pytest.raises(UnusableError, match=rf"broken\.toml:{line}: is not valid TOML: [^()]+$"):
        load(files=[file])
