"""The example script runs as it stands, and claims nothing that four minutes cannot carry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "backtest_sample.py"


def test_the_sample_is_backtested_and_reported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    data, counts, verdict, report = done.stdout.splitlines()
    assert data == "data: usable with warnings: bridge_unproven"
    assert counts.startswith("avellaneda-stoikov: ")
    assert "0 orders" not in counts.split()
    assert verdict.startswith("verdict: insufficient_data because ")
    page = tmp_path / report.removeprefix("report: ")
    assert "<svg" in page.read_text(encoding="utf-8") or "<canvas" in page.read_text(
        encoding="utf-8"
    )
