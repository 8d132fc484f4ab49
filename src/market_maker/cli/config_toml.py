"""Settings as a commented TOML file, made from the models so that it cannot go out of date."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from market_maker.config.keys import OPEN_SECTIONS, section_of
from market_maker.config.problems import dotted
from market_maker.config.schema import Settings

_WIDTH = 98
_HEAD = """\
# Every setting with its built-in default. Copy the lines that you want to change into a file of your own and
# give it with --config; a line left out keeps its default. [markets."SOL-USD"] may repeat any section
# for one market, for example:
#
#   [markets."SOL-USD".quoting.ladder]
#   levels = 2
"""


def render_toml(
    settings: Settings,
    engine_models: Mapping[str, type[BaseModel]],
    engine_values: Mapping[str, Mapping[str, object]],
) -> str:
    """The whole file."""
    blocks = [_HEAD]
    for name, field in Settings.model_fields.items():
        section = section_of(field)
        if section is not None and name not in OPEN_SECTIONS:
            blocks.extend(_section((name,), section, getattr(settings, name)))
    for name, model in engine_models.items():
        value = model.model_validate(engine_values[name])
        blocks.extend(_section(("engines", name), model, value))
    return "\n".join(blocks)


def _section(path: tuple[str, ...], model: type[BaseModel], value: BaseModel) -> Iterator[str]:
    """One table, then the tables in it: TOML wants a table's own keys first."""
    leaves = [(n, f) for n, f in model.model_fields.items() if section_of(f) is None]
    if leaves:
        title = (model.__doc__ or "").strip().partition("\n")[0]
        lines = [f"# {title}"] if title else []
        lines.append(f"[{dotted(path)}]")
        for name, field in leaves:
            lines.extend(_key(name, field, getattr(value, name)))
        yield "\n".join(lines) + "\n"
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            yield from _section((*path, name), section, getattr(value, name))


def _key(name: str, field: FieldInfo, value: object) -> Iterator[str]:
    bounds = _bounds(field)
    comment = (field.description or "") + (f" ({bounds})" if bounds else "")
    yield from textwrap.wrap(comment, _WIDTH, initial_indent="# ", subsequent_indent="# ")
    yield f"# {name} =" if value is None else f"{name} = {_value(value)}"


def _bounds(field: FieldInfo) -> str:
    words = []
    for rule in field.metadata:
        match rule:
            case Gt(gt=low):
                words.append(f"above {low}")
            case Ge(ge=low):
                words.append(f"at least {low}")
            case Lt(lt=high):
                words.append(f"below {high}")
            case Le(le=high):
                words.append(f"at most {high}")
            case _:
                pass
    return ", ".join(words)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return json.dumps(value.value)
        case str():
            return json.dumps(value)
        case Decimal():
            return format(value.normalize(), "f")
        case int() | float():
            return str(value)
        case tuple() | list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            pairs = (f"{json.dumps(str(k))} = {_value(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case _:
            return json.dumps(str(value))
