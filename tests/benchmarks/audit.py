"""Hours of virtual trading with every statement of DESIGN.md checked at every event.

    python tests/benchmarks/audit.py --hours 4 --seeds 7,733 --engines glft layered

The test suite does the same for minutes. Limits of loss are lifted, so that the bot trades on
whatever it loses. Prints what each session saw; exits 1 if a statement did not hold, the bot did
not end cleanly, or it warned of anything.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "app"), str(Path(__file__).parents[2])]

from engine_trial import CLASSES, ENGINES, NAIVE, SYMBOL, settings_for  # noqa: E402 - the line above makes it importable
from invariants import Audit  # noqa: E402 - likewise
from tests.benchmarks._options import overrides, seeds, volatility_class  # noqa: E402 - likewise

from market_maker.app.virtual import VirtualRun  # noqa: E402 - likewise
from market_maker.core.errors import ExitCode  # noqa: E402 - likewise

_OWN = [engine for engine in ENGINES if engine != NAIVE]
_LIFTED = ["risk.max_drawdown=1.0", "risk.max_daily_loss=1.0"]


class Session:
    """One engine on one seed, audited; counts seconds by class of volatility and by halt reason."""

    def __init__(self, engine: str, seed: int, settings: list[str]) -> None:
        """Prepare the session."""
        self.audit = Audit()
        config = settings_for(engine, overrides(settings))
        self.run = self.audit.watch(
            VirtualRun(
                config, (SYMBOL,), seed=seed, wrap=self.audit.wrap, journal=self.audit.journal
            )
        )
        self.true: Counter[str] = Counter()
        self.classed: Counter[str] = Counter()
        self.halted: Counter[str] = Counter()

    def trade(self, hours: float) -> list[str]:
        """Let it trade and stop; what was wrong."""
        code = self.run.run(lambda run: self._work(run, hours))
        faults = [] if code is ExitCode.CLEAN else [f"the bot ended with {code!r}"]
        faults += [" ".join(said) for said in self.run.log]
        try:
            self.audit.check_end()
        except AssertionError as error:
            faults += [str(error)]
        return faults

    async def _work(self, run: VirtualRun, hours: float) -> ExitCode:
        strategy = run.bot.markets[SYMBOL].bot.strategy
        for _ in range(round(hours * 3600.0)):
            await asyncio.sleep(1.0)
            core = run.exchange.core(SYMBOL)
            self.true[volatility_class(core.volatility_60s_bps)] += 1
            readings = strategy.quotes.readings
            volatility = None if readings is None else readings.volatility
            self.classed["unknown" if volatility is None else str(volatility.regime)] += 1
            self.halted.update(str(reason) for reason in strategy.parts.gate.reasons)
        return await run.stop()

    def tell(self) -> str:
        """What happened, in one line."""
        strategy = self.run.bot.markets[SYMBOL].bot.strategy
        seconds = self.true.total()
        shares = ", ".join(
            f"{name} {self.true[name] / seconds:.0%}/{self.classed[name] / seconds:.0%}"
            for name in CLASSES
        )
        seen = f"{self.audit.events} events, {self.audit.orders} orders, {strategy.fills} fills"
        halts = ", ".join(f"{name} {count} s" for name, count in self.halted.most_common())
        return f"{seen}; time by true class/class of the bot: {shares}; halted: {halts or 'never'}"


def main(argv: list[str]) -> int:
    """Run every session and judge."""
    parser = argparse.ArgumentParser(description="Audit hours of trading in virtual time.")
    parser.add_argument("--hours", type=float, default=4.0, help="simulated hours of each session")
    parser.add_argument("--seeds", type=seeds, default=seeds("7,47,733"), help="for example 1-8")
    parser.add_argument("--engines", nargs="+", default=["glft"], choices=_OWN)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(argv)
    failed = False
    for seed in options.seeds:
        for engine in options.engines:
            session, started = Session(engine, seed, [*_LIFTED, *options.set]), time.perf_counter()
            faults = session.trade(options.hours)
            failed |= bool(faults)
            spent = time.perf_counter() - started
            print(f"{engine} seed {seed} in {spent:.0f} s: {session.tell()}", flush=True)  # noqa: T201 - the result
            for fault in faults:
                print(f"  {fault}", flush=True)  # noqa: T201 - likewise
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
