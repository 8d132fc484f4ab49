"""The report of a session as one self-contained page.

Owns what is shown and in which order: the verdict and its interval first. Refuses to compute: figures come from the
statistics, series from the session. The page loads nothing and stays below a megabyte for a day.
"""

from __future__ import annotations

from importlib import resources

import msgspec

from market_maker import __version__
from market_maker.backtest.report_compare import comparison_section
from market_maker.backtest.report_conduct import (
    activity_section,
    assumptions_section,
    hours_section,
    quoting_section,
)
from market_maker.backtest.report_sections import (
    chance_section,
    markout_section,
    money_section,
)
from market_maker.backtest.report_series import series_of
from market_maker.backtest.report_words import (
    VERDICTS,
    interval,
    number,
    sentence,
    signed,
    told,
    tone_of,
)
from market_maker.backtest.results import Comparison, Statistics
from market_maker.backtest.session import Session
from market_maker.pages.axis import moment
from market_maker.pages.html import (
    Cell,
    Markup,
    Tile,
    Tone,
    badge,
    embedded,
    escaped,
    page,
    paragraph,
    section,
    tiles,
)

_STYLE = """
main{max-width:1160px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(235px,1fr))}
.verdict{border-left:6px solid var(--line);padding:20px 24px}
.verdict.good{border-left-color:var(--good);color:inherit}.verdict.bad{border-left-color:var(--bad);color:inherit}
.verdict.warn{border-left-color:var(--warn);color:inherit}
.verdict p.big{font-size:19px;line-height:1.45;margin:10px 0 8px;max-width:62em}
.verdict .badge{font-size:14px;padding:3px 14px}
.verdict small{color:var(--soft)}
figure{margin:14px 0 0}figcaption{font-weight:600;font-size:14px;display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}
figcaption .unit{color:var(--soft);font-weight:400;font-size:12.5px}
.said{color:var(--soft);font-size:12.5px;min-height:1.6em;font-variant-numeric:tabular-nums}
canvas{display:block;width:100%;touch-action:pan-y;cursor:crosshair;border-radius:6px}
canvas:focus-visible{outline:2px solid var(--one);outline-offset:2px}
.tools{float:right;display:flex;gap:6px}
.tools button{font:inherit;font-size:13px;color:var(--ink);background:var(--page);border:1px solid var(--line);border-radius:6px;
padding:2px 11px;cursor:pointer}
.tools button:hover{border-color:var(--soft)}
.bar{display:inline-block;height:9px;border-radius:2px;background:var(--one);vertical-align:middle;min-width:1px}
.bar.bad{background:var(--bad)}.bar.good{background:var(--good)}
.key{display:inline-block;width:0;height:0;border-left:5px solid transparent;border-right:5px solid transparent;margin-right:5px}
.key.up{border-bottom:9px solid var(--one)}.key.down{border-top:9px solid var(--two)}
td .range,.range{color:var(--soft);font-size:12.5px;white-space:nowrap}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:0 28px}
@media(max-width:520px){.two{grid-template-columns:1fr}.tools{float:none}}
"""

_PANELS = (
    ("market", "Quotes against the market"),
    ("equity", "Equity since the start and its five parts"),
    ("drawdown", "Drawdown from the best so far"),
    ("inventory", "Inventory"),
)

_SWATCHES = {
    "market": (("mid", "--six"), ("our best bid", "--one"), ("our best ask", "--two")),
    "equity": (
        ("total", "--ink"),
        ("spread capture", "--three"),
        ("adverse selection", "--five"),
        ("inventory carry", "--four"),
        ("funding", "--one"),
        ("fees", "--two"),
    ),
}


def report_page(
    session: Session,
    found: Statistics,
    against: Session | None = None,
    comparison: Comparison | None = None,
) -> str:
    """The whole page; with another session its comparison comes after the verdict."""
    about = session.about
    parts: list[Cell] = [_verdict(found), _tiles(found)]
    if against is not None and comparison is not None:
        parts.append(comparison_section(against, session, comparison))
    parts += [
        _timeline(session),
        money_section(found),
        markout_section(found),
        chance_section(found),
        quoting_section(session, found),
        hours_section(found),
        activity_section(session, found),
        assumptions_section(session, found),
        embedded("series", msgspec.json.encode(series_of(session))),
    ]
    script = resources.files("market_maker.backtest").joinpath("report.js").read_text("utf-8")
    return page(
        f"{about.market} · {about.engine or 'no engine'} · {about.mode}",
        f"{moment(about.began_ns)} to {moment(about.ended_ns)} UTC"
        f" ({number(found.judgement.hours)} h) · seed {about.seed} · settings {about.config_digest or 'unknown'}",
        parts,
        footer=f"market-maker {__version__}; the session was recorded by version {about.version}.",
        style=_STYLE,
        script=script,
    )


def _verdict(found: Statistics) -> Markup:
    word, tone = VERDICTS[found.judgement.verdict]
    judged = found.judgement
    facts = (
        f"{judged.effective_fills} effective fills, {number(judged.blocks, 3)} independent blocks of"
        f" {number(found.sampling.block_s, 3)} s, {number(judged.hours, 3)} hours."
    )
    return Markup(
        f'<section class="verdict {tone}"><h2>Verdict {badge(word, tone)}</h2>'
        f'<p class="big">{escaped(sentence(found))}</p>'
        f"<small>{escaped(judged.rule)} Here: {escaped(facts)}</small></section>"
    )


def _tiles(found: Statistics) -> Markup:
    pnl = float(found.pnl)
    fall = found.drawdown
    like = (
        f"sessions like it: {number(fall.low)} to {number(fall.high)}"
        if fall.low is not None and fall.high is not None
        else "no interval"
    )
    return tiles(
        (
            Tile("Profit of trading", f"{signed(pnl)} {found.currency}", "fees and funding included", _sign(pnl)),
            Tile("Per hour", told(found.pnl_per_hour, sign=True), interval(found.pnl_per_hour, sign=True), tone_of(found.pnl_per_hour)),
            Tile("Per turnover", told(found.parts_bps["pnl"], sign=True), interval(found.parts_bps["pnl"], sign=True), tone_of(found.parts_bps["pnl"])),
            Tile("Deepest drawdown", f"{number(fall.deepest)} {found.currency}", like),
            Tile("Fills", f"{found.activity.fills:,}", f"{told(found.fills_per_hour)}, {interval(found.fills_per_hour)}"),
            Tile("Turnover", told(found.turnover_per_hour), interval(found.turnover_per_hour)),
            Tile("Quoting both sides", told(found.quoting["both"]), interval(found.quoting["both"])),
            Tile("Sharpe-like ratio", told(found.sharpe_per_hour, sign=True), interval(found.sharpe_per_hour, sign=True)),
        )
    )  # fmt: skip


def _timeline(session: Session) -> Markup:
    about = session.about
    units = {"market": about.instrument.quote, "inventory": about.instrument.sized_in}
    figures = []
    for name, heading in _PANELS:
        unit = units.get(name, about.instrument.settle)
        figures.append(
            f'<figure><figcaption>{escaped(heading)} <span class="unit">{escaped(unit)}</span></figcaption>{_legend(name)}'
            f'<div class="said" aria-live="polite"></div>'
            f'<canvas data-panel="{name}" tabindex="0" role="img" aria-label="{escaped(heading)} over time; arrow keys move,'
            f' plus and minus zoom"></canvas></figure>'
        )
    tools = (
        '<div class="tools"><button type="button" data-zoom="0.5" aria-label="Zoom in">+</button>'
        '<button type="button" data-zoom="2" aria-label="Zoom out">&minus;</button>'
        '<button type="button" data-zoom="0">Whole session</button></div>'
    )
    lead = "Scroll to zoom, drag to move, double-click for the whole session; times are UTC. All panels move together."
    return section(
        "What happened", Markup(tools), paragraph(lead, lead=True), Markup("".join(figures))
    )


def _legend(panel: str) -> Markup:
    entries = "".join(
        f'<span><i style="background:var({colour})"></i>{escaped(text)}</span>'
        for text, colour in _SWATCHES.get(panel, ())
    )
    if panel == "market":
        entries += (
            '<span><b class="key up"></b>bought</span><span><b class="key down"></b>sold</span>'
        )
    return Markup(f'<div class="legend">{entries}</div>' if entries else "")


def _sign(value: float) -> Tone:
    return Tone.GOOD if value > 0 else Tone.BAD if value < 0 else Tone.PLAIN
