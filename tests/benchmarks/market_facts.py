"""Measures the embedded market against its stylised facts and prints PASS or FAIL for each band.

`python tests/benchmarks/market_facts.py --seeds 8 --hours 4` prints the fact table, the hourly volatility
distribution over `--days` simulated days a seed, and the controls: what a naive quote at the touch
keeps of each market order when information, volatility or latency is changed. Exits 1 if
the median over the seeds of any fact is out of its band or a control fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parents[1] / "venues")]

import stylised_facts as facts  # noqa: E402 - the line above makes it importable

from market_maker.config.simulated_market import MarketModelConfig  # noqa: E402 - likewise

_HORIZONS = ("100ms", "1s", "5s", "30s")
_LATENCY_NS = 300_000_000
Measured = list[dict[str, float]]


def _measure(config: MarketModelConfig, seeds: range, hours: float) -> Measured:
    return [facts.measure(facts.record(config, seed, hours)) for seed in seeds]


def _verdict(*, passed: bool) -> str:
    return "PASS" if passed else "FAIL"


def print_facts(console: Console, measured: Measured, first_seed: int) -> bool:
    """The table of facts; whether the median of every fact lies in its band."""
    table = Table("fact", "median", "lowest", "highest", "band", "verdict", "seeds out of band")
    all_pass = True
    for name in measured[0]:
        values = [one[name] for one in measured]
        median = float(np.nanmedian(values))
        band = facts.BANDS.get(name)
        cells = [name, f"{median:.4g}", f"{np.nanmin(values):.4g}", f"{np.nanmax(values):.4g}"]
        if band is not None:
            passed = band.low <= median <= band.high
            all_pass &= passed
            out = [
                f"{seed}: {x:.3g}"
                for seed, x in enumerate(values, first_seed)
                if x < band.low or x > band.high
            ]
            cells += [f"{band.low:g} to {band.high:g}", _verdict(passed=passed), ", ".join(out)]
        table.add_row(*cells)
    console.print(table)
    return all_pass


def print_hourly(console: Console, config: MarketModelConfig, seeds: range, days: float) -> bool:
    """60-second-equivalent volatility by hour, against SOL's; each percentile within a factor of 1.5."""
    hours = np.concatenate(
        [facts.hourly_volatility_bps(config, seed, int(24 * days)) for seed in seeds]
    )
    table = Table(
        "percentile", "bps", "target", "verdict", title=f"volatility of {hours.size} hours"
    )
    all_pass = True
    found = np.percentile(hours, facts.HOURLY_PERCENTILES)
    for percentile, value, target in zip(
        facts.HOURLY_PERCENTILES, found, facts.HOURLY_VOLATILITY_BPS, strict=True
    ):
        passed = target / 1.5 <= value <= target * 1.5
        all_pass &= bool(passed)
        table.add_row(str(percentile), f"{value:.1f}", f"{target:g}", _verdict(passed=bool(passed)))
    console.print(table)
    return all_pass


def delayed_touch_markout_bps(tape: facts.Tape, latency_ns: int) -> float:
    """5 s markout of a touch quote whose price is the best of `latency_ns` ago, when it is reached."""
    behind = np.maximum(0, np.searchsorted(tape.t_ns, tape.order_t_ns - latency_ns, "right") - 1)
    stale = np.where(tape.order_side > 0, tape.ask[behind], tape.bid[behind])
    reached = (tape.order_deepest - stale) * tape.order_side >= 0
    later = np.searchsorted(tape.t_ns, tape.order_t_ns + 5_000_000_000, "right") - 1
    mid = 0.5 * (tape.bid[later] + tape.ask[later])
    kept = (stale - mid) * tape.order_side / mid * 1e4
    return float(kept[reached].mean())


def print_controls(console: Console, seeds: range, hours: float) -> bool:
    """What the naive touch quote keeps in altered markets; whether every control holds."""
    default = MarketModelConfig()
    doubled = default.model_copy(
        update={
            "private_share": min(1.0, 2.0 * default.private_share),
            "informed_per_s": 2.0 * default.informed_per_s,
        }
    )
    tripled = default.model_copy(update={"volatility_bps": 3.0 * default.volatility_bps})
    table = Table("market", *(f"markout {h}, bps" for h in _HORIZONS))
    means: dict[str, list[float]] = {}
    for name, config in (
        ("default", default),
        ("no information", facts.without_information(default)),
        ("doubled information", doubled),
        ("tripled volatility", tripled),
    ):
        measured = _measure(config, seeds, hours)
        keys = [f"markout_{horizon}_bps" for horizon in _HORIZONS]
        means[name] = [float(np.mean([one[key] for one in measured])) for key in keys]
        table.add_row(name, *(f"{value:+.3f}" for value in means[name]))
    console.print(table)
    tapes = [facts.record(default, seed, hours) for seed in seeds]
    prompt, late = (
        float(np.mean([delayed_touch_markout_bps(tape, ns) for tape in tapes]))
        for ns in (0, _LATENCY_NS)
    )
    checks = {
        "no information: the half-spread is kept at every horizon": min(means["no information"])
        > 0.2,
        "doubled information loses more at 5 s": means["doubled information"][2]
        < means["default"][2],
        "tripled volatility hurts at 5 s": means["tripled volatility"][2] < means["default"][2],
        f"300 ms of latency hurt at 5 s ({prompt:+.3f} to {late:+.3f})": late < prompt,
    }
    for text, passed in checks.items():
        console.print(f"{_verdict(passed=passed)}  {text}", highlight=False)
    return all(checks.values())


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=8, help="number of markets")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=4.0, help="simulated hours of each market")
    parser.add_argument("--days", type=float, default=2.0, help="days a seed for hourly volatility")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    console = Console(width=150)
    config = MarketModelConfig()
    results = [
        print_facts(console, _measure(config, seeds, options.hours), options.first_seed),
        print_hourly(console, config, seeds, options.days),
        print_controls(console, seeds, options.hours / 2.0),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
