"""From an engine's name to an engine, ours or anybody's.

Engines are found through the entry-point group `market_maker.engines` alone, so one that
lives in another package is no different from ours. Whatever is wrong with a name, a plug-in or a
section ends in an UnusableError that says what to change.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from pydantic import BaseModel, ConfigDict, ValidationError

from market_maker.core.errors import UnusableError
from market_maker.quoting.engine import QuotingEngine

GROUP = "market_maker.engines"


def engine_names() -> tuple[str, ...]:
    """Names of all installed engines, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def engine_config_model(name: str) -> type[BaseModel]:
    """The model of an engine's section, for schemas and validation."""
    return _engine_class(name)[1]


def _strict(model: type[BaseModel]) -> type[BaseModel]:
    """The model, refusing unknown keys whatever its author left open."""
    if model.model_config.get("extra") == "forbid":
        return model
    strict = type(model.__name__, (model,), {"model_config": ConfigDict(extra="forbid")})
    assert issubclass(strict, BaseModel)
    return strict


def build_engine(name: str, raw_config: Mapping[str, object]) -> QuotingEngine:
    """Build the engine `name` from its raw section."""
    factory, model = _engine_class(name)
    try:
        config = model.model_validate(dict(raw_config))
    except ValidationError as error:
        raise UnusableError(_explain(name, model, error)) from error
    try:
        engine = factory(config)
    except Exception as error:  # foreign code may raise anything
        msg = f"engine {name!r} could not be built: {_say(error)}"
        raise UnusableError(msg) from error
    if not isinstance(engine, QuotingEngine):
        msg = f"engine {name!r} has no usable `quote`; see the engine protocol in the README"
        raise UnusableError(msg)
    return engine


def _engine_class(name: str) -> tuple[type, type[BaseModel]]:
    points = _points(name)
    if len(points) > 1:
        sources = ", ".join(sorted(point.value for point in points))
        msg = f"engine {name!r} is offered more than once ({sources}); uninstall all but one"
        raise UnusableError(msg)
    try:
        loaded = points[0].load()
    except Exception as error:  # foreign code may raise anything
        msg = f"engine {name!r} ({points[0].value}) could not be loaded: {_say(error)}"
        raise UnusableError(msg) from error
    model = getattr(loaded, "Config", None)
    if not (
        isinstance(loaded, type)
        and isinstance(model, type)
        and issubclass(model, BaseModel)
        and callable(getattr(loaded, "quote", None))
    ):
        msg = (
            f"engine {name!r} ({points[0].value}) is not an engine: it needs to be a class with "
            "`name`, a pydantic `Config` and `quote`"
        )
        raise UnusableError(msg)
    return loaded, _strict(model)


def _points(name: str) -> list[EntryPoint]:
    # One distribution seen twice on the path offers the same value twice.
    points = {point.value: point for point in entry_points(group=GROUP) if point.name == name}
    if points:
        return list(points.values())
    known = engine_names()
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    msg = f"unknown engine {name!r}{hint} Installed: {', '.join(known) or 'none'}"
    raise UnusableError(msg)


def _explain(name: str, model: type[BaseModel], error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        key = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"]
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, model.model_fields, n=1)
            text = "unknown key" + (f", did you mean {near[0]!r}?" if near else "")
        problems.append(f"{key}: {text}" if key else text)
    return f"[engines.{name}] " + "; ".join(problems)


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
