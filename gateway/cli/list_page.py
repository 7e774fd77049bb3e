"""The page of the reference about the fields of a settlement list and where each is from."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.fsi.definitions import Definitions, Node
from gateway.settlement.listing.places import (
    OF_THE_CENTRE,
    Paths,
    message_paths,
    paths_of,
    stored_of,
)

HEAD = """\
# Fields of the settlement list

Drawn from the message maps and `gateway/settlement/listing/places.py` by
`python -m gateway.cli.reference docs/reference`.
How a list is made is in [Upload settlement lists](../how-to/settlement-list.md).

A field is taken from the additions file, then from what the messages said, then from what is
stored, then from `[settlement_list] additions`.
The messages are ADT^A01, A02, A03, A06, A08 and A12, BAR^P01, P05, P06 and P12; in FHIR the
Encounter of the stay and the Claim that settles it.
A field of which the last column says `additions only` has no place in these messages, and follows
from nothing that is stored: the additions file, the settings or a [map overlay](maps.md)
(`listing.FIELD <- ...`) give it.

Where HL7 v2 has no place and LOINC no code, an OBX has the code of the field as its OBX-3:
`OBX|1|ST|bill_code||0143||||||F`, `OBX|2|NM|vent_used_dura||37|h|||||F`.
An OBX that was taken back (OBX-11 D or W) or has no result states nothing.
Weights are taken in mg, g or kg and durations in min, h or d, by OBX-6 or the unit of a Quantity; a
value in another unit, or without one, is kept as it is and found by the check of the list.
`NK1[!E/F/I/S][3!=EMR]` is the first NK1 that is no employer, insurer or agency: the name, relation,
address and telephone of the contact person are all of this one, and in FHIR of one `contact`.
`nwb_adm_wt` is the weight of ADT^A01 or A06 (LOINC 3141-9) of somebody at most 28 days old.
`ROL` is one directly behind its PR1.

The days in hospital are the difference of the two dates, as the filling rules have it: PV2-11 and
Encounter.length leave out days of absence and are not read.
Of a newborn without insurance of its own `age_days` is known to the hospital alone.
A chronic-disease section (`opsp`) is that of an outpatient visit with a filed disease; a row of
`opspdiseinfo` is the disease with a procedure of the visit.
Procedures are read where the Claim names them (`procedure`), with the Procedure it contains or
refers to; Procedure and Observation are no resources of this server by themselves.

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
            *(said := [_cell(field, found) for found in (hl7, fhir)]),
            stored_of(field) or _unstored(field, said=any(said)),
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


def _unstored(field: str, *, said: bool) -> str:
    if field in OF_THE_CENTRE:
        return "the centre fills it in"
    return "" if said else "additions only"


def _cell(field: str, found: Paths) -> str:
    return ", ".join(f"`{path}`" for path in paths_of(field, found)).replace("|", "\\|")
