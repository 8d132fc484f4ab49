"""The report is one page that loads nothing, stays small, and says what the figures say."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from made_sessions import BEGAN_NS, made
from recorded_sessions import watched
from replaying import HEADER

from market_maker.backtest.report import result_of, write_report
from market_maker.backtest.report_page import report_page
from market_maker.backtest.report_series import COARSE, FINE, best_quotes, series_of
from market_maker.backtest.report_words import number, sentence, signed
from market_maker.backtest.session import Session
from market_maker.backtest.session_files import load_session
from market_maker.backtest.session_statistics import statistics_of
from market_maker.cli.root import main
from market_maker.core.instrument import NANOS

_VOID = {"meta", "br", "input", "link", "hr", "img"}


class _Page(html.parser.HTMLParser):
    """Checks that elements nest, and keeps what the page holds."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.headings: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.canvases: list[str] = []
        self.scripts: dict[str, str] = {}
        self._name = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        given = dict(attrs)
        if tag == "canvas":
            self.canvases.append(given["data-panel"] or "")
        if tag == "script":
            self._name = given.get("id") or "code"
        if tag == "h2":
            self.headings.append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"path", "rect", "circle"}
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[self._name] = data
        elif "h2" in self.open:
            self.headings[-1] += data


def _page_of(session: Session, against: Session | None = None) -> tuple[str, _Page]:
    said = result_of(session, against)
    text = report_page(session, said.statistics, against, said.comparison)
    return text, _Page(text)


def test_the_page_is_whole_and_loads_nothing() -> None:
    text, page = _page_of(watched().session)
    assert page.open == []
    assert text.startswith("<!doctype html>")
    assert "://" not in text.replace("http://www.w3.org", "")
    loading = {"src", "srcset", "data", "poster", "action", "background"}
    assert not [name for name, _ in page.attributes if name in loading]
    assert not [value for name, value in page.attributes if name == "href"]
    assert "@import" not in text
    assert "url(" not in text
    assert page.canvases == ["market", "equity", "drawdown", "inventory"]
    assert page.headings[0].startswith("Verdict")
    wanted = {"What happened", "Where the money came from", "Markouts", "Chance of a fill"}
    wanted |= {"Quoting and why", "Hour by hour", "Assumptions and method"}
    assert wanted <= set(page.headings)


def test_embedded_series_are_the_sessions_own() -> None:
    session = watched().session
    _, page = _page_of(session)
    series = json.loads(page.scripts["series"], parse_constant=_refuse)
    parts = {name: sum(steps) / 1e6 for name, steps in series["parts"].items()}
    found = statistics_of(session)
    for name, value in parts.items():
        assert value == pytest.approx(float(found.parts[name]), abs=2e-6)
    assert len(series["fills"]["ms"]) == len(session.fills.time_ns)
    assert sum(series["fills"]["qty"]) == session.equity.position[-1]
    assert np.cumsum(series["fills"]["price"]).tolist() == session.fills.price.tolist()
    assert min(np.cumsum(series["drawdown"])) / 1e6 <= -0.99 * found.drawdown.deepest


def _refuse(constant: str) -> float:
    raise AssertionError(constant)


def test_no_page_of_any_session_says_nan(tmp_path: Path) -> None:
    """Sessions without fills, quotes, time or a market included."""
    empty = made(np.zeros(3), mids2=())
    for session in (empty, made(np.zeros(100)), made(np.full(4000, -1.0), fills_every_s=5.0)):
        files = write_report(session, tmp_path / "out")
        text = files.page.read_text("utf-8")
        # The script knows the word; nothing else does.
        shown = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
        assert not re.search(r"\b([Nn]a[Nn]|[Ii]nf|Infinity|None)\b", shown)
        json.loads(files.result.read_bytes(), parse_constant=_refuse)


def test_a_days_page_stays_below_a_megabyte() -> None:
    random = np.random.default_rng(3)
    n = 86_400
    walk = np.cumsum(random.integers(-3, 4, n)) * 2 + 3_000_000
    quotes = []
    for i in range(0, n - 4, 2):
        side = 1 if i % 4 else -1
        quotes.append((side, float(i), i + random.uniform(1.0, 6.0), 100, None))
    mids2 = list(zip(np.arange(n, dtype=float).tolist(), walk.tolist(), strict=True))
    day = made(random.normal(0.0, 0.3, n), fills_every_s=5.0, quotes=quotes, mids2=mids2)
    prices = 1_500_000 + random.integers(-400, 400, len(day.quotes.price))
    day = msgspec.structs.replace(day, quotes=msgspec.structs.replace(day.quotes, price=prices))
    text, _ = _page_of(day)
    assert 200_000 < len(text.encode()) < 1_000_000
    series = series_of(day)
    assert len(series["mid2"]["low"]) <= FINE
    assert len(series["drawdown"]) <= COARSE


def test_thinning_keeps_every_extreme() -> None:
    """A spike of one second in a day is still drawn."""
    n = 86_400
    mids2 = [(float(i), 30_000 + (9_000 if i == 50_003 else 0)) for i in range(n)]
    series = series_of(made(np.zeros(n), mids2=mids2))["mid2"]
    low = np.cumsum([step or 0 for step in series["low"]])
    assert (low + np.array(series["wide"])).max() == 39_000
    assert low.min() == 30_000


def test_the_best_of_several_quotes_is_drawn_and_gaps_stay_gaps() -> None:
    session = made(
        np.zeros(40), quotes=[(1, 5, 20, -1, None), (1, 10, 15, -1, None), (1, 30, 35, -1, None)]
    )
    quotes = msgspec.structs.replace(session.quotes, price=np.array([100, 102, 99]))
    times, best = best_quotes(quotes, 1)
    assert ((times[1:] - BEGAN_NS) // NANOS).tolist() == [5, 10, 15, 20, 30, 35]
    assert best.tolist() == [0, 100, 102, 100, 0, 99, 0]
    drawn = series_of(msgspec.structs.replace(session, quotes=quotes))["bid"]["low"]
    assert drawn[:20] == [None] * 20
    assert drawn[20] == 100
    assert drawn[81:119] == [None] * 38


def test_a_loss_is_said_as_plainly_as_a_gain() -> None:
    random = np.random.default_rng(1).normal(0.0, 0.05, 3 * 3600)
    gain = statistics_of(made(random + 0.02, fills_every_s=20.0))
    loss = statistics_of(made(-random - 0.02, fills_every_s=20.0))
    assert sentence(gain).startswith("The session earned ")
    assert sentence(loss).startswith("The session lost ")
    assert "interval" in sentence(gain)
    assert "do not trade this" in sentence(loss)
    short = statistics_of(made(np.full(300, 1.0), fills_every_s=1.0))
    assert "too little data" in sentence(short)


def test_names_from_a_session_never_become_markup() -> None:
    session = made(np.zeros(100))
    evil = "</script><script>alert(1)</script>"
    about = msgspec.structs.replace(
        session.about, engine=evil, notes=(evil,), assumptions={evil: evil}
    )
    text, page = _page_of(msgspec.structs.replace(session, about=about))
    assert "<script>alert" not in text
    assert page.open == []


def test_the_comparison_names_both_and_their_difference() -> None:
    random = np.random.default_rng(2).normal(0.0, 0.05, 3 * 3600)
    left = made(random, fills_every_s=20.0)
    right = made(random + 0.02, fills_every_s=20.0)
    text, page = _page_of(right, left)
    assert "Against the other session" in page.headings
    assert "The second is better by more than chance." in text


def test_numbers_are_written_short_and_whole() -> None:
    written = [number(value) for value in (0.0, 1234567.8, 12.3456, 0.000123456, -3.0, -1e-13)]
    assert written == ["0", "1,234,568", "12.35", "0.0001235", "\N{MINUS SIGN}3", "0"]
    assert (signed(2.5), signed(-2.5), signed(0.0)) == ("+2.5", "\N{MINUS SIGN}2.5", "0")


def test_the_command_reports_on_a_journal_and_on_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, session, journal = watched()
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / "journal-1-1.jsonl").write_bytes(HEADER + journal)
    assert main(["report", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "too little data" in said
    out = next((tmp_path / "reports").iterdir())
    assert {path.name for path in out.iterdir()} == {"session", "result.json", "report.html"}
    assert load_session(out / "session").about == session.about
    again = tmp_path / "again"
    assert main(["report", str(out), "--compare", str(out), "--out", str(again), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["comparison"]["differences"][0]["difference"]["value"] == 0.0
    assert facts["statistics"]["activity"]["fills"] == len(session.fills.time_ns)
    assert Path(facts["report"]).read_text("utf-8").startswith("<!doctype html>")


def test_a_path_without_a_session_ends_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "nowhere"), "--json"]) == 3
    assert "does not exist" in json.loads(capsys.readouterr().out)["error"]
