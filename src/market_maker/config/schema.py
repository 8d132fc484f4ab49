"""All settings: one section per component, each with its own model, composed here.

Always holds: a `Settings` is complete and valid by itself, per-market overrides included. It knows
nothing of files or environment (`load` does), and nothing of engines' own keys (their registry does).
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, JsonValue
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from market_maker.config.account import AccountConfig
from market_maker.config.layers import merged
from market_maker.config.logs import LoggingConfig
from market_maker.config.paper import PaperConfig
from market_maker.config.quoting import QuotingConfig
from market_maker.config.recording import RecordingConfig
from market_maker.config.risk import LedgerConfig, RiskConfig
from market_maker.config.runtime import (
    JournalConfig,
    KillConfig,
    MetricsConfig,
    RuntimeConfig,
    ShutdownConfig,
)
from market_maker.config.section import Section
from market_maker.config.signals import MarketConfig, SignalsConfig
from market_maker.config.simulated import SimulatedConfig

RawEngines = dict[str, dict[str, JsonValue]]
RawOverrides = dict[str, dict[str, JsonValue]]


class VenueConfig(Section):
    """Section `[venue]`: one part for each kind of venue."""

    simulated: SimulatedConfig = Field(
        default_factory=SimulatedConfig, description="The embedded exchange"
    )


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    account: AccountConfig = Field(default_factory=AccountConfig)
    venue: VenueConfig = Field(default_factory=VenueConfig)
    paper: PaperConfig = Field(default_factory=PaperConfig)
    market: MarketConfig = Field(default_factory=MarketConfig)
    signals: SignalsConfig = Field(default_factory=SignalsConfig)
    quoting: QuotingConfig = Field(default_factory=QuotingConfig)
    engines: RawEngines = Field(
        default_factory=dict, description="One table per engine, in the engine's own keys"
    )
    ledger: LedgerConfig = Field(default_factory=LedgerConfig)
    risk: RiskConfig = Field(default_factory=RiskConfig)
    runtime: RuntimeConfig = Field(default_factory=RuntimeConfig)
    journal: JournalConfig = Field(default_factory=JournalConfig)
    recording: RecordingConfig = Field(default_factory=RecordingConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    shutdown: ShutdownConfig = Field(default_factory=ShutdownConfig)
    kill: KillConfig = Field(default_factory=KillConfig)
    markets: RawOverrides = Field(
        default_factory=dict, description="Per market, any section again: what differs there"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` gives and nothing from the surroundings."""
        return (init_settings,)

    def for_market(self, market: str) -> Self:
        """These settings with the market's own overrides applied."""
        overrides = self.markets.get(market)
        if not overrides:
            return self
        return type(self).model_validate(merged(self.model_dump(exclude={"markets"}), overrides))


PROCESS_KEYS = (
    ("account",),
    ("recording",),
    ("metrics",),
    ("logging",),
    ("shutdown",),
    ("markets",),
    ("runtime", "stall_after_s"),
    ("risk", "requests_per_window"),
    ("risk", "request_window_s"),
    ("risk", "cancel_reserve"),
    ("risk", "max_drawdown"),
    ("risk", "max_daily_loss"),
    ("risk", "on_breach"),
    ("venue", "simulated", "socket"),
    ("venue", "simulated", "capital"),
    ("venue", "simulated", "speed"),
    ("venue", "simulated", "checkpoint_records"),
    *(
        ("venue", "simulated", f"{lane}_{name}")
        for lane in ("order", "cancel", "query")
        for name in ("rate_per_s", "burst")
    ),
)
"""Keys of the process or the account; a market cannot override them."""
