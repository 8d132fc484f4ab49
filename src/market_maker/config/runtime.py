"""Settings of the running process: its cadences, its journal, its HTTP port, its endings.

Refuses to know anything about trading; limits and quotes have sections of their own.
"""

from __future__ import annotations

from pydantic import Field

from market_maker.config.section import Section


class RuntimeConfig(Section):
    """How the bot keeps itself in step with the venue and watches itself."""

    reconcile_period_s: float = Field(
        5.0, gt=0, le=300, description="How often orders, fills and position are compared"
    )
    resync_backoff_s: float = Field(
        0.25, gt=0, le=60, description="First pause before a failed resync or cancel is tried again"
    )
    resync_backoff_max_s: float = Field(
        10.0, gt=0, le=600, description="Longest pause between such attempts; each one doubles it"
    )
    private_stale_s: float = Field(
        10.0, gt=0, le=600, description="Silence on the private feed that asks for a resync"
    )
    rules_period_s: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="How often tick, lot, minimums and fees are read again; a refusal asks at once",
    )
    dead_man_timeout_s: float = Field(
        30.0,
        ge=0,
        le=600,
        description="The venue cancels everything unless it hears from us within this; 0 = off",
    )
    exit_attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="Orders with growing slippage that an exit from a position takes",
    )
    stall_after_s: float = Field(
        1.0,
        gt=0,
        le=60,
        description="Event loop silence that counts as a stall: dump stacks, reprice everything",
    )


class JournalConfig(Section):
    """The append-only record of every input and decision."""

    enabled: bool = Field(True, description="Write the journal to disk (sim, paper and live)")
    max_file_mb: float = Field(
        64.0, gt=0, le=4096, description="Size at which a new journal file is begun"
    )
    max_total_mb: float = Field(
        1024.0, gt=0, le=1_048_576, description="Total size above which the oldest files go"
    )
    sync_period_s: float = Field(
        1.0, gt=0, le=60, description="How often written records are forced to the disk"
    )
    hold_period_s: float = Field(
        60.0, gt=0, le=3600, description="How often decisions to hold are written, as counts"
    )


class MetricsConfig(Section):
    """The read-only HTTP server: metrics, health and status."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; in a container 0.0.0.0, published on loopback only",
    )
    port: int = Field(9464, ge=0, le=65535, description="Port to listen on; 0 takes any free one")
    status_period_s: float = Field(
        0.5, gt=0, le=60, description="How often the snapshot behind /status is refreshed"
    )


class ShutdownConfig(Section):
    """What happens on SIGTERM and SIGINT."""

    timeout_s: float = Field(
        20.0,
        gt=0,
        le=300,
        description="Deadline of a shutdown; a supervisor must wait longer than this",
    )
    flatten: bool = Field(False, description="Exit from the position before stopping")
    flatten_slippage_bps: float = Field(
        20.0, ge=0, le=1000, description="Worst price accepted while flattening, from the mid"
    )


class KillConfig(Section):
    """What the kill switch does beyond cancelling everything."""

    flatten: bool = Field(False, description="Exit from the position once orders are gone")
    flatten_slippage_bps: float = Field(
        50.0, ge=0, le=1000, description="Worst price accepted while flattening, from the mid"
    )
