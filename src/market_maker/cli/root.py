"""The command line's root: a static table of commands, `run` when none is named, exit codes.

Owns how errors end the process. `--help` imports no settings, no numerics and no venue: command modules
declare options only and import what they do when they do it.
"""

from __future__ import annotations

import difflib
import importlib
import json
import sys
import traceback
from pathlib import Path

import click

from market_maker import __version__, early_signals
from market_maker.core.errors import ExitCode, MarketMakerError
from market_maker.telemetry.redaction import Redactor

PROGRAM = "python -m market_maker"
DEFAULT_COMMAND = "run"

COMMANDS = {
    "run": ("market_maker.cli.run", "Make markets (the default command)."),
    "status": ("market_maker.cli.status", "Show what a running bot holds, quotes and earns."),
    "why": ("market_maker.cli.why", "Explain each quote, and each quote that is missing."),
    "kill": ("market_maker.cli.kill", "Engage the kill switch: cancel everything, stay stopped."),
    "rearm": ("market_maker.cli.rearm", "Release the kill switch after a resync."),
    "simulate": ("market_maker.cli.simulate", "Prove by faults and seeds that no rule breaks."),
    "exchange": (
        "market_maker.cli.exchange",
        "Serve the embedded exchange from a process of its own.",
    ),
    "config": ("market_maker.cli.config", "Check, show or describe the settings."),
    "backtest": ("market_maker.cli.backtest", "Run the bot on recorded market data."),
    "optimise": (
        "market_maker.cli.optimise",
        "Search parameters on recorded data, judge them on the rest.",
    ),
    "record": ("market_maker.cli.record", "Record public market data; recover it after a crash."),
    "data": ("market_maker.cli.data", "Check recordings, convert those of others."),
    "parity": ("market_maker.cli.parity", "Say how far two sessions are apart, and why."),
    "replay": ("market_maker.cli.replay", "Decide a recorded session again, bit for bit."),
    "report": ("market_maker.cli.report", "Say what a session earned, and whether that is chance."),
}
"""Name to module (which has a `command`) and summary."""

HIDDEN_COMMANDS = {"_view": "market_maker.cli.view"}
"""Commands that only the bot itself starts."""

EXAMPLES = f"""\b
Examples:
  {PROGRAM} --market SOL-USD
  {PROGRAM} --market SOL-USD --engine layered --config my.toml
  {PROGRAM} status --json
  {PROGRAM} kill --reason "exchange maintenance"
  {PROGRAM} simulate --seeds 20
  {PROGRAM} config show --market SOL-USD
"""


class Root(click.Group):
    """Finds commands in the table; arguments that start with an option belong to `run`."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Visible names in the table's order."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's declaration."""
        if cmd_name in COMMANDS:
            module = COMMANDS[cmd_name][0]
        elif cmd_name in HIDDEN_COMMANDS:
            module = HIDDEN_COMMANDS[cmd_name]
        else:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before options that are not the root's own."""
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h", "--version"):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for one that does not exist."""
        name = args[0]
        if self.get_command(ctx, name) is None:
            meant = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"Did you mean {meant[0]!r}?" if meant else f"Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}. {hint}")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands from the table, then the default command's options."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])
        run = self.get_command(ctx, DEFAULT_COMMAND)
        params = run.get_params(ctx) if run is not None else []
        records = [r for param in params if (r := param.get_help_record(ctx)) is not None]
        with formatter.section("Options of run"):
            formatter.write_dl(records)


@click.group(
    cls=Root,
    epilog=EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="market-maker")
@click.pass_context
def root(ctx: click.Context) -> None:
    """A market maker for crypto that a trader can leave alone with money.

    Without a command it runs the bot; without --mode it trades on the embedded exchange, which needs
    neither keys nor a network.
    """
    if ctx.invoked_subcommand != DEFAULT_COMMAND:
        early_signals.restore()


def main(args: list[str] | None = None) -> int:
    """Run the command line and return the process's exit code.

    Whoever asked for JSON also gets a failure as one JSON object on standard output.
    """
    given = sys.argv[1:] if args is None else args
    as_json = "--json" in given
    try:
        result = root.main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return _failed(ExitCode.USAGE, error.format_message(), as_json=as_json)
    except click.Abort:
        click.echo("interrupted", err=True)
        return ExitCode.UNEXPECTED
    except MarketMakerError as error:
        click.echo(f"error: {error}", err=True)
        return _failed(error.exit_code, str(error), as_json=as_json)
    except BrokenPipeError:
        # Whoever read our output has gone; closing quietly is what other tools do.
        sys.stderr.close()
        return ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001 - the process's last frame: anything ends as exit code 1
        message = _unexpected(error)
        click.echo(message, err=True)
        return _failed(ExitCode.UNEXPECTED, message, as_json=as_json)
    return result if isinstance(result, int) else ExitCode.CLEAN


def _failed(code: ExitCode, message: str, *, as_json: bool) -> ExitCode:
    """Tell a program why it failed, too."""
    if as_json:
        click.echo(json.dumps({"error": message, "exit_code": code, "kind": code.name.lower()}))
    return code


def _unexpected(error: Exception) -> str:
    """Say what happened in one line and keep the trace where it can be sent to us."""
    trace = Redactor().text("".join(traceback.format_exception(error)))
    path = Path("market-maker-crash.log").absolute()
    try:
        path.write_text(trace, encoding="utf-8")
        where = f"; the trace is in {path}"
    except OSError:
        where = f"\n{trace}"
    message = Redactor().text(str(error))
    return f"unexpected error: {type(error).__name__}: {message}{where}"
