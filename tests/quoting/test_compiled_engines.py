"""Engines that are kernels: held to their plain twins, and to the layout that drivers share."""

from __future__ import annotations

import msgspec
import pytest
from engine_twins import avellaneda_stoikov_offsets, glft_offsets
from hypothesis import given, settings
from hypothesis import strategies as st
from market_states import states
from msgspec.structs import replace

from market_maker.kernels import engine_state
from market_maker.quoting.engine import QuoteState
from market_maker.quoting.engines.avellaneda_stoikov import (
    AvellanedaStoikovConfig,
    AvellanedaStoikovEngine,
)
from market_maker.quoting.engines.compiled import CompiledEngine
from market_maker.quoting.engines.glft import GlftConfig, GlftEngine
from market_maker.quoting.registry import build_engine

GLFT = (
    GlftConfig(),
    GlftConfig(risk_model="B"),
    GlftConfig(solution="closed_form", drift_weight=1.0),
    GlftConfig(max_lots=5, level_spacing=0.0),
)


def _close(actual: tuple[float, ...], expected: tuple[float, ...], scale: float) -> None:
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("config", GLFT)
@settings(max_examples=60, deadline=None)
@given(state=states())
def test_the_glft_kernel_is_its_plain_twin(config: GlftConfig, state: QuoteState) -> None:
    quote = GlftEngine(config).quote(state)
    bids, asks = glft_offsets(config, state)
    scale = max(map(abs, (*bids, *asks)), default=1.0)
    _close(quote.bid_offsets, bids, scale)
    _close(quote.ask_offsets, asks, scale)


@settings(max_examples=60, deadline=None)
@given(state=states())
def test_the_avellaneda_stoikov_kernel_is_its_plain_twin(state: QuoteState) -> None:
    config = AvellanedaStoikovConfig(drift_weight=1.0)
    quote = AvellanedaStoikovEngine(config).quote(state)
    bids, asks = avellaneda_stoikov_offsets(config, state)
    scale = max(map(abs, (*bids, *asks)), default=1.0)
    _close(quote.bid_offsets, bids, scale)
    _close(quote.ask_offsets, asks, scale)


@settings(max_examples=20, deadline=None)
@given(st.lists(states(), min_size=2, max_size=12))
def test_what_an_engine_was_asked_before_changes_no_quote(asked: list[QuoteState]) -> None:
    shared = GlftEngine(GlftConfig())
    for state in (*asked, *reversed(asked)):
        assert shared.quote(state) == GlftEngine(GlftConfig()).quote(state)


def test_a_kernel_sees_the_state_in_the_order_of_its_fields(state: QuoteState) -> None:
    prefix, names = "S_", [name for name in vars(engine_state) if name.startswith("S_")]
    order = sorted(names, key=lambda name: int(getattr(engine_state, name)))
    fields = [field.name.upper() for field in msgspec.structs.fields(QuoteState)]
    assert [name.removeprefix(prefix) for name in order] == fields
    assert len(fields) == engine_state.STATE_SIZE
    assert len(msgspec.structs.astuple(state)) == engine_state.STATE_SIZE


@pytest.mark.parametrize(
    ("name", "compiled"),
    [("glft", True), ("avellaneda-stoikov", True), ("layered", False), ("offset", False)],
)
def test_an_engine_says_whether_it_is_a_kernel(name: str, compiled: bool) -> None:
    assert isinstance(build_engine(name, {}), CompiledEngine) is compiled


def test_another_number_of_levels_is_another_quote_not_a_stale_one(state: QuoteState) -> None:
    engine = GlftEngine(GlftConfig())
    for levels in (3, 1, 5, 3):
        quote = engine.quote(replace(state, levels=levels))
        assert len(quote.bid_offsets) == len(quote.ask_offsets) == levels
        assert all(len(part) == levels for part in quote.bid_parts.values())
