"""Which keys exist, read off the models, and which of them a mistyped one was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

KeyPath = tuple[str, ...]

OPEN_SECTIONS = frozenset({"engines", "markets"})
"""Sections whose keys other rooms or other sections define."""

_CUTOFF = 0.6


def leaf_keys(model: type[BaseModel], prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Every key that holds a value, in the order of the models."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is None:
            yield (*prefix, name), field
        else:
            yield from leaf_keys(section, (*prefix, name))


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, None for a value."""
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def section_at(model: type[BaseModel], path: Iterable[str]) -> type[BaseModel] | None:
    """The model at a path of sections, None where there is none."""
    current: type[BaseModel] | None = model
    for name in path:
        if current is None or name not in current.model_fields:
            return None
        current = section_of(current.model_fields[name])
    return current


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    found = difflib.get_close_matches(name, sorted(names), n=1, cutoff=_CUTOFF)
    return found[0] if found else None


def hint(model: type[BaseModel], path: KeyPath) -> str:
    """What to write instead of an unknown key, or what may stand there."""
    *parents, name = path
    section = section_at(model, parents)
    siblings = list(section.model_fields) if section is not None else []
    meant = nearest(name, siblings)
    if meant is not None:
        return f"did you mean {meant}?"
    elsewhere = [".".join(key) for key, _ in leaf_keys(model) if key[-1] == name]
    if elsewhere:
        return f"it belongs in {elsewhere[0]}"
    return f"known here: {', '.join(siblings)}" if siblings else "no such section"
