"""The base of every configuration section.

Frozen, closed to unknown keys, and silent about the values it was given, so that a secret
never reaches an error message.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One component's settings."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        allow_inf_nan=False,
    )
