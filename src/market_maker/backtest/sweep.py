"""One run of the compiled driver: settings in, fills and a path of equity out.

Owns the way from the bot's settings to the driver's arrays. Refuses to search: which parameters are
tried is nobody's business here. What always holds: equal arguments give equal results, and a run
in parts is the run as a whole.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from market_maker.backtest.sweep_market import MarketPath, columns_of
from market_maker.config.schema import Settings
from market_maker.core.errors import InvariantError, UnusableError
from market_maker.core.instrument import NANOS, Instrument, InstrumentKind
from market_maker.core.units import Grid
from market_maker.kernels import ladder as ld
from market_maker.kernels import sweep as kernel
from market_maker.kernels import sweep_layout as at
from market_maker.kernels.engine_state import MEMORY_SIZE, STATE_SIZE
from market_maker.kernels.fill_layout import REPORT_WIDTH
from market_maker.kernels.fill_setup import FillTerms, new_fill_state
from market_maker.quoting.engines.compiled import CompiledEngine, CompiledForm
from market_maker.quoting.registry import build_engine, engine_names
from market_maker.ticks.columns import Ticks

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SAMPLE_NS = NANOS
_UNLIMITED = 1e18


class SweepResult(msgspec.Struct, frozen=True, eq=False):
    """What a run leaves; `fills` and `samples` have the columns of `kernels.sweep_layout`."""

    fills: Ints
    samples: Floats
    requests: Ints
    placed: int
    amended: int
    cancelled: int
    rejected: int
    killed: bool


def compiled_engine(settings: Settings) -> CompiledForm:
    """The configured engine as a kernel; raises UnusableError for one that has none."""
    name = settings.quoting.engine
    engine = build_engine(name, settings.engines.get(name, {}))
    if isinstance(engine, CompiledEngine):
        return engine.compiled
    having = [
        other for other in engine_names() if isinstance(build_engine(other, {}), CompiledEngine)
    ]
    raise UnusableError(
        f"engine {name!r} has no kernel, and a search runs compiled; these have one: "
        f"{', '.join(having) or 'none'}"
    )


def new_desk(settings: Floats, form: CompiledForm, levels: int) -> kernel.Desk:
    """What the driver reads and remembers, before the first instant."""
    ladder_in = np.zeros(ld.ROWS_START + 2 * ld.ROW_COUNT * levels)
    ints = np.zeros(at.SCALARS + (2 * levels + 1) * at.BLOCK, dtype=np.int64)
    ints[at.DAY] = -1
    numbers = np.zeros(at.NUMBERS)
    numbers[at.EXPECTED_ADVERSE] = settings[at.ADVERSE_BPS]
    numbers[at.PEAK] = numbers[at.DAY_START] = numbers[at.EQUITY] = settings[at.CAPITAL]
    return (
        settings,
        np.array(form.config, dtype=np.float64),
        np.zeros(STATE_SIZE),
        ladder_in,
        ladder_in[ld.ROWS_START :].reshape(2 * ld.ROW_COUNT, levels),
        np.zeros(MEMORY_SIZE),
        np.zeros((2 * levels, ld.OUT_WIDTH), dtype=np.int64),
        np.zeros((2, 3), dtype=np.int64),
        ints,
        numbers,
        np.zeros(REPORT_WIDTH, dtype=np.int64),
    )


class Sweep:
    """A run under way; build one per set of parameters, over rows and readings that are shared."""

    def __init__(
        self,
        ticks: Ticks,
        path: MarketPath,
        instrument: Instrument,
        settings: Settings,
        terms: FillTerms,
        seed: int,
        *,
        note_requests: int = 0,
    ) -> None:
        """Prepare a fresh account and an empty ladder."""
        self._rows = columns_of(ticks)
        self._path = path
        form = compiled_engine(settings)
        self._quote = form.kernel
        levels = settings.quoting.ladder.levels
        valid = path.marks[:, 1] == 1
        about = int(path.marks[np.argmax(valid), 2]) if valid.any() else 1
        self._fills = new_fill_state(instrument, terms, seed, about)
        self._desk = new_desk(sweep_settings(settings, instrument, terms), form, levels)
        self._ints = self._desk[8]
        self._ints[at.POSITION] = terms.position
        spans = (
            (int(path.marks[-1, 0] - path.marks[0, 0]) // SAMPLE_NS + 2) if len(path.marks) else 1
        )
        self._fill_rows = np.zeros((2 * kernel.FILL_ROOM, at.FILL_WIDTH), dtype=np.int64)
        self._samples = np.zeros((spans, at.SAMPLE_WIDTH))
        self._sent = np.zeros((note_requests, at.REQUEST_WIDTH), dtype=np.int64)
        self.done = 0

    def run(self, until: int | None = None) -> None:
        """Trade up to before mark `until`, by default to the end."""
        last = len(self._path.marks) if until is None else min(until, len(self._path.marks))
        tables = (self._path.marks, self._path.fast, self._path.slow)
        while self.done < last:
            if len(self._fill_rows) - int(self._ints[at.FILLS]) < 2 * kernel.FILL_ROOM:
                more = np.zeros((4 * len(self._fill_rows), at.FILL_WIDTH), dtype=np.int64)
                more[: len(self._fill_rows)] = self._fill_rows
                self._fill_rows = more
            notes = (self._fill_rows, self._samples, self._sent)
            after = kernel.sweep(
                self._fills, self._rows, tables, self.done, last, self._desk, notes, self._quote
            )
            if after < 0:
                raise InvariantError(f"more fills at once than a sweep has room for: {self.done}")
            self.done = after

    def result(self) -> SweepResult:
        """What the run has left so far."""
        ints = self._ints.tolist()
        return SweepResult(
            self._fill_rows[: ints[at.FILLS]],
            self._samples[: ints[at.SAMPLES]],
            self._sent[: ints[at.SENT]],
            ints[at.PLACED],
            ints[at.AMENDED],
            ints[at.CANCELLED],
            ints[at.REJECTED],
            ints[at.KILLED] == 1,
        )


def sweep_settings(settings: Settings, instrument: Instrument, terms: FillTerms) -> Floats:
    """The bot's settings as the driver's row of numbers."""
    p = np.zeros(at.SETTINGS)
    _pricing(p, settings, instrument)
    _instrument(p, instrument)
    _signals(p, settings)
    _limits(p, settings, instrument, terms)
    _pipeline(p, settings)
    return p


def _pricing(p: Floats, settings: Settings, instrument: Instrument) -> None:
    ladder = settings.quoting.ladder
    if instrument.maker_fee_rate is None:
        raise UnusableError(f"{instrument.symbol}: fees are not known; set them in [paper]")
    p[at.LEVELS] = ladder.levels
    p[at.FEE_RATE] = float(instrument.maker_fee_rate)
    p[at.ORDER_SIZE] = ladder.order_size_quote
    p[at.MIN_SIZE] = ladder.min_size_quote
    p[at.MIN_NOTIONAL] = float(instrument.min_notional)
    p[at.MARGIN_BPS] = ladder.margin_bps
    p[at.ADVERSE_BPS] = ladder.adverse_prior_bps
    p[at.MAX_FLOOR_BPS] = ladder.max_floor_bps
    p[at.TOXICITY_CAP] = ladder.toxicity_cap
    p[at.K_INTERVAL] = ladder.k_interval
    p[at.POST_ONLY_TICKS] = settings.quoting.post_only.base_ticks
    p[at.COOLDOWN_NS] = settings.quoting.post_only.cooldown_s * NANOS


def _instrument(p: Floats, instrument: Instrument) -> None:
    grid = Grid(instrument)
    inverse = instrument.kind is InstrumentKind.INVERSE
    p[at.PRICE_UNIT] = grid.price_unit
    p[at.BASE_PER_QTY] = grid.base_per_qty
    p[at.INVERSE] = inverse
    p[at.SPOT] = instrument.kind is InstrumentKind.SPOT
    p[at.TICK] = instrument.tick
    p[at.DIGITS] = instrument.price_significant_digits or 0
    p[at.LOT] = instrument.lot
    p[at.MIN_QTY] = instrument.min_qty
    p[at.MAX_QTY] = instrument.max_qty or 2**53
    p[at.QTY_VALUE] = grid.base_per_qty if inverse else grid.base_per_qty * grid.price_unit


def _signals(p: Floats, settings: Settings) -> None:
    fair, toxicity = settings.signals.fair_price, settings.signals.toxicity
    p[at.FAIR_ENABLED] = fair.enabled
    p[at.B_BOOK], p[at.B_FLOW], p[at.B_JUMP] = fair.b_book_bps, fair.b_flow_bps, fair.b_jump
    p[at.FAIR_CAP] = fair.cap_bps
    p[at.TOXICITY_ENABLED] = toxicity.enabled
    p[at.WIDEN_PERCENTILE] = toxicity.widen_percentile
    p[at.WIDEN_FACTOR] = toxicity.widen_factor
    p[at.EXCESS_HORIZON_S] = toxicity.excess_horizon_s
    p[at.ADVERSE_MIN_FILLS] = settings.quoting.ladder.adverse_min_fills
    p[at.ADVERSE_HORIZON_NS] = settings.ledger.adverse_horizon_s * NANOS
    p[at.T_HORIZON_NS] = toxicity.markout_horizon_s * NANOS
    p[at.T_MEMORY] = toxicity.fill_memory
    p[at.T_MIN_FILLS] = toxicity.min_fills
    p[at.T_ONE_SIDED] = toxicity.one_sided_share
    p[at.T_LOSS_BPS] = toxicity.loss_bps
    p[at.T_SPREAD_FACTOR] = toxicity.spread_factor
    p[at.T_SIZE] = toxicity.toxic_size_scale
    p[at.T_INTERVAL] = toxicity.toxic_interval_scale
    p[at.T_CLEAN] = toxicity.clean_fills
    p[at.T_RECOVERY_S] = toxicity.recovery_s


def _limits(p: Floats, settings: Settings, instrument: Instrument, terms: FillTerms) -> None:
    risk = settings.risk
    spot = instrument.kind is InstrumentKind.SPOT
    cap = risk.max_position_qty
    p[at.CAPITAL] = float(terms.capital)
    p[at.MAX_POSITION] = _UNLIMITED if cap is None else int(cap / instrument.qty_quantum)
    p[at.MAX_POSITION_NOTIONAL] = float(risk.max_position_notional_quote)
    p[at.CAPITAL_SHARE] = risk.capital_share
    p[at.UTILISATION] = 1.0 if spot else risk.max_margin_utilisation
    p[at.LEVERAGE] = 1.0 if spot else float(instrument.max_leverage)
    p[at.MAINTENANCE] = float(instrument.maintenance_margin_rate)
    p[at.LIQUIDATION_SHARE] = risk.min_liquidation_distance_bps * 1e-4
    p[at.YELLOW], p[at.RED] = risk.yellow_ratio, risk.red_ratio
    p[at.ZONE_HYSTERESIS] = risk.zone_hysteresis
    p[at.BUILD_SCALE] = risk.yellow_build_scale
    p[at.PRICE_BAND] = risk.price_band_bps * 1e-4
    p[at.BAND_FLOOR] = risk.price_band_floor_bps * 1e-4
    p[at.BAND_SPREADS] = risk.price_band_spreads
    p[at.MAX_DRAWDOWN] = risk.max_drawdown
    p[at.MAX_DAILY_LOSS] = risk.max_daily_loss


def _pipeline(p: Floats, settings: Settings) -> None:
    pipeline = settings.quoting.pipeline
    half_bps = 0.5e-4
    p[at.CAN_AMEND] = 1.0
    p[at.TOLERANCE_TICKS] = pipeline.tolerance_ticks
    p[at.TOLERANCE] = pipeline.tolerance_bps * half_bps
    p[at.TOLERANCE_RELEASE] = pipeline.tolerance_release
    p[at.MIN_INTERVAL_NS] = pipeline.min_interval_s * NANOS
    p[at.MAX_AGE_NS] = pipeline.max_age_s * NANOS
    p[at.AMEND_MAX] = pipeline.amend_max_bps * half_bps
    p[at.SIZE_MOST] = 1.0 + pipeline.size_tolerance
    p[at.REFILL_BELOW] = pipeline.refill_below
    p[at.URGENT] = pipeline.urgent_bps * half_bps
    p[at.MIN_SPREAD_BPS] = pipeline.min_spread_bps
    p[at.IMBALANCE_LIMIT] = pipeline.imbalance_limit
    p[at.GATE_HYSTERESIS] = pipeline.gate_hysteresis
    p[at.GATE_DWELL_NS] = int(pipeline.gate_dwell_s * NANOS)
    p[at.CHURN_PER_NS] = pipeline.churn_per_s / NANOS
    p[at.CHURN_BURST] = pipeline.churn_burst
    p[at.FAILURE_PAUSE_NS] = pipeline.failure_pause_s * NANOS
    p[at.MAX_FAILURE_PAUSE_NS] = pipeline.max_failure_pause_s * NANOS
    p[at.SAMPLE_NS] = SAMPLE_NS
    assert math.isfinite(p.sum())
