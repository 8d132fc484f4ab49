"""What the `config` commands print, as text, TOML or JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from pydantic import BaseModel, JsonValue, SecretStr

from market_maker.cli.config_toml import render_toml
from market_maker.cli.engines import check_engines, engine_models, resolved_engine
from market_maker.config.keys import OPEN_SECTIONS, KeyPath, leaf_keys
from market_maker.config.load import Loaded, load
from market_maker.config.problems import dotted
from market_maker.config.schema import Settings
from market_maker.telemetry.redaction import MASK, is_secret_key


class Shown(msgspec.Struct, frozen=True):
    """One setting as `config show` prints it."""

    value: JsonValue
    origin: str


def check_settings(files: Sequence[Path], params: Path | None, *, as_json: bool) -> str:
    """One line that says what was checked."""
    loaded = _load(files, params)
    changed = len(loaded.origins)
    if as_json:
        return _json({"valid": True, "files": [str(f) for f in files], "values_set": changed})
    return f"settings are valid: {len(files)} files, {changed} values differ from the defaults"


def show_settings(files: Sequence[Path], params: Path | None, market: str | None, form: str) -> str:
    """Every setting in force."""
    loaded = _load(files, params)
    settings = loaded.settings.for_market(market) if market else loaded.settings
    models = engine_models()
    if form == "toml":
        sections = {name: resolved_engine(settings, name) for name in models}
        return render_toml(settings, models, sections).rstrip("\n")
    shown = _shown(loaded, settings, market, tuple(models))
    if form == "json":
        return _json({dotted(key): item for key, item in shown.items()})
    width = max(len(dotted(key)) for key in shown)
    return "\n".join(
        f"{dotted(key):<{width}}  {_text(item.value):<16}  {item.origin}"
        for key, item in shown.items()
    )


def settings_schema() -> str:
    """JSON Schema of the whole file; an engine's section is described by its own model."""
    schema = Settings.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    engines = {}
    for name, model in engine_models().items():
        described = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(described.pop("$defs", {}))
        definitions[model.__name__] = described
        engines[name] = {"$ref": f"#/$defs/{model.__name__}"}
    schema["properties"]["engines"] |= {"properties": engines, "additionalProperties": False}
    schema["title"] = "market-maker settings"
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return msgspec.json.format(_json(schema))


def _load(files: Sequence[Path], params: Path | None) -> Loaded:
    loaded = load(files=files, params=params, environ=os.environ)
    check_engines(loaded)
    return loaded


def _shown(
    loaded: Loaded, settings: Settings, market: str | None, engines: Sequence[str]
) -> dict[KeyPath, Shown]:
    shown = {}
    dumped = settings.model_dump(mode="json")
    for key, _ in leaf_keys(Settings):
        if key[0] not in OPEN_SECTIONS:
            shown[key] = Shown(_masked(key, _at(settings, key), _dig(dumped, key)), "")
    for name in engines:
        for field, value in resolved_engine(settings, name).items():
            key = ("engines", name, field)
            shown[key] = Shown(_masked(key, None, value), "")
    return {key: Shown(item.value, _origin(loaded, key, market)) for key, item in shown.items()}


def _origin(loaded: Loaded, key: KeyPath, market: str | None) -> str:
    if market is not None:
        own = ("markets", market, *key)
        if any(written[: len(own)] == own for written in loaded.origins):
            return loaded.origin(own)
    if any(written[: len(key)] == key for written in loaded.origins):
        return loaded.origin(key)
    return "default"


def _masked(key: KeyPath, value: object, dumped: JsonValue) -> JsonValue:
    secret = isinstance(value, SecretStr) or is_secret_key(key[-1])
    return MASK if secret and dumped is not None else dumped


def _at(model: BaseModel, key: KeyPath) -> object:
    value: object = model
    for name in key:
        value = getattr(value, name)
    return value


def _dig(tree: Mapping[str, JsonValue], key: KeyPath) -> JsonValue:
    value: JsonValue = dict(tree)
    for name in key:
        value = value[name] if isinstance(value, dict) else None
    return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else _json(value)
