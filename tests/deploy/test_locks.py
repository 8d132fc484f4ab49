"""The lock files fit pyproject.toml and pin everything by hash."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
EXTRAS = [line for extra in PROJECT["project"]["optional-dependencies"].values() for line in extra]


def _entries(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def _pins(name: str) -> dict[str, str]:
    pins: dict[str, str] = {}
    for entry in _entries(name):
        pin = Requirement(entry.partition("--hash")[0].strip())
        if pin.marker is None or pin.marker.evaluate():
            (only,) = pin.specifier
            assert only.operator == "=="
            pins[canonicalize_name(pin.name)] = only.version
    return pins


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("requirements.lock", RUNTIME), ("requirements-dev.lock", RUNTIME + EXTRAS)],
)
def test_every_requirement_is_pinned_within_its_bounds(lock: str, wanted: list[str]) -> None:
    pins = _pins(lock)
    for line in wanted:
        requirement = Requirement(line)
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), line


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    for entry in _entries(lock):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        assert "://" not in entry
        assert not entry.startswith("-")


def test_both_locks_agree() -> None:
    runtime, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    assert runtime.items() <= development.items()


def test_the_locks_are_for_the_pythons_that_are_supported() -> None:
    supported = Requirement(f"x{PROJECT['project']['requires-python']}").specifier
    assert supported.contains(".".join(map(str, sys.version_info[:3])))
    for version in ("3.11.0", "3.12.0", "3.13.0"):
        assert supported.contains(version)
