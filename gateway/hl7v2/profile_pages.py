"""The pages and XML documents of the message profiles.

`python -m gateway.hl7v2.profile_pages docs/reference` writes them; a test fails while a committed
one differs from what is rendered here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import mappings.messages
from gateway.hl7v2.definitions import UNBOUNDED
from gateway.hl7v2.profiles import Profile, SegmentProfile, profile_of, to_xml, versions_of
from mappings.messages.compiler import read_maps
from mappings.messages.grammar import Sheet

MAPS = Path(mappings.messages.__file__).parent / "hl7v2"
FOLDER = "profiles"
_SHOWN = frozenset({"R", "RE"})


def event_of(kind: str) -> str:
    """The event of a map: those of `DFT^P03 CD` are messages of the event `DFT^P03`."""
    return kind.partition(" ")[0]


def events_of(maps: Mapping[str, Sheet]) -> list[str]:
    """The events of these maps that have a structure."""
    return sorted({event_of(kind) for kind in maps if versions_of(event_of(kind))})


def sheets_of(maps: Mapping[str, Sheet], event: str) -> list[Sheet]:
    """The maps of an event."""
    return [sheet for kind, sheet in maps.items() if event_of(kind) == event]


def file_of(event: str) -> str:
    """The name of an event in file names."""
    return event.replace("^", "_")


def pages() -> Iterator[tuple[str, str]]:
    """Every page and document: its path below docs/reference, and its text."""
    maps = read_maps(MAPS)
    events = events_of(maps)
    yield f"{FOLDER}/index.md", _index(maps, events)
    for event in events:
        profile = profile_of(event, sheets_of(maps, event))
        yield f"{FOLDER}/{file_of(event)}.md", page(profile)
        yield f"{FOLDER}/{file_of(event)}.xml", to_xml(profile).decode()


def write(folder: Path) -> None:
    """Write every page and document below this folder, and take away what is no longer made."""
    made = dict(pages())
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in (folder / FOLDER).iterdir():
        if f"{FOLDER}/{path.name}" not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")


def _index(maps: Mapping[str, Sheet], events: list[str]) -> str:
    lines = [
        "# Message profiles",
        "",
        "What is read of each event of HL7 v2, made from the message maps and the version tables.",
        "The pages are made by `python -m gateway.hl7v2.profile_pages docs/reference`.",
        "`gateway maps profile` prints one for another version, or for a peer with its own maps.",
        "",
        "| event | structure | verbs | document |",
        "|---|---|---|---|",
    ]
    for event in events:
        profile = profile_of(event, sheets_of(maps, event))
        name = file_of(event)
        lines.append(
            f"| [{event}]({name}.md) | {profile.structure} | {', '.join(profile.verbs)} | "
            f"[{profile.version}]({name}.xml) |"
        )
    return "\n".join(lines) + "\n"


def page(profile: Profile) -> str:
    """The profile as a page."""
    name = file_of(profile.event)
    lines = [
        f"# {profile.event}",
        "",
        f"Structure {profile.structure}, version {profile.version}, also as [XML]({name}.xml).",
        f"What the sender wants done: {', '.join(profile.verbs)}.",
        "R is required, RE is used where it is there; everything that is not listed is ignored.",
        "",
        "| place | usage | times | type | length | table | becomes |",
        "|---|---|---|---|---|---|---|",
        *_rows(profile.members, ""),
    ]
    return "\n".join(lines) + "\n"


def _rows(members: list[SegmentProfile], group: str) -> Iterator[str]:
    for member in members:
        times = _times(member.least, member.most)
        name = f"{group}{member.name}"
        if not member.fields:
            yield from _rows(member.members, f"{name} / ")
            continue
        yield f"| **{name}** | {member.usage} | {times} | | | | |"
        for number, field in enumerate(member.fields, start=1):
            if field.usage not in _SHOWN:
                continue
            yield (
                f"| {member.name}-{number} {field.name} | {field.usage} | "
                f"{_times(field.least, field.most)} | {field.type} | "
                f"{field.length or ''} | {field.table} | "
                f"{_becomes(field.becomes)} |"
            )


def _becomes(texts: list[str]) -> str:
    """What a field becomes, without the lines of the maps, which change more often."""
    return ", ".join(dict.fromkeys(text.partition(" (hl7v2/")[0] for text in texts))


def _times(least: int, most: int) -> str:
    return f"{least}..{'*' if most == UNBOUNDED else most}"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
