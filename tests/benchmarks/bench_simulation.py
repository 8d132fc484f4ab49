"""How fast seeds run with every invariant checked before every event.

A bot that follows each tick, in the weather of a few seeds and without faults, so that neither
halts nor crashes make it cheaper. Rates are printed beside the speed: they are what it costs.
"""

import time

from tests.benchmarks._table import Row

from market_maker.app.simulation.seed_run import Options, SeedRun
from market_maker.config.schema import Settings

_SEEDS = (4, 5, 9)
_DURATION_S = 120.0
_RESTLESS = Settings.model_validate(
    {
        "quoting": {
            "ladder": {"levels": 5, "order_size_quote": 150.0},
            "pipeline": {
                "tolerance_ticks": 0,
                "tolerance_bps": 0,
                "min_interval_s": 0.0,
                "churn_per_s": 100,
                "churn_burst": 200,
            },
        },
        "risk": {"requests_per_window": 60, "max_position_notional_quote": 4_000},
        "venue": {"simulated": {"order_rate_per_s": 100, "order_burst": 200}},
    }
)


def rows() -> list[Row]:
    """Simulated seconds in a second, with the rates at which events and orders came."""
    options = Options(settings=_RESTLESS, markets=("SOL-USD",), faults=(), duration_s=_DURATION_S)
    SeedRun(_SEEDS[0], options).run()
    best, events, orders, simulated_s = 0.0, 0, 0, 0.0
    for seed in _SEEDS:
        began_s = time.process_time()
        report = SeedRun(seed, options).run()
        speed = report.simulated_s / (time.process_time() - began_s)
        assert not report.broken, report.violations
        best = max(best, speed)
        events += report.events
        orders += report.orders
        simulated_s += report.simulated_s
    rates = (
        f"{events / simulated_s:.0f} events/s, {orders / simulated_s:.0f} orders/s, 2 x 5 levels"
    )
    return [Row("simulation, every invariant on", best, "x real time", 150, rates, at_most=False)]
