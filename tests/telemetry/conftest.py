"""One status as a running bot would publish it."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_maker.telemetry.snapshot import Status, decode


@pytest.fixture
def status() -> Status:
    return decode((Path(__file__).parent / "sample_status.json").read_bytes())
