"""Disks, settings, defaults and files, where operation goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import get_args

import click
import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel

from market_maker.cli.engines import engine_models
from market_maker.cli.root import root
from market_maker.config.load import load
from market_maker.config.options import RunOptions
from market_maker.config.runtime import JournalConfig
from market_maker.config.schema import Settings
from market_maker.core.commands import CancelRequest
from market_maker.runtime.journal import FileJournal, journal_files


def _written(folder: Path) -> int:
    return sum(path.read_bytes().count(b"order-") for path in journal_files(folder))


@pytest.mark.scenario("SC88")
def test_a_disk_that_does_not_sync_holds_nobody_up(tmp_path: Path) -> None:
    free = threading.Event()
    failures: list[str] = []

    def sync(_fd: int) -> None:
        assert free.wait(30.0)

    config = JournalConfig(sync_period_s=0.001, max_file_mb=0.001)
    journal = FileJournal(tmp_path, 1, config, failures.append, sync=sync)
    for n in range(1_000):  # a sync is under way all along, over several files
        journal.append(CancelRequest(f"order-{n:08d}"))
    assert _written(tmp_path) == 1_000
    # Files that wait for the disk are bounded; then the gate closes.
    n = 1_000
    while not journal.failed:
        journal.append(CancelRequest(f"order-{n:08d}"))
        n += 1
        assert n < 100_000
    assert len(failures) == 1
    assert journal.dropped == 1
    assert not journal.retry()
    free.set()
    journal.close()


@pytest.mark.scenario("SC88")
def test_a_disk_that_catches_up_is_written_to_again(tmp_path: Path) -> None:
    free = threading.Event()

    def sync(_fd: int) -> None:
        assert free.wait(30.0)

    config = JournalConfig(sync_period_s=0.001, max_file_mb=0.001)
    journal = FileJournal(tmp_path, 1, config, lambda _detail: None, sync=sync)
    while not journal.failed:
        journal.append(CancelRequest("order"))
    free.set()
    while not journal.retry():
        pass
    journal.append(CancelRequest("order-after"))
    journal.close()
    assert _written(tmp_path) == 1


def _unbounded(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _unbounded(kind, f"{prefix}{name}.")
        elif {int, float, Decimal} & ({*get_args(kind)} or {kind}) and get_args(kind)[1:] != (...,):
            kinds = [type(bound) for bound in field.metadata]
            if not ({Ge, Gt} & {*kinds} and {Le, Lt} & {*kinds}):
                yield prefix + name


CHECKED_AS_A_WHOLE = {
    "signals.volatility.jump_blend",
    "ledger.markout_horizons_s",
    "engines.layered.multiples",
    "engines.layered.shares",
}
"""Rows of numbers; their validators say what they may be."""


@pytest.mark.scenario("SC91")
def test_every_number_in_the_settings_has_a_least_and_a_greatest_value() -> None:
    unbounded = set(_unbounded(Settings, ""))
    for name, model in engine_models().items():
        unbounded |= set(_unbounded(model, f"engines.{name}."))
    assert unbounded <= CHECKED_AS_A_WHOLE


@pytest.mark.scenario("SC93")
def test_every_command_assumes_what_the_settings_and_the_run_assume() -> None:
    context = click.Context(root)
    options = RunOptions(markets=())
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        subcommands = command.commands.values() if isinstance(command, click.Group) else ()
        for each in (command, *subcommands):
            assumed = {param.name: param.get_default(context) for param in each.params}
            assert assumed.get("mode", options.mode.value) == options.mode.value
            assert assumed.get("data_dir", options.data_dir) == options.data_dir
    # What is also a setting has no default of its own: the setting's holds.
    run = root.get_command(context, "run")
    assert run is not None
    given = run.make_context("run", ["--market", "SOL-USD"]).params
    assert [given[name] for name in ("engine", "metrics_port", "log_format")] == [None] * 3
    (port,) = (param for param in run.params if param.name == "metrics_port")
    assert isinstance(port, click.Option)
    assert f"{Settings().metrics.port} unless set" in (port.help or "")
    assert load().settings == Settings()
