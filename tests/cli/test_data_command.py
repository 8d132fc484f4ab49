"""`data check` and `data convert` as their users run them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from foreign_files import plain_rows, write_plain
from good_recording import good_recording
from ticks_samples import HEADER

from market_maker.cli.root import main
from market_maker.core.errors import ExitCode
from market_maker.ticks.parquet_file import write_file

Run = Callable[..., "Outcome"]


class Outcome:
    """What a command line left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def once(*words: object) -> Outcome:
        code = main([str(word) for word in words])
        return Outcome(code, *capfd.readouterr())

    return once


def test_a_flawless_recording_of_ours_is_ready(run: Run, tmp_path: Path) -> None:
    write_file(tmp_path / "good.parquet", HEADER, good_recording())
    outcome = run("data", "check", "good.parquet", "--json")
    assert outcome.code == ExitCode.CLEAN
    (facts,) = json.loads(outcome.out)
    assert facts["verdict"] == "ready"
    assert facts["findings"] == []
    assert facts["market"] == "SOL-USD"
    assert facts["facts"]["trades"] == 299
    assert facts["page"] == "reports/good.quality.html"


def test_a_folder_gets_a_verdict_per_file_and_fails_with_its_worst(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_plain(folder / "a.parquet", plain_rows())
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes()[:900])
    outcome = run("data", "check", folder, "--no-page", "--json")
    assert outcome.code == ExitCode.CHECK_FAILED
    plain, torn = json.loads(outcome.out)
    assert plain["verdict"] == "usable with warnings"
    assert plain["grid_inferred"]
    assert (plain["tick"], plain["lot"]) == ("0.01", "0.00001")
    assert [item["finding"] for item in plain["findings"]] == ["bridge_unproven"]
    assert torn["verdict"] == "not usable"
    assert [item["finding"] for item in torn["findings"]] == ["unreadable"]
    assert "is torn" in torn["findings"][0]["text"]
    assert not (tmp_path / "reports").exists()


def test_text_tells_verdict_evidence_findings_and_page(run: Run, tmp_path: Path) -> None:
    write_plain(tmp_path / "btc.parquet", plain_rows())
    outcome = run("data", "check", "btc.parquet", "--market", "BTC-USDT", "--out", "pages")
    assert outcome.code == ExitCode.CLEAN
    assert "btc.parquet: usable with warnings" in outcome.out
    assert "BTC-USDT, 2024-08-08 23:54:14 UTC" in outcome.out
    assert "tick 0.01 (inferred: 480 of 480 values" in outcome.out
    assert "warning bridge_unproven: " in outcome.out
    assert "page: pages/btc.quality.html" in outcome.out
    assert (tmp_path / "pages" / "btc.quality.html").exists()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["good", "plain", "torn"])
def test_pages_are_whole_small_and_load_nothing(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.parquet"
    if name == "good":
        write_file(path, HEADER, good_recording())
    else:
        write_plain(path, plain_rows())
    if name == "torn":
        path.write_bytes(path.read_bytes()[:900])
    run("data", "check", path)
    page = (tmp_path / "reports" / f"{name}.quality.html").read_text()
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(page) < 200_000
    assert not re.search(r"https?://|src=|@import|url\(", page)
    assert ("<svg" in page) == (name != "torn")
    assert "nan" not in re.sub(r"<style>.*</style>", "", page)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["data", "check", "nowhere.parquet"], ExitCode.UNUSABLE, "nowhere.parquet"),
        (["data", "check", "empty"], ExitCode.UNUSABLE, "no recordings"),
        (["data", "check", "btc.parquet", "--tick", "abc"], ExitCode.UNUSABLE, "--tick abc"),
        (["data", "check", "btc.parquet", "--lot", "-1"], ExitCode.UNUSABLE, "--lot -1"),
        (["data", "check", "btc.parquet", "--out", "btc.parquet/x"], ExitCode.UNUSABLE, "--out"),
        (["data", "check"], ExitCode.USAGE, "PATHS"),
        (["data", "convert", "nowhere.parquet", "x.parquet"], ExitCode.UNUSABLE, "nowhere.parquet"),
        (["data", "convert", "btc.parquet", "no/where.parquet"], ExitCode.UNUSABLE, "no/where"),
    ],
)
def test_bad_input_is_named(
    run: Run, tmp_path: Path, words: list[str], code: ExitCode, named: str
) -> None:
    write_plain(tmp_path / "btc.parquet", plain_rows())
    (tmp_path / "empty").mkdir()
    outcome = run(*words)
    assert outcome.code == code
    assert named in outcome.err
    assert "Traceback" not in outcome.err


def test_errors_come_as_json_too(run: Run) -> None:
    outcome = run("data", "check", "nowhere.parquet", "--json")
    assert json.loads(outcome.out)["kind"] == "unusable"


def test_a_converted_file_says_itself_what_it_counts_in(run: Run, tmp_path: Path) -> None:
    write_plain(tmp_path / "btc.parquet", plain_rows())
    outcome = run(
        "data", "convert", "btc.parquet", "ours.parquet", "--market", "BTC-USDT", "--json"
    )
    assert outcome.code == ExitCode.CLEAN
    assert json.loads(outcome.out) == {
        "path": "ours.parquet", "market": "BTC-USDT", "rows": 480, "tick": "0.01", "lot": "0.00001",
    }  # fmt: skip
    (facts,) = json.loads(run("data", "check", "ours.parquet", "--no-page", "--json").out)
    assert facts["market"] == "BTC-USDT"
    assert not facts["grid_inferred"]
    assert [item["finding"] for item in facts["findings"]] == ["bridge_unproven"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["btc.parquet", "ours.parquet"]


def test_a_backtest_refuses_what_a_check_fails(run: Run, tmp_path: Path) -> None:
    rows = plain_rows()
    rows["ts_ns"] = rows["ts_ns"].copy()
    rows["ts_ns"][200:300] -= 2_000_000_000
    write_plain(tmp_path / "btc.parquet", rows)
    assert run("data", "check", "btc.parquet", "--no-page").code == ExitCode.CHECK_FAILED
    outcome = run("backtest", "--data", "btc.parquet")
    assert outcome.code == ExitCode.UNUSABLE
    assert "out_of_order" in outcome.err
    assert "`data check`" in outcome.err
