"""Renders the pages of docs/reference that are made from the code.

`python -m gateway.cli.reference docs/reference` writes them; a test fails while a committed page
differs from what is rendered here.
"""

from __future__ import annotations

import enum
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.cli.commands import app
from gateway.cli.exits import MEANING
from gateway.cli.guide_pages import guide_page, guide_r4, guide_r5
from gateway.cli.list_page import list_page
from gateway.cli.openapi_page import openapi_json
from gateway.settings import ENVIRONMENT_PREFIX, Settings
from gateway.telemetry import Metrics

# Settings


def settings_page() -> str:
    """Every section and key with type, default and meaning."""
    lines = [
        "# Settings",
        "",
        "One TOML file; `gateway serve --config gateway.toml`.",
        "An unknown key is an error, and `gateway check-config` names every wrong one.",
        f"`{ENVIRONMENT_PREFIX}HTTP__PORT=8081` in the environment overrides `[http] port`.",
        "Relative paths are taken from the folder of the file (or `data_dir` in it).",
        "A secret never stands in the file: keys that end in `_file` name a file that holds it.",
    ]
    for title, model in _sections(Settings, ""):
        lines += ["", f"## {title}", ""]
        if model is not Settings:
            meaning = _of_section(model.__doc__ or "")
            lines += [meaning, ""] if meaning else []
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            if _model_of(field.annotation) is None:
                lines.append(_setting(name, field))
    return "\n".join(lines) + "\n"


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield (prefix or "Top level"), model
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        if inner is None:
            continue
        path = f"{prefix.strip('[]`')}.{name}".strip(".")
        title = f"`[[{path}]]`" if get_origin(field.annotation) is list else f"`[{path}]`"
        yield from _sections(inner, title)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _setting(name: str, field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        shown = "required"
    elif default in (None, "", [], {}):
        shown = "empty"
    elif isinstance(default, bool):
        shown = f"`{str(default).lower()}`"
    elif isinstance(default, enum.Enum):
        shown = f"`{default.value}`"
    else:
        shown = f"`{default}`"
    meaning = _cell(field.description or "")
    values = _values(field.annotation)
    if values:
        meaning = f"{meaning} One of {values}."
    return f"| `{name}` | {_type_name(field.annotation)} | {shown} | {meaning} |"


def _of_section(text: str) -> str:
    """What the docstring says behind the name of the section; some are only the name."""
    sentence = _sentence(text).partition("`: ")[2]
    return sentence[:1].upper() + sentence[1:]


_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}


def _type_name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(inner[0])
    if origin is list:
        return f"list of {_type_name(inner[0])}"
    if origin is dict:
        return f"table of {_type_name(inner[1])}"
    if origin in {typing.Union, types.UnionType}:
        return _type_name(next(kind for kind in inner if kind is not types.NoneType))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "text"
    return _PLAIN.get(annotation, "text")


def _values(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    return ""


# Commands


def commands_page() -> str:
    """Every command with its arguments and options, and the exit codes."""
    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Output is a table on a terminal and plain lines, set apart by tabs, in a pipe.",
        "`--json` prints one JSON document.",
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code.value} | {_cell(meaning)} |" for code, meaning in MEANING.items()),
    ]
    for path, command in _commands(root, "gateway"):
        lines += ["", f"## `{path}`", "", _paragraphs(command.help or "")]
        lines += _parameters(command)
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")


def _parameters(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        meaning = _cell(getattr(parameter, "help", "") or "")
        if parameter.param_type_name == "argument":
            name = f"`{parameter.metavar or parameter.name.upper()}`"
        else:
            name = ", ".join(f"`{option}`" for option in parameter.opts)
            if parameter.envvar:
                meaning += f" Environment: `{parameter.envvar}`."
        rows.append(f"| {name} | {_default_of(parameter)} | {meaning} |")
    return ["", "| parameter | default | meaning |", "|---|---|---|", *rows] if rows else []


def _default_of(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default == "" or default is False:
        return ""
    return f"`{default}`"


# Metrics


def metrics_page() -> str:
    """Every metric with its kind and labels."""
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` answers in the Prometheus text format, from this machine or with a token.",
        "Labels are bounded and never hold patient data.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, kind, labels, text in Metrics().described():
        shown = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {kind} | {shown} | {text}. |")
    lines += [
        "",
        "Watch `gateway_unknown_open`: above zero, money has an outcome that is not known.",
        "`gateway_hl7_deliveries_total` counts attempts that `failed`; each of them is repeated.",
        "`gateway_log_values_dropped_total` above zero is a defect: a log line was cleaned.",
    ]
    return "\n".join(lines) + "\n"


# Text


def _sentence(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _sentence(text).replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(_sentence(part) for part in text.replace("\r", "").split("\n\n")).strip()


PAGES = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "settlement-list.md": list_page,
    "fhir-guide/index.md": guide_page,
    "fhir-guide/r4.json": guide_r4,
    "fhir-guide/r5.json": guide_r5,
    "openapi.json": openapi_json,
}
"""File name in docs/reference to the function that renders it."""


def write(folder: Path) -> None:
    """Write every rendered page."""
    for name, render in PAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
