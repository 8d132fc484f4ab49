"""Bugs as source mutations, planted at import.

A bug is a snippet of production source and what a mistaken author would have written in its
place. Production code knows nothing of it: an import hook compiles the changed source of the modules
concerned, and everything else comes from the tree as it is. A snippet must occur exactly once, so
that a bug whose place was rewritten cannot go stale unnoticed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

import msgspec

SOURCES = Path(__file__).parents[2] / "src"


class StalePlantError(Exception):
    """A snippet does not occur exactly once any more."""


class Edit(msgspec.Struct, frozen=True):
    """One change of one module."""

    module: str
    right: str
    wrong: str


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """A mistake, the faults that bring it out, and the statements of which one must break.

    `keys` are settings beyond those of `tests/simulation/brisk.toml`, as dotted names.
    """

    name: str
    mistake: str
    edits: tuple[Edit, ...]
    faults: str
    breaks: tuple[str, ...]
    keys: dict[str, object] = {}


PATIENT: dict[str, object] = {"risk.unknown_halt_count": 50, "risk.unknown_kill_count": 100}
"""Settings of a bot that goes on quoting beside open questions."""

REPLACING: dict[str, object] = {"quoting.pipeline.amend_max_bps": 0.0}
"""Settings of a bot that cancels and places again instead of amending."""


STILL: dict[str, object] = {
    "quoting.pipeline.tolerance_bps": 50.0,
    "quoting.pipeline.tolerance_ticks": 100.0,
    "quoting.pipeline.size_tolerance": 0.9,
}
"""Settings of a bot that leaves its orders where they are."""


class _MutantLoader(SourceFileLoader):
    """Compiles the changed source of one module; neither reads nor writes cached bytecode."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(
            self._source, self.get_filename(fullname), "exec", dont_inherit=True
        )
        return code


class _Planter(MetaPathFinder):
    """Finds the modules that carry the bug."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = self._sources.get(fullname)
        spec = None if source is None else PathFinder.find_spec(fullname, path, target)
        if source is None or spec is None or spec.origin is None:
            return None
        spec.loader = _MutantLoader(fullname, spec.origin, source)
        return spec


def mutated(bug: Bug) -> dict[str, str]:
    """The changed source of every module that the bug concerns, by full name."""
    sources: dict[str, str] = {}
    for edit in bug.edits:
        name = f"market_maker.{edit.module}"
        source = sources.get(name) or _source(edit.module)
        found = source.count(edit.right)
        if found != 1:
            raise StalePlantError(f"{bug.name}: {found} times in {edit.module}:\n{edit.right}")
        sources[name] = source.replace(edit.right, edit.wrong)
    return sources


def plant(bug: Bug) -> None:
    """Have this process import the bug; none of its modules may have been imported."""
    sources = mutated(bug)
    early = [name for name in sources if name in sys.modules]
    if early:
        raise StalePlantError(f"{bug.name}: already imported: {', '.join(early)}")
    sys.meta_path.insert(0, _Planter(sources))


def _source(module: str) -> str:
    return (SOURCES / "market_maker" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
