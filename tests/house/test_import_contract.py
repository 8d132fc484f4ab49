"""Rooms know only the rooms below them: the contract of pyproject.toml is kept and complete."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "market_maker"
PROJECT = ROOT.parents[1]


def _lint_imports(folder: Path, path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_imports_go_down_only() -> None:
    code, output = _lint_imports(PROJECT, PROJECT / "src")
    assert code == 0, output
    assert "1 kept, 0 broken" in output


def test_every_room_is_in_the_contract() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    listed = {room.strip() for layer in contract["layers"] for room in layer.split("|")}
    rooms = {
        f"market_maker.{path.name}"
        for path in ROOT.iterdir()
        if path.is_dir() and any(path.rglob("*.py"))
    }
    assert rooms <= listed
    assert not any("(" in room for room in listed)  # no room is optional


def test_an_import_that_goes_up_is_caught(tmp_path: Path) -> None:
    house = tmp_path / "house"
    for room in ("upper", "lower"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").write_text("")
    (house / "__init__.py").write_text("")
    (house / "lower" / "bad.py").write_text("from house import upper\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_package = "house"\n'
        '[[tool.importlinter.contracts]]\nname = "down"\ntype = "layers"\n'
        'layers = ["house.upper", "house.lower"]\n'
    )
    code, output = _lint_imports(tmp_path, tmp_path)
    assert code != 0
    assert "house.lower.bad -> house.upper" in output
