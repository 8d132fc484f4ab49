"""What one more market costs in memory: processes that trade one, two and three for a while."""

import subprocess
import sys

from tests.benchmarks._table import Row

_TRADE = """
import gc, os, sys
from market_maker.app.virtual import VirtualRun
from market_maker.config.schema import Settings
VirtualRun(Settings(), tuple(sys.argv[1:])).trade(120.0)
gc.collect()
with open("/proc/self/statm") as file:
    print(int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE"))
"""
_MARKETS = ("SOL-USD", "BTC-USD", "ETH-USD")


def _resident_mb(markets: tuple[str, ...]) -> float:
    """Resident memory after trading: the least of three runs."""
    command = [sys.executable, "-c", _TRADE, *markets]
    sizes = [
        int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    return min(sizes) / 1e6


def rows() -> list[Row]:
    """Measure three processes."""
    one, two, three = (_resident_mb(_MARKETS[: n + 1]) for n in range(3))
    note = f"resident with 1, 2, 3 markets: {one:.0f}, {two:.0f}, {three:.0f} MB, exchange included"
    return [Row("memory per extra market", max(two - one, three - two), "MB", 10.0, note)]
