"""What a search may change: the quoting engine's own settings, and the weights of fair value and toxicity.

Owns names, ranges and the way from a trial's values to settings and to a parameter file. A range is a
factor around the value in force, inside the bounds of the setting; a search that wants to leave it is
begun again from what it found. Refuses to know how values are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from market_maker.config.keys import KeyPath
from market_maker.config.layers import merged
from market_maker.config.schema import Settings
from market_maker.quoting.registry import engine_config_model

_FACTOR: Final = 8.0
_MOST_WITHOUT: Final = 1.0
"""Upper end of a setting that is 0 now."""

_SIGNALS: Final[tuple[KeyPath, ...]] = (
    ("signals", "fair_price", "b_book_bps"),
    ("signals", "fair_price", "b_flow_bps"),
    ("signals", "toxicity", "widen_factor"),
)
"""Weights that the readings are multiplied with: changing them needs no new pass over the market."""

Values = Mapping[str, float]


class Dimension(msgspec.Struct, frozen=True):
    """One setting, its range, whether factors matter more than differences, and what is in force."""

    key: KeyPath
    low: float
    high: float
    log: bool
    now: float

    @property
    def name(self) -> str:
        """The key as files write it."""
        return ".".join(self.key)


def space_of(settings: Settings) -> tuple[Dimension, ...]:
    """Every setting that a search of these settings may change."""
    engine = settings.quoting.engine
    model = engine_config_model(engine)
    config = model.model_validate(settings.engines.get(engine, {}))
    found = [
        _dimension(("engines", engine, name), field, float(getattr(config, name)))
        for name, field in model.model_fields.items()
        if field.annotation is float
    ]
    for key in _SIGNALS:
        section: BaseModel = getattr(settings.signals, key[1])
        field = type(section).model_fields[key[2]]
        found.append(_dimension(key, field, float(getattr(section, key[2]))))
    return tuple(found)


def _dimension(key: KeyPath, field: FieldInfo, now: float) -> Dimension:
    least, most = -float("inf"), float("inf")
    for bound in field.metadata:
        least = max(least, *(float(getattr(bound, name, least)) for name in ("ge", "gt")))
        most = min(most, *(float(getattr(bound, name, most)) for name in ("le", "lt")))
    if now > 0.0:
        low, high = max(now / _FACTOR, least), min(now * _FACTOR, most)
        return Dimension(key, low, high, log=low > 0.0, now=now)
    return Dimension(key, max(now, least), min(_MOST_WITHOUT, most), log=False, now=now)


def with_values(settings: Settings, values: Values) -> Settings:
    """The settings with a trial's values."""
    changed: dict[str, object] = {}
    for name, value in values.items():
        changed = merged(changed, _nested(tuple(name.split(".")), value))
    return Settings.model_validate(merged(settings.model_dump(), changed))


def _nested(key: KeyPath, value: float) -> dict[str, object]:
    if len(key) == 1:
        return {key[0]: value}
    return {key[0]: _nested(key[1:], value)}


def parameter_file(values: Values, told: str) -> str:
    """The values as a file for `--params`; `told` says in comments where they are from."""
    lines = [f"# {line}" for line in told.splitlines()]
    sections: dict[str, list[str]] = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, []).append(f"{key} = {float(f'{value:.6g}')!r}")
    for section, keys in sections.items():
        lines += ["", f"[{section}]", *keys]
    return "\n".join(lines) + "\n"
