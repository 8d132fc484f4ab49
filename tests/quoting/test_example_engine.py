"""The example of an own engine is what the README shows, and trades."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_engine"


@pytest.mark.parametrize("name", ["my_package.py", "pyproject.toml"])
def test_the_readme_shows_the_example(name: str) -> None:
    text = (EXAMPLE / name).read_text(encoding="utf-8")
    assert f"\n{text}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_engine_takes_less_than_thirty_lines() -> None:
    lines = (EXAMPLE / "my_package.py").read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) < 30


def test_the_installed_example_makes_a_market(tmp_path: Path) -> None:
    """Installed as its own project file says, without a build."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / f"my_package-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    paths = [str(tmp_path), str(EXAMPLE), *sys.path]
    words = [
        "simulate",
        "--seeds",
        "1",
        "--hours",
        "0.02",
        "--faults",
        "none",
        "--jobs",
        "1",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "market_maker", *words, "--engine", "join-the-touch"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    assert report["orders"] > 2
    assert report["fills"] > 0
