"""The sections of a report that say what was done: quoting and its reasons, hours, orders, what was assumed."""

from __future__ import annotations

from market_maker.backtest.report_sections import share_bar, with_range, words
from market_maker.backtest.report_words import interval, number, signed, told
from market_maker.backtest.results import Statistics
from market_maker.backtest.session import PARTS, Session
from market_maker.core.instrument import NANOS
from market_maker.pages.axis import moment
from market_maker.pages.html import (
    Cell,
    Column,
    Markup,
    Tone,
    paragraph,
    section,
    table,
    toned,
)


def quoting_section(session: Session, found: Statistics) -> Markup:
    """How long both sides, one or none were quoted, and for which reasons levels stood as they did."""
    names = {"both": "both sides", "one": "one side only", "none": "no side"}
    rows: list[list[Cell]] = [
        [
            names[name],
            share_bar((figure.value or 0.0) / 100.0, " "),
            with_range(told(figure), interval(figure)),
        ]
        for name, figure in found.quoting.items()
    ]
    quoted = table([Column("quoted"), Column(""), Column("of the time", number=True)], rows)
    halts: dict[str, tuple[int, float]] = {}
    for gate in session.gates:
        count, lasted = halts.get(gate.reason.value, (0, 0.0))
        halts[gate.reason.value] = (count + 1, lasted + (gate.until_ns - gate.from_ns) / NANOS)
    closed = table(
        [Column("halt"), Column("times", number=True), Column("seconds", number=True)],
        [
            [words(reason), f"{count:,}", number(lasted, 3)]
            for reason, (count, lasted) in sorted(halts.items(), key=lambda item: -item[1][1])
        ],
    )
    return section(
        "Quoting and why",
        Markup('<div class="two"><div>'),
        quoted,
        Markup("<h3>Halts</h3>") if halts else "",
        closed if halts else "",
        Markup("</div><div>"),
        _reasons(session, found),
        Markup("</div></div>"),
        lead="A side counts as quoted while at least one of its orders was known to rest.",
    )


def _reasons(session: Session, found: Statistics) -> Markup:
    """The time that levels spent with each reason, over all levels of a side."""
    spent: dict[str, dict[int, int]] = {}
    whole = {1: 0, -1: 0}
    for each in session.reasons:
        sides = spent.setdefault(each.reason.value, {1: 0, -1: 0})
        sides[each.side] += each.time_ns
        whole[each.side] += each.time_ns
    rows: list[list[Cell]] = []
    for reason, sides in sorted(spent.items(), key=lambda item: -sum(item[1].values())):
        shares = {side: sides[side] / max(whole[side], 1) for side in (1, -1)}
        decisions = found.activity.decisions.get(reason, 0)
        rows.append([words(reason), share_bar(shares[1]), share_bar(shares[-1]), f"{decisions:,}"])
    columns = [
        Column("reason"),
        Column("bids' time"),
        Column("asks' time"),
        Column("decisions", number=True),
    ]
    return table(columns, rows)


def hours_section(found: Statistics) -> Markup:
    """What each hour came to."""
    unit = found.currency
    columns = [
        Column("hour (UTC)"),
        Column("min", number=True),
        Column(f"profit, {unit}", number=True),
    ]
    columns += [
        Column(
            name.split("_")[-1] if name == "inventory_carry" else name.split("_")[0], number=True
        )
        for name in PARTS[:-1]
    ]
    columns += [
        Column("fills", number=True),
        Column("turnover", number=True),
        Column("both", number=True),
        Column("inventory", number=True),
    ]
    rows: list[list[Cell]] = []
    for hour in found.hours:
        tone = Tone.GOOD if hour.pnl > 0 else Tone.BAD if hour.pnl < 0 else Tone.PLAIN
        rows.append(
            [
                Markup(f'<span class="num">{moment(hour.begin_ns)[5:16]}</span>'),
                number(hour.seconds / 60.0, 3),
                toned(signed(hour.pnl), tone),
                *(signed(hour.parts[name]) for name in PARTS[:-1]),
                f"{hour.fills:,}",
                number(hour.notional),
                f"{hour.both_share:.0%}",
                number(hour.mean_held_base),
            ]
        )
    return section(
        "Hour by hour",
        table(columns, rows),
        lead=f"Facts of the books, not estimates: they need no interval. Money in {unit}; both: share of the time with both sides quoted; inventory: mean of its size.",
    )


def activity_section(session: Session, found: Statistics) -> Markup:
    """Orders, answers and fees."""
    did = found.activity
    fee = -float(found.parts["fees"])
    rate = f"{1e4 * fee / did.notional:.3f} bps of turnover" if did.notional else "no turnover"
    filled = f"{did.fills / (did.orders + did.amendments):.1%}" if did.orders else "—"
    facts: list[list[Cell]] = [
        ["orders placed", f"{did.orders:,}"],
        ["moved (amended)", f"{did.amendments:,}"],
        ["cancelled", f"{did.cancels:,}"],
        ["fills", f"{did.fills:,}, {did.taker_fills:,} of them took liquidity"],
        ["fills per request to place or move", filled],
        ["turnover", f"{number(did.notional)} {found.currency}"],
        ["fees paid", f"{signed(fee)} {found.currency} ({rate})"],
        [
            "inventory, mean of its size",
            f"{told(found.mean_held_base)} ({interval(found.mean_held_base)})",
        ],
        ["inventory, largest", f"{number(did.most_held_base)} {session.about.instrument.sized_in}"],
    ]
    facts += [
        [f"refused by the venue: {words(reason)}", f"{count:,}"]
        for reason, count in sorted(did.rejected.items())
    ]
    facts += [
        [f"refused by risk: {words(reason)}", f"{count:,}"]
        for reason, count in sorted(did.refusals.items())
    ]
    columns = [
        Column("request"),
        Column("answers", number=True),
        *(Column(f"{name}, ms", number=True) for name in ("median", "90 %", "99 %", "longest")),
    ]
    rows: list[list[Cell]] = [
        [
            each.kind,
            f"{each.answers:,}",
            *(
                number(value, 3)
                for value in (each.median_ms, each.p90_ms, each.p99_ms, each.longest_ms)
            ),
        ]
        for each in found.latencies
    ]
    return section(
        "Orders, answers and fees",
        Markup('<div class="two"><div>'),
        table([Column("what"), Column("how much", number=True)], facts),
        Markup("</div><div><h3>From a request to its answer</h3>"),
        table(columns, rows),
        Markup("</div></div>"),
    )


def assumptions_section(session: Session, found: Statistics) -> Markup:
    """What was taken for granted, and how intervals were made."""
    about = session.about
    rules = about.instrument
    rows: list[list[Cell]] = [
        ["maker fee", _rate(rules.maker_fee_rate)],
        ["taker fee", _rate(rules.taker_fee_rate)],
        [
            "tick, lot",
            f"{about.grid.price_decimal(rules.tick):f} {rules.quote}, {about.grid.qty_decimal(rules.lot):f}",
        ],
    ]
    rows += [[name, value] for name, value in about.assumptions.items()]
    how = found.sampling
    method = (
        f"Intervals hold {how.confidence:.0%}: the session is cut into cells of {how.cell_s:g} s, which are drawn again in circular blocks"
        f" of {number(how.block_s, 3)} s (length by the rule of Politis and White on the profit, at least 60 s), {how.draws:,} times with"
        f" seed {how.seed}, and widened as Student's distribution is for {number(how.blocks, 3)} blocks. They hold what the session's own"
        " market allows; another market may differ by more. Chances of fills count the stays of up to 30 blocks of time as clusters."
    )
    notes = [paragraph(f"Note: {note}") for note in about.notes]
    return section(
        "Assumptions and method",
        table([Column("assumed"), Column("value")], rows),
        *notes,
        paragraph(method),
        lead="A simulated result is only as good as what was taken for granted; it is no expectation.",
    )


def _rate(rate: object) -> str:
    return "unknown" if rate is None else f"{1e4 * float(str(rate)):g} bps of the value traded"
