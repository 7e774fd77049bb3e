"""Regional profiles: everything in which one region's platform differs, as data.

A profile is a TOML file beside this module, or any file whose path ends in `.toml`. It may name
another one with `extends`: tables are merged key by key, everything else is replaced. An unknown
key is an error. No regional value stands in code.
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.errors import ConfigurationError
from gateway.fsi.definitions import EDITIONS, Definitions
from gateway.fsi.rules import RULE_NAMES

MAX_DEPTH = 8
"""Profiles in a chain of `extends`."""


class ErrorPattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A regular expression that is searched in `err_msg`, and the class of a refusal it means.

    Platforms refuse in free text, for which no public list exists (reference: rules of the
    interface, section 1), so that recognising one is always a regional matter.
    """

    pattern: str
    means: Literal[
        "sign-in-expired",
        "token-expired",
        "person-not-found",
        "not-insured",
        "insurance-suspended",
        "not-filed",
        "visit-not-found",
        "settlement-not-found",
        "line-not-found",
        "already-settled",
        "already-cancelled",
        "duplicate-line",
        "duplicate-msgid",
        "item-not-covered",
        "physician-not-registered",
        "balance-too-low",
        "busy",
    ]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How to speak to the platform of a region."""

    name: str
    """Name of the profile: its file without `.toml`."""
    title: str = ""
    """For people: the region, and where the values come from."""
    extends: str = ""
    """Profile that this one is laid over."""
    edition: str = ""
    """Edition of the definitions (`HN`, `GD`, ...); empty for the base."""
    scheme: Literal["x-tif", "csb", "apikey", "none"] = "none"
    """Headers of the outer gateway (reference: signing, sections 1 to 3)."""
    timestamp_unit: Literal["seconds", "milliseconds"] = "seconds"
    """Unit of the scheme's timestamp."""
    timestamp_window: int = 1800
    """Seconds a timestamp may be off before the outer gateway refuses it."""
    api_version: str = "1.0.0"
    """`_api_version` of a CSB gateway."""
    url_form: Literal["single", "append-infno", "service-path"] = "single"
    """One URL for all, the transaction number appended, or a path of its own for each."""
    service_paths: dict[str, str] = {}
    """Transaction number to path, for `url_form = "service-path"`."""
    content_type: str = "application/json; charset=utf-8"
    """Content-Type of requests."""
    recer_sys_code: str = ""
    """Receiving system (envelope member `recer_sys_code`)."""
    infver: str = "V1.0"
    """Version of the interface (envelope member `infver`)."""
    signtype: str = ""
    """Envelope member `signtype`."""
    cainfo: Literal["none", "input"] = "none"
    """What `cainfo` signs: nothing, or the canonical text of `input` with SM2 and SM3."""
    sign_in: bool = True
    """Transactions carry the `sign_no` of a 9001."""
    max_input_characters: int = 40_000
    """Characters of `input` at most (envelope table)."""
    batch_lines: int = 100
    """Charge lines of a call at most."""
    rebatch: bool = False
    """Divide a charge batch that alone exceeds a call, instead of refusing it."""
    after_refusal: Literal["keep", "undo"] = "keep"
    """What becomes of the charges that a message uploaded when its settlement is refused: they stay
    uploaded for a later settlement, or are withdrawn (2205, 2302)."""
    reversible: list[str] = []
    """Transactions that 2601 may undo."""
    money: list[str] = []
    """Transactions that move money: sent on a connection of their own and never repeated."""
    med_types: dict[str, str] = {}
    """Kind of visit (outpatient, emergency, chronic, inpatient, ...) to `med_type`."""
    http_headers: dict[str, str] = {}
    """Further HTTP headers, as they are (`x-tif-serviceId`)."""
    header_extra: dict[str, str] = {}
    """Further members of the envelope, as they are."""
    header_copy: dict[str, str] = {}
    """Further members of the envelope, copied from the named one (`recer_admdvs`)."""
    error_patterns: list[ErrorPattern] = []
    """Refusals that are recognised; the first match counts."""
    open_dictionaries: list[str] = []
    """Value sets the region extends with codes of its own: any value is sent."""
    strict_rules: list[str] = []
    """Doubtful rules that stop a call here instead of warning (docs/reference/rules.md)."""
    off_rules: list[str] = []
    """Rules that do not hold here."""

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return tuple((re.compile(entry.pattern), entry.means) for entry in self.error_patterns)

    def classify(self, err_msg: str) -> str:
        """The class of a refusal, empty when no pattern knows its text."""
        return next((means for pattern, means in self._patterns if pattern.search(err_msg)), "")


_KEYS = frozenset(Profile.__struct_fields__) - {"name"}


def load_profile(name_or_path: str) -> Profile:
    """The profile of this name, or of this file when the text ends in `.toml`.

    Raises:
        ConfigurationError: there is none, a key is unknown, a value is wrong, or profiles extend
            one another in a circle.
    """
    document: dict[str, Any] = {}
    wanted, first = name_or_path, ""
    for _ in range(MAX_DEPTH):
        file, label = _find(wanted, Path(first).parent if first.endswith(".toml") else None)
        first = first or label
        found = _read(file, label)
        document = _merge(found, document)
        wanted = found.get("extends", "")
        if not wanted:
            break
    else:
        raise ConfigurationError(f"more than {MAX_DEPTH} profiles in a chain", file=first)
    document["name"] = Path(first).stem
    try:
        profile = msgspec.convert(document, Profile)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error), file=first) from error
    _check(profile, first)
    return profile


def profile_names() -> list[str]:
    """The profiles that come with the gateway."""
    entries = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in entries if name.endswith(".toml"))


def _find(name: str, folder: Path | None) -> tuple[Traversable, str]:
    if name.endswith(".toml"):
        path = Path(name) if folder is None else folder / name
        return path, str(path)
    if name not in profile_names():
        raise ConfigurationError(f"no profile {name!r}: one of {profile_names()}, or a .toml file")
    return files(__name__).joinpath(f"{name}.toml"), f"{name}.toml"


def _read(file: Traversable, label: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(str(error), file=label) from error
    unknown = sorted(document.keys() - _KEYS)
    if unknown:
        raise ConfigurationError(f"unknown key {', '.join(unknown)}", file=label)
    if not isinstance(document.get("extends", ""), str):
        raise ConfigurationError("extends names one profile", file=label)
    return document


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = {**inner, **value} if both else value  # type: ignore[dict-item]  # both are tables here
    return merged


def _check(profile: Profile, label: str) -> None:
    if profile.edition and profile.edition not in EDITIONS:
        raise ConfigurationError(f"unknown edition {profile.edition!r}", file=label)
    definitions = Definitions.load(profile.edition)
    for infno in (*profile.reversible, *profile.money, *profile.service_paths):
        if infno not in definitions:
            raise ConfigurationError(f"no transaction {infno}", file=label)
    for infno in profile.reversible:
        if infno not in definitions.transaction("2601").cancels:
            raise ConfigurationError(f"2601 does not reverse {infno}", file=label)
    known = definitions.dictionaries()
    for name in profile.open_dictionaries:
        if name not in known:
            raise ConfigurationError(f"no dictionary {name!r}", file=label)
    for name in (*profile.strict_rules, *profile.off_rules):
        if name not in RULE_NAMES:
            raise ConfigurationError(f"no rule {name!r}", file=label)
    members = {field.code for field in definitions.envelope.request}
    for name in profile.header_copy.values():
        if name not in members:
            raise ConfigurationError(f"no member {name!r} of the envelope", file=label)
    if profile.url_form == "service-path" and not profile.service_paths:
        raise ConfigurationError("service_paths is empty", file=label)
    for entry in profile.error_patterns:
        try:
            re.compile(entry.pattern)
        except re.error as error:
            raise ConfigurationError(f"{entry.pattern!r}: {error}", file=label) from error
