"""Extensions and profiles of the guide as StructureDefinitions, in differential form."""

from __future__ import annotations

from typing import Any

from gateway.fhir.guide.catalogue import EXTENSIONS, Extension
from gateway.fhir.guide.frame import Frame
from gateway.fhir.guide.profiles import Profile, bound, profiles_of
from gateway.fhir.release import R5

BASE = "http://hl7.org/fhir/StructureDefinition"


def profiles(frame: Frame, max_items: int) -> list[dict[str, Any]]:
    """The profiles as resources."""
    return [_profile(frame, one) for one in profiles_of(frame, max_items)]


def _profile(frame: Frame, profile: Profile) -> dict[str, Any]:
    elements: list[dict[str, Any]] = [{"id": profile.type, "path": profile.type}]
    places = [profile.type, *dict.fromkeys(rule.path for rule in profile.rules)]
    holders = {
        context
        for extension in EXTENSIONS
        for context in extension.contexts
        if context == profile.type or context.startswith(f"{profile.type}.")
    }
    rules = {rule.path: rule.constraint for rule in profile.rules}
    for place in sorted({*places, *holders}, key=_order(profile)):
        if place in rules:
            elements.append({"id": place, "path": place, **rules[place]})
        elif place != profile.type:
            elements.append({"id": place, "path": place})
        elements += _slices(frame, profile, place)
    return _structure(frame, profile.name, profile.zh, profile.en) | {
        "kind": "resource",
        "abstract": False,
        "type": profile.type,
        "baseDefinition": f"{BASE}/{profile.type}",
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _order(profile: Profile) -> Any:
    """The order of elements: a parent before its children, otherwise as the rules have them."""
    stated = [rule.path for rule in profile.rules]

    def key(place: str) -> tuple[int, int, str]:
        if place == profile.type:
            return (0, 0, place)
        top = ".".join(place.split(".")[:2])
        first = next((n for n, path in enumerate(stated) if path.startswith(top)), -1)
        return (1, first, f"{place.count('.')}{place}" if first < 0 else place)

    return key


def _slices(frame: Frame, profile: Profile, place: str) -> list[dict[str, Any]]:
    """The extensions of an element."""
    found = [one for one in EXTENSIONS if place in one.contexts]
    if not found:
        return []
    path = f"{place}.extension"
    slicing = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    head: list[dict[str, Any]] = [{"id": path, "path": path, "slicing": slicing}]
    return head + [
        {
            "id": f"{path}:{one.name}",
            "path": path,
            "sliceName": one.name,
            "min": 0,
            "max": "1",
            "type": [{"code": "Extension", "profile": [frame.names.extension(one.name)]}],
        }
        for one in found
        if not (one.name == "encounter" and frame.release is R5 and profile.type == "Claim")
    ]


def extensions(frame: Frame) -> list[dict[str, Any]]:
    """The extensions as resources."""
    return [_extension(frame, one) for one in EXTENSIONS]


def _extension(frame: Frame, extension: Extension) -> dict[str, Any]:
    url = frame.names.extension(extension.name)
    elements: list[dict[str, Any]] = [
        {"id": "Extension", "path": "Extension", "short": extension.zh, "definition": extension.en}
    ]
    if extension.parts:
        elements += [
            element for part in extension.parts for element in _part(frame, extension, *part)
        ]
    else:
        elements.append({"id": "Extension.extension", "path": "Extension.extension", "max": "0"})
    elements.append({"id": "Extension.url", "path": "Extension.url", "fixedUri": url})
    value: dict[str, Any] = {"id": "Extension.value[x]", "path": "Extension.value[x]"}
    if extension.parts:
        value["max"] = "0"
    else:
        value |= {"min": 1, "type": [_typed(kind) for kind in extension.types]}
        if extension.codes:
            value |= bound(frame, extension.codes)
    return _structure(frame, extension.name, extension.zh, extension.en) | {
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": one} for one in extension.contexts],
        "type": "Extension",
        "baseDefinition": f"{BASE}/Extension",
        "derivation": "constraint",
        "differential": {"element": [*elements, value]},
    }


def _part(frame: Frame, extension: Extension, name: str, kind: str) -> list[dict[str, Any]]:
    """The elements of one part of an extension."""
    identity, path = f"Extension.extension:{name}", "Extension.extension"
    value: dict[str, Any] = {
        "id": f"{identity}.value[x]",
        "path": f"{path}.value[x]",
        "type": [_typed(kind)],
    }
    if extension.codes and kind == "code":
        value |= bound(frame, extension.codes)
    return [
        {"id": identity, "path": path, "sliceName": name, "min": 0, "max": "1"},
        {"id": f"{identity}.url", "path": f"{path}.url", "fixedUri": name},
        value,
    ]


def _typed(kind: str) -> dict[str, Any]:
    if kind == "Reference":
        return {"code": kind, "targetProfile": [f"{BASE}/Encounter"]}
    return {"code": kind}


def _structure(frame: Frame, name: str, zh: str, en: str) -> dict[str, Any]:
    head = frame.canonical("StructureDefinition", name, zh, en)
    return head | {"fhirVersion": frame.release.version}
