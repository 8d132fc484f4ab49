"""Many seeds over the machine's cores, each in a process of its own choosing.

Owns the workers. It always holds that reports come in the order of the seeds, whatever the
number of workers, and that a worker's crash names its seed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait

from market_maker.app.simulation.seed_run import Options, SeedReport, SeedRun
from market_maker.core.errors import MarketMakerError


def simulate_seed(seed: int, options: Options) -> SeedReport:
    """Run one seed to its end."""
    return SeedRun(seed, options).run()


def simulate(seeds: Sequence[int], options: Options, jobs: int) -> Iterator[SeedReport]:
    """Run the seeds on `jobs` processes; yields each report as soon as its turn comes."""
    if jobs <= 1 or len(seeds) <= 1:
        for seed in seeds:
            yield simulate_seed(seed, options)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(jobs, len(seeds)), mp_context=context, initializer=_follow_parent
    )
    try:
        # What is ignored now stays ignored in the workers, from their first instruction on.
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            reports = pool.map(partial(simulate_seed, options=options), seeds)
        finally:
            signal.signal(signal.SIGINT, heard)
        yield from reports
    except BrokenProcessPool as error:
        msg = "a worker process died (out of memory?): try again with --jobs 1"
        raise MarketMakerError(msg) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _follow_parent() -> None:
    """End with the parent however it ends; Ctrl-C was left to it from the start."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        # No seed is worth finishing for nobody, and a blocked worker hears no exception.
        os._exit(1)
