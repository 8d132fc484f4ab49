"""Figures and verdicts in words: a loss is said as plainly as a gain, and nothing without its interval."""

from __future__ import annotations

import math

from market_maker.backtest.bootstrap import Figure
from market_maker.backtest.results import Comparison, Statistics, Verdict
from market_maker.pages.html import Tone

VERDICTS = {
    Verdict.POSITIVE: ("earns", Tone.GOOD),
    Verdict.NEGATIVE: ("loses", Tone.BAD),
    Verdict.UNDECIDED: ("undecided", Tone.WARN),
    Verdict.INSUFFICIENT_DATA: ("insufficient data", Tone.WARN),
}


COMPARED = {
    Verdict.POSITIVE: ("second better", Tone.GOOD),
    Verdict.NEGATIVE: ("second worse", Tone.BAD),
    Verdict.UNDECIDED: ("undecided", Tone.WARN),
    Verdict.INSUFFICIENT_DATA: ("insufficient data", Tone.WARN),
}


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, thousands apart, a true minus sign."""
    size = abs(value)
    decimals = digits - 1 - math.floor(math.log10(size)) if size > 0.0 else 0
    text = f"{value:,.{min(max(decimals, 0), 10)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", "0"} else text.replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int = 4) -> str:
    """A number with its sign."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and text != "0" else text


def told(figure: Figure, *, sign: bool = False) -> str:
    """A figure's value and unit."""
    if figure.value is None:
        return "—"
    write = signed if sign else number
    return f"{write(figure.value)}{'' if figure.unit == '%' else ' '}{figure.unit}"


def interval(figure: Figure, *, sign: bool = False) -> str:
    """A figure's interval, or that there is none."""
    if figure.low is None or figure.high is None:
        return "no interval" if figure.value is not None else "unknown"
    write = signed if sign else number
    return f"{write(figure.low)} to {write(figure.high)}"


def tone_of(figure: Figure) -> Tone:
    """Good or bad only where the whole interval is."""
    return {1: Tone.GOOD, -1: Tone.BAD, 0: Tone.PLAIN}[figure.decided]


def sentence(found: Statistics) -> str:
    """What happened, and what may be concluded from it."""
    pnl = float(found.pnl)
    did = "earned" if pnl > 0 else "lost" if pnl < 0 else "neither earned nor lost"
    amount = f" {number(abs(pnl))} {found.currency}" if pnl else ""
    rate = found.pnl_per_hour
    hourly = f", {told(rate, sign=True)}"
    if rate.low is not None:
        hourly += f" ({found.sampling.confidence:.0%} interval {interval(rate, sign=True)})"
    meaning = {
        Verdict.POSITIVE: "Under the assumptions below, this is more than chance.",
        Verdict.NEGATIVE: "The loss is more than chance: do not trade this as it is.",
        Verdict.UNDECIDED: "The interval includes zero: whether this earns or loses is not shown.",
        Verdict.INSUFFICIENT_DATA: "There is too little data to conclude anything: "
        + "; ".join(found.judgement.reasons)
        + ".",
    }[found.judgement.verdict]
    return f"The session {did}{amount}{hourly}. {meaning}"


def comparison_sentence(found: Comparison) -> str:
    """What the difference comes to."""
    gap = found.differences[0].difference
    meaning = {
        Verdict.POSITIVE: "The second is better by more than chance.",
        Verdict.NEGATIVE: "The second is worse by more than chance.",
        Verdict.UNDECIDED: "The interval includes zero: no difference is shown.",
        Verdict.INSUFFICIENT_DATA: "There is too little data to tell them apart.",
    }[found.verdict]
    more = "more" if (gap.value or 0.0) >= 0.0 else "less"
    size = number(abs(gap.value)) if gap.value is not None else "—"
    bounds = f" (interval of the difference {interval(gap, sign=True)})"
    return f"The second session earned {size} {gap.unit} {more} than the first{bounds}. {meaning}"
