"""The shell of a self-contained page and its plain parts: sections, tables, tiles, badges.

Owns the look: one style sheet, light and dark by the reader's own preference, nothing loaded from elsewhere.
Refuses to know what the page is about. Text is escaped here, once; what is markup already says so
by its type, so a name from a file can never become markup.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec


class Tone(StrEnum):
    """How a value is meant; the style sheet gives each its colour."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    MUTED = "muted"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Tile(msgspec.Struct, frozen=True):
    """One figure with its name and what to know of it."""

    label: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


class Column(msgspec.Struct, frozen=True):
    """One column of a table; numbers are set right."""

    heading: str
    number: bool = False


Cell = str | Markup
"""Plain text, or markup."""

_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#5d6878;--line:#dfe3e9;--grid:#eaedf1;
--one:#2563c9;--two:#d9822b;--three:#0f8a6d;--four:#8e4ec6;--five:#c2364d;--six:#6b7686;
--good:#177245;--warn:#a86200;--bad:#c0262d;--good-bg:#e2f4e9;--warn-bg:#fdf0d9;--bad-bg:#fce4e4}
@media(prefers-color-scheme:dark){:root{--page:#11151b;--card:#1a2029;--ink:#e6eaf0;--soft:#98a3b3;--line:#2c3542;--grid:#252d38;
--one:#6ea3f5;--two:#f0a860;--three:#4cc3a4;--four:#bd93e8;--five:#ef7d8d;--six:#8b97a8;
--good:#5cc98d;--warn:#e8b356;--bad:#f0757b;--good-bg:#17322a;--warn-bg:#3a2f18;--bad-bg:#402024}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:25px;line-height:1.25;margin:0 0 4px}h2{font-size:18px;margin:0 0 4px}h3{font-size:14px;margin:16px 0 2px}
p{margin:4px 0 10px}p.lead,header p{color:var(--soft)}
header{margin-bottom:18px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:14px 0;overflow-x:auto}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:14px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:20px;line-height:1.3;font-variant-numeric:tabular-nums}
.tile span,.tile small{color:var(--soft);display:block;font-size:12.5px}
section .tile{background:var(--page)}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th{color:var(--soft);font-weight:600;border-bottom:1px solid var(--line);text-align:left;vertical-align:bottom}
th,td{padding:5px 10px 5px 0}td{border-bottom:1px solid var(--grid);vertical-align:top}
tr:last-child td{border-bottom:0}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.muted{color:var(--soft)}
.badge{display:inline-block;border-radius:999px;padding:1px 10px;font-size:12.5px;font-weight:600;border:1px solid var(--line)}
.badge.good{background:var(--good-bg);border-color:transparent}.badge.warn{background:var(--warn-bg);border-color:transparent}
.badge.bad{background:var(--bad-bg);border-color:transparent}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:12.5px;color:var(--soft);margin:2px 0 4px}
.legend i{display:inline-block;width:12px;height:3px;border-radius:2px;vertical-align:middle;margin-right:6px}
svg{display:block;width:100%;height:auto;margin:2px 0 8px}
svg text{fill:var(--soft);font:11px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--line);stroke-width:1}
code{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{color:var(--soft);font-size:12.5px;margin-top:20px}
@media print{body{background:#fff}section{break-inside:avoid}}
"""


def escaped(text: Cell) -> Markup:
    """Text as markup; markup stays what it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(text))


def joined(parts: Iterable[Cell]) -> Markup:
    """Parts one after another."""
    return Markup("".join(escaped(part) for part in parts))


def paragraph(text: Cell, *, lead: bool = False) -> Markup:
    """One paragraph; a lead explains what follows it."""
    opening = '<p class="lead">' if lead else "<p>"
    return Markup(f"{opening}{escaped(text)}</p>")


def badge(text: str, tone: Tone) -> Markup:
    """A word that stands out."""
    return Markup(f'<span class="badge {tone}">{escaped(text)}</span>')


def toned(text: str, tone: Tone) -> Markup:
    """Text in the colour of what it means."""
    return Markup(f'<span class="{tone}">{escaped(text)}</span>')


def section(heading: str, *parts: Cell, lead: str = "") -> Markup:
    """A card with a heading."""
    told = paragraph(lead, lead=True) if lead else ""
    return Markup(f"<section><h2>{escaped(heading)}</h2>{told}{joined(parts)}</section>")


def tiles(figures: Iterable[Tile]) -> Markup:
    """Figures side by side."""
    cells = (
        f'<div class="tile"><span>{escaped(tile.label)}</span><b class="{tile.tone}">'
        f"{escaped(tile.value)}</b><small>{escaped(tile.note)}</small></div>"
        for tile in figures
    )
    return Markup(f'<div class="tiles">{"".join(cells)}</div>')


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Markup:
    """A table; rows as wide as the columns."""
    sides = [' class="num"' if column.number else "" for column in columns]
    head = "".join(
        f"<th{side}>{escaped(column.heading)}</th>"
        for column, side in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{side}>{escaped(cell)}</td>" for cell, side in zip(row, sides, strict=True))
        + "</tr>"
        for row in rows
    )
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def embedded(name: str, document: bytes) -> Markup:
    """JSON that a script of the page reads by its name."""
    text = document.decode().replace("</", "<\\/")
    return Markup(f'<script type="application/json" id="{escaped(name)}">{text}</script>')


def page(
    title: str,
    subtitle: Cell,
    parts: Iterable[Cell],
    *,
    footer: str = "",
    style: str = "",
    script: str = "",
) -> str:
    """The whole document; `style` and `script` are the page's own beside the common look."""
    end = f"<footer>{escaped(footer)}</footer>" if footer else ""
    run = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{_STYLE}{style}</style></head><body><main>"
        f"<header><h1>{escaped(title)}</h1><p>{escaped(subtitle)}</p></header>"
        f"{joined(parts)}{end}</main>{run}</body></html>\n"
    )
