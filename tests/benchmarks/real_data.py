"""Backtests recordings of real markets with several engines, as a user would, and prints the table of docs/backtesting.md.

    python tests/benchmarks/real_data.py DATA/*.parquet
    python tests/benchmarks/real_data.py DATA/*.parquet --engines glft --default-fees --out reports/real

Every cell is one `python -m market_maker backtest` in a process of its own, begun in an empty directory;
reports stay under `--out`. Files are found by name: what a market is, its fees, and until when its recording is whole
stand in `MARKETS`; others are named after their file. Bars are no tick data and are left out, with a word. Exits 1 if a run failed.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

ENGINES = ("glft", "avellaneda-stoikov")

_UNTIL = ("--to", "2020-03-10T18:37:02.5")
"""These recordings hold no trades after this."""


class Market(NamedTuple):
    """What a file does not say: options of the command, standard fees of the venue then, other settings."""

    options: tuple[str, ...]
    maker_bps: float
    taker_bps: float
    settings: str = ""


QUANTO = """
[account]
capital_quote = 1280000
[quoting.ladder]
order_size_quote = 32000.0
min_size_quote = 12800.0
[risk]
max_position_notional_quote = 128000
max_order_notional_quote = 96000
min_order_notional_quote = 12800
[paper]
capital = 1280000
"""
"""A contract of ETHUSD is worth its price in millionths of a bitcoin: linear, with those as quote currency.

The amounts are the defaults (10,000 of capital, 250 an order) at 7,800 dollars a bitcoin.
"""

MARKETS = {
    "bitmex_xbtusd": Market(("--market", "XBTUSD", "--inverse", *_UNTIL), -2.5, 7.5),
    "bitmex_ethusd": Market(("--market", "ETH-UXBT", *_UNTIL), -2.5, 7.5, QUANTO),
    "binance_spot_btcusdt": Market(("--market", "BTCUSDT"), 10.0, 10.0),
    "binance_fut_btcusdt": Market(("--market", "BTCUSDT"), 2.0, 5.0),
}
"""By how a file's name begins."""

PARTS = ("spread_capture", "adverse_selection", "inventory_carry", "funding", "fees")


class Cell(NamedTuple):
    """One run: the file and engine, what it said, and seconds of the whole process."""

    name: str
    engine: str
    facts: dict[str, Any]
    wall_s: float
    cpu_s: float


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Backtest recordings of real markets.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES))
    parser.add_argument(
        "--default-fees", action="store_true", help="those of [paper] instead of the venue's"
    )
    parser.add_argument("--out", type=Path, help="keep the reports in this directory")
    return parser.parse_args(argv)


def _run(file: Path, engine: str, arguments: argparse.Namespace, out: Path) -> Cell | None:
    market = next((MARKETS[key] for key in MARKETS if file.name.startswith(key)), None)
    options: tuple[str, ...] = ()
    settings = ""
    if market is not None:
        options, settings = market.options, market.settings or "[paper]\n"
        if not arguments.default_fees:
            settings += f"maker_fee_bps = {market.maker_bps}\ntaker_fee_bps = {market.taker_bps}\n"
    command = (sys.executable, "-m", "market_maker", "backtest", "--data", str(file.resolve()))
    folder = out / f"{file.stem}-{engine}"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:
        config = Path(empty) / "market.toml"
        config.write_text(settings)
        done = subprocess.run(
            [*command, *options, "--engine", engine, "--config", config, "--out", folder, "--json"],
            cwd=empty,
            capture_output=True,
            text=True,
            check=False,
        )
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        _say(f"{file.name} {engine}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr}")
        return None
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cell(file.stem, engine, json.loads(done.stdout), wall_s, cpu_s)


def _figure(figure: dict[str, Any], digits: str) -> str:
    if figure["value"] is None:
        return "-"
    if figure["low"] is None:
        return f"{figure['value']:{digits}} (no interval)"
    return f"{figure['value']:{digits}} ({figure['low']:{digits}} to {figure['high']:{digits}})"


def _money_digits(cell: Cell) -> str:
    """Coin needs more places than dollars."""
    return "+.2f" if "USD" in cell.facts["statistics"]["currency"] else "+.6f"


def _result(cell: Cell) -> tuple[str, ...]:
    said, digits = cell.facts["statistics"], _money_digits(cell)
    bands = {band["estimate"]: band for band in said["bands"]}
    others = [
        f"{bands[name]['fills']}: {float(bands[name]['pnl']):{digits}}" if name in bands else "-"
        for name in ("pessimistic", "optimistic")
    ]
    fills = said["activity"]["fills"]
    central = f"{fills}: {float(said['pnl']):{digits}}"
    quoting = said["quoting"]
    return (
        cell.name,
        cell.engine,
        f"{said['judgement']['hours'] * 60:.1f}",
        str(said["activity"]["orders"]),
        f"{others[0]} / {central} / {others[1]}",
        f"{_figure(said['pnl_per_hour'], digits)} {said['currency']}/h",
        " ".join(f"{float(said['parts'][part]):{digits}}" for part in PARTS),
        f"{quoting['both']['value']:.0f} / {quoting['one']['value']:.0f} / {quoting['none']['value']:.0f} %",
        said["judgement"]["verdict"].replace("_", " "),
    )


def _speed(cell: Cell) -> tuple[str, ...]:
    rows, loop_s = cell.facts["rows"], cell.facts["took_s"]
    numbers = (rows, rows / loop_s, rows / cell.wall_s, rows / cell.cpu_s)
    return (cell.name, cell.engine, *(f"{number:,.0f}" for number in numbers))


def _print(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    for row in (heads, ("---",) * len(heads), *rows):
        _say(f"| {' | '.join(row)} |")
    _say()


def _say(line: str = "") -> None:
    sys.stdout.write(line + "\n")


def main(argv: list[str]) -> int:
    """Run every file with every engine, one after the other."""
    arguments = _arguments(argv)
    kept = arguments.out.resolve() if arguments.out else Path(tempfile.mkdtemp())
    cells, failed = [], False
    for file in arguments.files:
        if file.name.startswith("ohlc"):
            _say(f"{file.name}: bars, no tick data; nothing can be filled on them")
            continue
        for engine in arguments.engines:
            cell = _run(file, engine, arguments, kept)
            failed |= cell is None
            if cell is not None:
                cells.append(cell)
                sys.stderr.write(" ".join(_result(cell)) + "\n")
    results = (
        "file",
        "engine",
        "minutes",
        "orders",
        "fills: P&L, pessimistic / central / optimistic",
    )
    per_hour = (
        "P&L per hour (95 %)",
        "spread, adverse, carry, funding, fees",
        "both / one / no side",
    )
    _print((*results, *per_hour, "verdict"), [_result(cell) for cell in cells])
    speeds = ("rows", "rows/s, loop", "rows/s, process", "rows per CPU second")
    _print(("file", "engine", *speeds), [_speed(cell) for cell in cells])
    _say(f"reports: {kept}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
