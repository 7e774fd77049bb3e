"""The page of the reference about the fields of a settlement list and where each is from."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.fsi.definitions import Definitions, Node
from gateway.settlement.listing.places import Paths, message_paths, paths_of, stored_of

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


def list_page() -> str:
    """Every field of 4101 and 4101A in every edition, with its sources."""
    hl7, fhir = message_paths()
    lines = []
    for field, (label, editions) in _fields().items():
        cells = (
            f"`{field}`",
            label,
            ", ".join(editions),
            *(_cell(field, found) for found in (hl7, fhir)),
            stored_of(field),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


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


def _cell(field: str, found: Paths) -> str:
    return ", ".join(f"`{path}`" for path in paths_of(field, found)).replace("|", "\\|")
