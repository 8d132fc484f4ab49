"""Defaults, files, environment and flags laid over one another, checked, all errors at once.

Owns the order: built-in defaults < `--config` files < `--params` < environment < market tables < flags.
Refuses to guess: an unknown key or variable stops the start, and so do settings that can never quote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from pydantic import ValidationError

from market_maker.config.consistency import contradictions
from market_maker.config.environment import read_environment
from market_maker.config.keys import KeyPath
from market_maker.config.layers import Layer, flatten, from_flags, merged, read_file, without
from market_maker.config.options import DEFAULT_MODE, Mode, RunOptions
from market_maker.config.problems import Problem, dotted, from_validation, origin_of, raise_if_any
from market_maker.config.schema import PROCESS_KEYS, Settings

PARAMS_SECTIONS = ("signals", "engines")
"""What a file of calibrated parameters may set: how the market behaves, never what may be risked."""

Flags = Mapping[KeyPath, tuple[str, object]]


class Loaded(msgspec.Struct, frozen=True):
    """Valid settings and where each value that is not a default was written."""

    settings: Settings
    origins: dict[KeyPath, str]
    tables: dict[KeyPath, str] = {}

    def origin(self, key: KeyPath) -> str:
        """A file and line, a variable, an option, or `default`."""
        return origin_of(self.origins, key)

    def place(self, key: KeyPath) -> str:
        """The same, but for a table the line where it begins."""
        return self.tables.get(key) or self.origin(key)


def load(
    *,
    files: Sequence[Path] = (),
    params: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Flags | None = None,
    mode: Mode = DEFAULT_MODE,
) -> Loaded:
    """Read and check everything; raises `UnusableError` naming every problem."""
    problems: list[Problem] = []
    layer = Layer({}, {})
    for file in files:
        layer = read_file(file, problems).put_over(layer)
    if params is not None:
        layer = _read_params(params, problems).put_over(layer)
    layer = read_environment(environ or {}, Settings, problems).put_over(layer)
    layer = _with_flags(layer, flags or {})
    settings = _validated(layer, problems)
    raise_if_any(problems)
    raise_if_any(_contradictions(settings, layer.origins, mode))
    return Loaded(settings, layer.origins, layer.tables)


def load_for(options: RunOptions, environ: Mapping[str, str]) -> Loaded:
    """What a run's options and environment ask for; called again to reload."""
    return load(
        files=options.config_files,
        params=options.params,
        environ=environ,
        flags=options.flags,
        mode=options.mode,
    )


def _read_params(path: Path, problems: list[Problem]) -> Layer:
    layer = read_file(path, problems)
    for key, _ in flatten(layer.values):
        if key[0] not in PARAMS_SECTIONS:
            allowed = " and ".join(f"[{name}]" for name in PARAMS_SECTIONS)
            message = f"{dotted(key)}: a parameter file may set {allowed} only"
            problems.append(Problem(layer.origins[key], message))
    return layer


def _with_flags(layer: Layer, flags: Flags) -> Layer:
    """Flags win over everything, the markets' own tables included."""
    values = layer.values
    markets = values.get("markets")
    for market in markets if isinstance(markets, Mapping) else ():
        for key in flags:
            values = without(values, ("markets", market, *key))
    return from_flags(flags).put_over(Layer(values, layer.origins, layer.tables))


def _validated(layer: Layer, problems: list[Problem]) -> Settings:
    base = {name: value for name, value in layer.values.items() if name != "markets"}
    common = _errors(base)
    if common is not None:
        problems.extend(from_validation(common, Settings, layer.origins, tables=layer.tables))
    markets = layer.values.get("markets", {})
    for market, overrides in markets.items() if isinstance(markets, Mapping) else ():
        if isinstance(overrides, Mapping):
            _check_market(("markets", str(market)), overrides, base, common, layer, problems)
    if problems:
        return Settings()
    try:
        return Settings.model_validate(layer.values)
    except ValidationError as error:
        problems.extend(from_validation(error, Settings, layer.origins, tables=layer.tables))
        return Settings()


def _check_market(
    prefix: KeyPath,
    overrides: Mapping[str, object],
    base: Mapping[str, object],
    common: ValidationError | None,
    layer: Layer,
    problems: list[Problem],
) -> None:
    """Report what is wrong with a market's own tables, and not again what is wrong for all."""
    for key, _ in flatten(overrides):
        if any(key[: len(process)] == process for process in PROCESS_KEYS):
            where = origin_of(layer.origins, (*prefix, *key))
            message = f"{dotted((*prefix, *key))}: belongs to the whole bot, not to one market"
            problems.append(Problem(where, message))
    own = _errors(merged(base, overrides))
    if own is not None:
        for_all = from_validation(common, Settings, {}, prefix) if common is not None else []
        known = {problem.message for problem in for_all}
        found = from_validation(own, Settings, layer.origins, prefix, layer.tables)
        problems.extend(problem for problem in found if problem.message not in known)


def _contradictions(
    settings: Settings, origins: dict[KeyPath, str], mode: Mode
) -> Iterator[Problem]:
    """What keeps all markets or one of them from quoting, at the key that was written."""
    common = contradictions(settings, mode)
    own = (
        (("markets", market), found)
        for market in settings.markets
        for found in contradictions(settings.for_market(market), mode)
        if found not in common
    )
    for prefix, found in (*(((), found) for found in common), *own):
        keys = (*((*prefix, *key) for key in found.keys), *found.keys)
        written = (origin_of(origins, key) for key in keys)
        where = next((place for place in written if place != "default"), "default")
        yield Problem(where, f"{dotted(keys[0])}: {found.message}")


def _errors(values: Mapping[str, object]) -> ValidationError | None:
    try:
        Settings.model_validate(values)
    except ValidationError as error:
        return error
    return None
