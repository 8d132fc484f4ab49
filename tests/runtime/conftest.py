"""A fresh virtual-time loop, whose callbacks must not fail."""

import asyncio
from collections.abc import Iterator

import pytest

from market_maker.runtime.sim_loop import (
    SimLoop,
)


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        made = runner.get_loop()
        assert isinstance(made, SimLoop)
        yield made
        assert made.unhandled == []
