"""Errors in settings as a user reads them: where, which key, what is wrong, what to write.

Owns the wording. Never shows a value, because a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from pydantic import BaseModel, ValidationError

from market_maker.config.keys import KeyPath, hint
from market_maker.core.errors import UnusableError


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing to fix: a place (file and line, variable or option) and a sentence."""

    where: str
    message: str


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Stop with all problems at once."""
    unique = list(dict.fromkeys(problems))
    if not unique:
        return
    count = "one problem" if len(unique) == 1 else f"{len(unique)} problems"
    lines = (f"  {problem.where}: {problem.message}" for problem in unique)
    raise UnusableError(f"{count} in the configuration\n" + "\n".join(lines))


def from_validation(
    error: ValidationError,
    model: type[BaseModel],
    origins: Mapping[KeyPath, str],
    prefix: KeyPath = (),
    tables: Mapping[KeyPath, str] | None = None,
) -> list[Problem]:
    """One problem per wrong key; `prefix` says where below the settings the model stands.

    `tables` says where tables begin, for those that should not be there at all.
    """
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            message = f"unknown key; {hint(model, path)}"
        else:
            message = _reworded(detail["msg"])
        full = (*prefix, *path)
        where = (tables or {}).get(full) or origin_of(origins, full)
        problems.append(Problem(where, f"{dotted(full)}: {message}"))
    return problems


def origin_of(origins: Mapping[KeyPath, str], path: KeyPath) -> str:
    """Where a key was written: itself, the table that it stands in, or a key below it."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    below = [where for key, where in origins.items() if key[: len(path)] == path]
    return below[-1] if below else "default"


def dotted(path: Iterable[str]) -> str:
    """The key as TOML writes it."""
    return ".".join(part if _bare(part) else f'"{part}"' for part in path)


def _bare(part: str) -> bool:
    return part.replace("_", "").isalnum()


def _reworded(message: str) -> str:
    for start, replacement in (("Input should be ", "must be "), ("Value error, ", "")):
        if message.startswith(start):
            return replacement + message[len(start) :]
    return message[:1].lower() + message[1:]
