"""Settings of recorded market data: whether, how long it is kept, how much it may take."""

from __future__ import annotations

from pydantic import Field

from market_maker.config.section import Section


class RecordingConfig(Section):
    """The recorder of public market data."""

    enabled: bool | None = Field(
        None, description="Record what a run hears; unset: in paper mode alone"
    )
    rotate_minutes: int = Field(
        60, ge=1, le=1440, description="Length of a file; files begin at multiples of it (UTC)"
    )
    keep_days: float = Field(
        0.0, ge=0, le=36_500, description="Age at which recordings are removed; 0 = never"
    )
    keep_mb: float = Field(
        0.0,
        ge=0,
        le=1e9,
        description="Size of a market's recordings above which the oldest go; 0 = no limit",
    )
    min_free_mb: float = Field(
        1024.0, ge=0, le=1e9, description="Free disk space below which recording pauses"
    )
    queue_rows: int = Field(
        1_000_000,
        ge=4_096,
        le=100_000_000,
        description="Rows that may wait for the disk; beyond it a hole is recorded",
    )
    sync_period_s: float = Field(
        1.0, gt=0, le=60, description="How often recorded rows are forced to the disk"
    )
