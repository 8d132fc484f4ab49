"""Compares the quoting engines with a naive quote at the touch, on the embedded market.

    python tests/benchmarks/engines.py --by-start 5 --hours 120     the table of docs/engines.md
    python tests/benchmarks/engines.py                              the first seeds as they come
    python tests/benchmarks/engines.py --hours 4 --seeds 101-102 --set engines.glft.holding_s=30.0

Every engine trades the same hours of the same seeds, so differences are paired. Standard errors
are jackknifed over blocks of ten minutes. Exits 1 if a limit broke or a sum was not exact.
"""

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "app"), str(Path(__file__).parents[2])]

from engine_trial import BLOCK_S, ENGINES, NAIVE, Trial, run_trial  # noqa: E402 - the line above makes it importable
from tests.benchmarks._engine_table import table  # noqa: E402 - likewise
from tests.benchmarks._options import overrides, seeds, seeds_by_start  # noqa: E402 - likewise

from market_maker.config.schema import Settings  # noqa: E402 - likewise

Job = tuple[str, int, float, dict[str, object]]


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare quoting engines on the embedded market.")
    parser.add_argument(
        "--hours", type=float, default=24.0, help="simulated hours, shared by engines and seeds"
    )
    parser.add_argument("--seeds", type=seeds, default=seeds("1-4"), help="for example 1-8")
    parser.add_argument(
        "--by-start",
        type=int,
        metavar="N",
        help="instead: the first N seeds that open in each class of volatility",
    )
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", type=Path, help="write every block to this file")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(argv)


def _work(job: Job) -> Trial:
    return run_trial(*job)


def _run(jobs: list[Job], processes: int, json_file: Path | None) -> list[Trial]:
    """Every trial, in the order of the jobs, with a line of progress and the file for each."""
    done: list[Trial] = []
    started = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for trial in pool.imap(_work, jobs):
            done.append(trial)
            if json_file is not None:
                json_file.write_text(json.dumps([_plain(trial) for trial in done]))
            spent = time.perf_counter() - started
            left = spent / len(done) * (len(jobs) - len(done))
            line = f"{len(done)}/{len(jobs)} {trial.engine} seed {trial.seed}, {left:.0f} s left"
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress
    return done


def main(argv: list[str]) -> int:
    """Run, print the table, and judge what must always hold."""
    arguments = _arguments(argv)
    chosen = overrides(arguments.set)
    markets = arguments.seeds
    if arguments.by_start is not None:
        markets = seeds_by_start(Settings.model_validate(chosen), arguments.by_start)
    hours = arguments.hours / len(markets) / len(arguments.engines)
    if hours * 3600.0 < 2.0 * BLOCK_S:
        sys.exit("every engine needs at least two blocks of ten minutes on each seed")
    jobs = [(e, seed, hours, chosen) for seed in markets for e in arguments.engines]
    trials = _run(jobs, arguments.processes, arguments.json)
    print(table(trials, NAIVE))  # noqa: T201 - the result
    for note in [f"{t.engine} seed {t.seed}: {note}" for t in trials for note in t.notes]:
        print(note, file=sys.stderr)  # noqa: T201 - progress
    faults = [f"{t.engine} seed {t.seed}: {fault}" for t in trials for fault in t.faults]
    for fault in faults:
        print(fault, file=sys.stderr)  # noqa: T201 - the verdict
    return 1 if faults else 0


def _plain(trial: Trial) -> dict[str, object]:
    plain = {name: getattr(trial, name) for name in trial.__struct_fields__}
    plain["blocks"] = [block._asdict() for block in trial.blocks]
    return plain


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
