"""Engines' own sections, which the settings carry unread: checked here, with file and line.

The settings' room may not know engines and the engines' registry may not know files; the command line knows both.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, JsonValue, ValidationError

from market_maker.config.keys import KeyPath, nearest
from market_maker.config.load import Loaded
from market_maker.config.problems import Problem, dotted, from_validation, raise_if_any
from market_maker.config.schema import Settings
from market_maker.quoting.registry import engine_config_model, engine_names


def check_engines(loaded: Loaded, markets: Iterable[str] = ()) -> None:
    """Check every engine section and every engine that is named; raises `UnusableError`."""
    problems = _problems(loaded, loaded.settings, ())
    for market in dict.fromkeys((*loaded.settings.markets, *markets)):
        prefix = ("markets", market) if market in loaded.settings.markets else ()
        problems += _problems(loaded, loaded.settings.for_market(market), prefix)
    raise_if_any(problems)


def engine_models() -> dict[str, type[BaseModel]]:
    """Every installed engine's model by name."""
    return {name: engine_config_model(name) for name in engine_names()}


def resolved_engine(settings: Settings, name: str) -> dict[str, JsonValue]:
    """An engine's section with its defaults filled in."""
    model = engine_config_model(name)
    section: dict[str, JsonValue] = model.model_validate(settings.engines.get(name, {})).model_dump(
        mode="json"
    )
    return section


def _problems(loaded: Loaded, settings: Settings, prefix: KeyPath) -> list[Problem]:
    known = engine_names()
    problems = []
    if settings.quoting.engine not in known:
        named = ("quoting", "engine")
        problems.append(
            _unknown(loaded, _written(loaded, prefix, named), settings.quoting.engine, known)
        )
    for name, section in settings.engines.items():
        key = _written(loaded, prefix, ("engines", name))
        if name not in known:
            problems.append(_unknown(loaded, key, name, known))
            continue
        model = engine_config_model(name)
        try:
            model.model_validate(section)
        except ValidationError as error:
            problems.extend(from_validation(error, model, loaded.origins, key))
    return problems


def _written(loaded: Loaded, prefix: KeyPath, key: KeyPath) -> KeyPath:
    """The market's own key where it has one, else the key for all markets."""
    own = (*prefix, *key)
    return own if any(origin[: len(own)] == own for origin in loaded.origins) else key


def _unknown(loaded: Loaded, key: KeyPath, name: str, known: tuple[str, ...]) -> Problem:
    meant = nearest(name, known)
    hint = f"did you mean {meant}?" if meant else f"installed: {', '.join(known)}"
    return Problem(loaded.place(key), f"{dotted(key)}: no engine {name!r}; {hint}")
