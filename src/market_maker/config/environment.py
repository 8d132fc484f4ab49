"""Settings from the environment: `MM_SECTION__KEY`, or `MM_SECTION__KEY_FILE` naming a file.

Owns the mapping between names and keys, both ways. A name that starts with `MM_` and means nothing is a
problem, never ignored: a typing error must not leave a limit at its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from market_maker.config.keys import OPEN_SECTIONS, KeyPath, leaf_keys, nearest
from market_maker.config.layers import Layer, flatten, merged
from market_maker.config.problems import Problem

PREFIX = "MM_"
DELIMITER = "__"
FILE_SUFFIX = "_FILE"
ENGINES = "engines"

OPTION_VARIABLES = (
    "MM_MARKET",
    "MM_MODE",
    "MM_VENUE",
    "MM_CONFIG",
    "MM_PARAMS",
    "MM_SEED",
    "MM_DURATION",
    "MM_DATA_DIR",
)
"""Variables that stand for command-line options without a key of their own."""


def variable(key: KeyPath) -> str:
    """The name of the variable that sets a key."""
    return PREFIX + DELIMITER.join(part.replace("-", "_") for part in key).upper()


def read_environment(
    environ: Mapping[str, str], model: type[BaseSettings], problems: list[Problem]
) -> Layer:
    """Every setting in the environment; reports unknown names and unreadable values."""
    known = {variable(key) for key, _ in leaf_keys(model) if key[0] not in OPEN_SECTIONS}
    layer = Layer({}, {})
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX) or name.upper() in OPTION_VARIABLES:
            continue
        plain = _plain_name(name.upper(), known)
        if plain is None:
            problems.append(Problem(name, _unknown(name.upper(), known)))
            continue
        value = environ[name]
        if plain != name.upper():
            value = _file_content(name, value, problems)
        _add(layer, model, name, plain, value, problems)
    return layer


def _plain_name(name: str, known: set[str]) -> str | None:
    """The variable that a name stands for, None for an unknown one."""
    for candidate in (name, name.removesuffix(FILE_SUFFIX)):
        if candidate in known or _names_an_engine_key(candidate):
            return candidate
    return None


def _names_an_engine_key(name: str) -> bool:
    # Engines' keys are theirs to judge; this room only knows that there is an engine and a key.
    return name.startswith(variable((ENGINES,)) + DELIMITER) and name.count(DELIMITER) >= 2


def _unknown(name: str, known: set[str]) -> str:
    within = [each for each in sorted(known) if each.startswith(name + DELIMITER)]
    if within:
        return f"names a section, not a key: write {name}{DELIMITER}KEY, such as {within[0]}"
    meant = nearest(name, known | set(OPTION_VARIABLES))
    return "unknown variable; " + (
        f"did you mean {meant}?" if meant else "`config show` lists every key"
    )


def _file_content(name: str, path: str, problems: list[Problem]) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        problems.append(Problem(name, f"{path} cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(name, f"{path} is not UTF-8 text"))
    return ""


def _add(
    layer: Layer,
    model: type[BaseSettings],
    name: str,
    plain: str,
    value: str,
    problems: list[Problem],
) -> None:
    source = EnvSettingsSource(model, env_prefix=PREFIX, env_nested_delimiter=DELIMITER)
    source.env_vars = {plain.lower(): value}
    try:
        values = source()
    except SettingsError:
        problems.append(Problem(name, "holds a list or a table: write JSON, such as [60, 300]"))
        return
    engines = values.get(ENGINES)
    if isinstance(engines, Mapping):
        values[ENGINES] = {str(key).replace("_", "-"): value for key, value in engines.items()}
    layer.values = merged(layer.values, values)
    layer.origins.update(dict.fromkeys((key for key, _ in flatten(values)), name))
