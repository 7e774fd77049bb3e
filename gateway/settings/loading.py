"""Reading the settings: the file, the environment over it, paths from the file's folder."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigurationError
from gateway.settings.model import Settings

ENVIRONMENT_PREFIX = "GATEWAY__"


def load_settings(path: Path, environment: dict[str, str] | None = None) -> Settings:
    """Read, overlay and check the settings.

    Raises:
        ConfigurationError: the file cannot be read or a value is wrong; names every wrong key.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(error), file=str(path)) from error
    _overlay(document, dict(os.environ) if environment is None else environment)
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(_describe(error), file=str(path)) from None
    return _resolve_paths(settings, path.resolve().parent)


def _overlay(document: dict[str, Any], environment: dict[str, str]) -> None:
    for name, value in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place = document
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f"{name}: {section} is not a section")
            place = inner
        place[key] = value


def _describe(error: ValidationError) -> str:
    lines = []
    for finding in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in finding["loc"]) or "settings"
        reason = "unknown key" if finding["type"] == "extra_forbidden" else finding["msg"]
        lines.append(f"{where}: {reason}")
    return "\n  ".join(lines)


def _resolve_paths(settings: Settings, folder: Path) -> Settings:
    base = folder / settings.data_dir

    def resolved(model: BaseModel) -> BaseModel:
        updates: dict[str, Any] = {}
        for name, value in model:
            if isinstance(value, Path):
                updates[name] = base / value if name != "data_dir" else base
            elif name == "profile" and isinstance(value, str) and value.endswith(".toml"):
                updates[name] = str(base / value)
            elif isinstance(value, BaseModel):
                updates[name] = resolved(value)
            elif isinstance(value, list):
                updates[name] = [
                    base / item
                    if isinstance(item, Path)
                    else resolved(item)
                    if isinstance(item, BaseModel)
                    else item
                    for item in value
                ]
        return model.model_copy(update=updates)

    result = resolved(settings)
    assert isinstance(result, Settings)
    return result
