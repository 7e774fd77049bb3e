"""docs/gateway.example.toml is complete, true, and works."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from gateway.app import Gateway
from gateway.crypto.sm import SigningKey
from gateway.settings import Settings, load_settings

KEY_BEHIND_HASH = re.compile(r"^# (?=[a-z_0-9]+ = )", re.MULTILINE)


@pytest.fixture
def example(root: Path) -> str:
    """The text of the example."""
    return (root / "docs" / "gateway.example.toml").read_text("utf-8")


@pytest.fixture
def site(tmp_path: Path, example: str) -> Path:
    """The example with the files that it names."""
    (tmp_path / "codes").mkdir()
    keys = tmp_path / "keys"
    keys.mkdir()
    ours = SigningKey.generate()
    _write_secret(keys / "gateway.sm2.key", ours.to_pem())
    _write_secret(keys / "changsha.secret", b"made-up")
    platform = SigningKey.generate().public_key()
    (keys / "platform-public.pem").write_bytes(platform.to_pem())
    path = tmp_path / "gateway.toml"
    path.write_text(example, "utf-8")
    return path


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def test_the_example_loads_and_a_gateway_can_be_made_of_it(site: Path) -> None:
    """A copy of the example, with the files it names, passes every check that needs no network."""
    settings = load_settings(site, environment={})
    Gateway(settings)
    assert settings.institutions[0].channel == settings.channels[0].name
    for file in (
        settings.channels[0].secret_file,
        settings.channels[0].signing_key_file,
        settings.channels[0].platform_public_key_file,
    ):
        assert file is not None
        assert file.is_file()


def test_the_example_names_every_setting(example: str) -> None:
    """Each key of each section stands in the example, in force or behind `# `."""
    document = tomllib.loads(KEY_BEHIND_HASH.sub("", example))
    missing = list(_missing(Settings, document, ""))
    assert missing == []


def _missing(model: type[BaseModel], found: dict[str, Any], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in found:
            yield f"{path}{name}"
            continue
        inner = next(
            (
                kind
                for kind in (field.annotation, *get_args(field.annotation))
                if isinstance(kind, type) and issubclass(kind, BaseModel)
            ),
            None,
        )
        if inner is not None:
            rows = found[name] if isinstance(found[name], list) else [found[name]]
            value = {key: part for row in reversed(rows) for key, part in row.items()}
            yield from _missing(inner, value, f"{path}{name}.")


def test_a_key_behind_a_hash_shows_its_true_default(example: str) -> None:
    """Whoever takes away `# ` before a key changes nothing, unless its default is empty."""
    active = tomllib.loads(example)
    whole = tomllib.loads(KEY_BEHIND_HASH.sub("", example))
    wrong = list(_other_than_default(Settings, active, whole, ""))
    assert wrong == []


def _other_than_default(
    model: type[BaseModel], active: dict[str, Any], whole: dict[str, Any], path: str
) -> Iterator[str]:
    for name, value in whole.items():
        field = model.model_fields[name]
        if isinstance(value, dict) and isinstance(field.default, BaseModel):
            inner = active.get(name, {})
            yield from _other_than_default(type(field.default), inner, value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            kind = get_args(field.annotation)[0]
            for number, row in enumerate(value):
                yield from _other_than_default(
                    kind, active[name][number], row, f"{path}{name}[{number}]."
                )
        elif name not in active:
            default = field.default.as_posix() if isinstance(field.default, Path) else field.default
            if default not in ("", None, []) and value != default:
                yield f"{path}{name}"
