"""How fast seeds run with every invariant checked before every event.

The default ladder in a market that moves, quoted by a bot that follows each tick: some fifty
market events and twenty orders a second, in the weather of a few seeds and without faults, so that
neither halts nor crashes make it cheaper. The rates are printed beside the speed.
"""

import time

from tests.benchmarks._table import Row

from market_maker.app.simulation.seed_run import Options, SeedRun
from market_maker.config.schema import Settings

_SEEDS = (4, 5, 9)
_DURATION_S = 60.0
_REPEATS = 3
_RESTLESS = Settings.model_validate(
    {
        "quoting": {
            "ladder": {"order_size_quote": 150.0},
            "pipeline": {
                "tolerance_ticks": 0,
                "tolerance_bps": 0,
                "min_interval_s": 0.0,
                "churn_per_s": 100,
                "churn_burst": 200,
            },
        },
        "risk": {"requests_per_window": 60, "max_position_notional_quote": 4_000},
        "venue": {
            "simulated": {
                "order_rate_per_s": 100,
                "order_burst": 200,
                "market": {"news_per_s": 6.0, "public_lag_s": 0.05, "volatility_bps": 4.2},
            }
        },
    }
)


def rows() -> list[Row]:
    """Simulated seconds in a second, with the rates at which events and orders came."""
    options = Options(settings=_RESTLESS, markets=("SOL-USD",), faults=(), duration_s=_DURATION_S)
    SeedRun(_SEEDS[0], options).run()
    speed, rates = max(_measure(options) for _ in range(_REPEATS))
    return [Row("simulation, every invariant on", speed, "x real time", 150, rates, at_most=False)]


def _measure(options: Options) -> tuple[float, str]:
    began_s = time.process_time()
    reports = [SeedRun(seed, options).run() for seed in _SEEDS]
    took_s = time.process_time() - began_s
    assert not any(report.broken for report in reports)
    simulated_s = sum(report.simulated_s for report in reports)
    market_events = sum(report.market_events for report in reports) / simulated_s
    orders = sum(report.orders for report in reports) / simulated_s
    rates = f"{market_events:.0f} market events/s, {orders:.0f} orders/s, 2 x 3 levels"
    return simulated_s / took_s, rates
