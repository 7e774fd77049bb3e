"""The page of the reference about the fields of a settlement list and where each is from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gateway.cli.maps import FOLDER
from gateway.fsi.definitions import Definitions, Node
from gateway.settlement.listing.places import FOLLOWS, OF_PLATFORM, RECORDS, ROWS, STORED
from mappings.messages.compiler import read_maps
from mappings.messages.grammar import Block, Sheet

EVENTS = (
    *("ADT^A01", "ADT^A02", "ADT^A03", "ADT^A06", "ADT^A08", "ADT^A12"),
    *("BAR^P01", "BAR^P05", "BAR^P06", "BAR^P12"),
)
INTERACTIONS = ("open Encounter", "change Encounter", "finish Encounter", "claim Claim")
HEAD = """\
# Fields of the settlement list

Drawn from the message maps and `gateway/settlement/listing/places.py` by
`python -m gateway.cli.reference docs/reference`.
How a list is made is in [Upload settlement lists](../how-to/settlement-list.md).

A field is taken from the additions file, then from what the messages said, then from what is
stored, then from `[settlement_list] additions`.
The messages are ADT^A01, A02, A03, A06, A08 and A12, BAR^P01, P05, P06 and P12; in FHIR the
Encounter of the stay and the Claim that settles it.
A row without an entry has no place of its own in these messages: the additions file, the settings
or a [map overlay](maps.md) (`listing.FIELD <- ...`) give it.

FHIR paths are those of R4, the first that states something counts: `%patient` is the Patient,
`->` follows a reference, `supportingInfo[FIELD]` is the one whose `category` has this code.
In R5 `hospitalization` is `admission`, `performed[x]` is `occurrence[x]`, `individual` is `actor`,
`physicalType` is `form`, and `period` of an Encounter is `actualPeriod`.
The diagnosis of the outpatient department is the admitting one: DG1-6 `A`, `use` AD or `type`
admitting.
The diagnoses of a Claim count where one of them is the `principal` one.
The DRG segment has no field of the list.

Editions: the base tables of 4101 and 4101A, and 4101 of Hunan (HN); `*` marks a required field.

| field | name | in | HL7 v2 | FHIR | stored, settings |
|---|---|---|---|---|---|
"""
_CATEGORY = re.compile(r"supportingInfo\[category\.coding\.code=(\w+)\].*")
_FILTERS = re.compile(r"\[.*")


def list_page() -> str:
    """Every field of 4101 and 4101A in every edition, with its sources."""
    hl7, fhir = (
        _paths(read_maps(FOLDER / folder), kinds)
        for folder, kinds in (("hl7v2", EVENTS), ("fhir", INTERACTIONS))
    )
    lines = []
    for field, (label, editions) in _fields().items():
        sources = sources_of(field)
        stored = stored_of(field)
        cells = (
            f"`{field}`",
            label,
            ", ".join(editions),
            *(_cell(found, sources) for found in (hl7, fhir)),
            stored,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def sources_of(field: str) -> tuple[str, ...]:
    """What a field of the list follows from, as record and field code of the maps."""
    node, _, code = field.partition(".")
    if field in FOLLOWS:
        return FOLLOWS[field]
    if node in ROWS:
        return (f"{ROWS[node]}.{code}",)
    if node != "setlinfo" or code in OF_PLATFORM:
        return ()
    return tuple(f"{record}.{code}" for record in RECORDS)


def stored_of(field: str) -> str:
    """What is stored or set of a field; empty where nothing is."""
    node, _, code = field.partition(".")
    return STORED.get(field, STORED.get(code, "") if node == "setlinfo" else "")


def _fields() -> dict[str, tuple[str, list[str]]]:
    """Path of each field -> its name and the editions that have it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for edition, nodes in _editions():
        for node in nodes:
            for field in node.fields:
                place = f"{node.name}.{field.code}"
                mark = f"{edition}{'*' if field.required else ''}"
                found.setdefault(place, (field.name, []))[1].append(mark)
    order = {name: at for at, name in enumerate(dict.fromkeys(p.split(".")[0] for p in found))}
    return dict(sorted(found.items(), key=lambda item: order[item[0].split(".")[0]]))


def _editions() -> Iterator[tuple[str, tuple[Node, ...]]]:
    base = Definitions.load()
    for infno in ("4101", "4101A"):
        yield infno, base.transaction(infno).input
    for variant in base.variants("4101"):
        yield variant.edition, variant.input


def _paths(sheets: Mapping[str, Sheet], kinds: tuple[str, ...]) -> dict[str, list[str]]:
    """Record and field code -> the paths that fill it, in the order of the messages."""
    found: dict[str, list[str]] = {}
    for kind in kinds:
        sheet = sheets[kind]
        for target, rule in sheet.every_rule():
            block = sheet.blocks.get(target.partition(".")[0])
            found.setdefault(target, []).extend(
                _shown(source.path, block) for source in rule.sources if source.path
            )
    return found


def _shown(path: str, block: Block | None) -> str:
    """A path of a map as a reader of the page looks for it; of a block, with the block's own."""
    if block is not None and not block.path.isupper() and not path.startswith("%"):
        known = _CATEGORY.sub(r"supportingInfo[\1]", block.path)
        return f"{known if known != block.path else _FILTERS.sub('', block.path)}.{path}"
    return _CATEGORY.sub(r"supportingInfo[\1]", path)


def _cell(found: Mapping[str, list[str]], sources: tuple[str, ...]) -> str:
    paths = dict.fromkeys(path for source in sources for path in found.get(source, ()))
    return ", ".join(f"`{path}`" for path in paths).replace("|", "\\|")
