"""Backtest an engine on four minutes of a real market: `python examples/backtest_sample.py [ENGINE]`.

Prints the verdict on the data and on the result, and leaves a report in reports/sample. So little data proves nothing
about an engine: the verdict says so.
"""

import sys
from pathlib import Path

from market_maker.app.backtest import Backtest
from market_maker.app.coin_account import in_settlement
from market_maker.backtest.report import write_report
from market_maker.backtest.session_log import SessionLogs
from market_maker.config.load import load_for
from market_maker.config.options import RunOptions
from market_maker.ticks.checking import require_usable
from market_maker.ticks.foreign import Given
from market_maker.ticks.loading import load

MARKET = "XBT-USD"
SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "bitmex_xbtusd_20200310.parquet"

engine = sys.argv[1] if len(sys.argv) > 1 else "avellaneda-stoikov"

# The plain layout does not say what it is of; tick and lot are inferred from its prices and sizes.
recording, ticks = load([SAMPLE], given=Given(market=MARKET, inverse=True))
print("data:", require_usable(recording, ticks).told())

# The bot's own settings: defaults, and whatever a file of yours says (config_files=(Path("my.toml"),)).
settings = load_for(RunOptions(markets=(MARKET,), engine=engine), {}).settings
# An inverse contract's account holds coin: the configured capital buys it at the first trade's price.
settings, _ = in_settlement(settings, recording.header.instrument, ticks)

logs = SessionLogs()
run = Backtest(settings, MARKET, recording.header.instrument, ticks, seed=1, observe=logs.observe)
ended = run.run()
files = write_report(logs[MARKET].session(), Path("reports") / "sample")

statistics = files.said.statistics
print(f"{engine}: {statistics.activity.orders} orders, {statistics.activity.fills} fills")
print("verdict:", statistics.judgement.verdict.value, "because", "; ".join(statistics.judgement.reasons))
print("report:", files.page)
