"""XML: to the tree of its JSON, from it, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import UnreadableError
from gateway.fhir.shapes import shapes_of
from gateway.fhir.xml import decode_xml, encode_xml

SHAPES = shapes_of("R4B")
HEAD = '<Claim xmlns="http://hl7.org/fhir">'


def read(text: str) -> dict[str, Any]:
    """The tree of a text."""
    return decode_xml(text.encode(), SHAPES, max_depth=32)


def test_elements_have_the_types_of_their_definition() -> None:
    """Lists, numbers with every digit, booleans, attributes, texts and extensions of primitives."""
    tree = read(
        f'{HEAD}<id value="c1"/>'
        '<extension url="urn:x"><valueBoolean value="true"/></extension>'
        '<status value="active"><extension url="urn:y"><valueCode value="z"/></extension></status>'
        '<created value="2026-03-02"/>'
        '<item id="i"><sequence value="1"/><net><value value="12.50"/></net></item>'
        "</Claim>"
    )

    assert tree == {
        "resourceType": "Claim",
        "id": "c1",
        "extension": [{"url": "urn:x", "valueBoolean": True}],
        "status": "active",
        "_status": {"extension": [{"url": "urn:y", "valueCode": "z"}]},
        "created": "2026-03-02",
        "item": [{"id": "i", "sequence": 1, "net": {"value": Decimal("12.50")}}],
    }


def test_a_tree_is_written_in_the_order_of_the_definition() -> None:
    """The members of JSON have no order, those of XML have: `type` stands before `created`."""
    tree = {
        "resourceType": "Claim",
        "created": "2026-03-02",
        "type": {"text": "a<b"},
        "contained": [{"resourceType": "Patient", "id": "p"}],
        "item": [{"net": {"value": Decimal("1.10")}, "sequence": 2, "id": "i"}],
    }

    assert encode_xml(tree, SHAPES).decode() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<Claim xmlns="http://hl7.org/fhir">'
        '<contained><Patient><id value="p"/></Patient></contained>'
        '<type><text value="a&lt;b"/></type>'
        '<created value="2026-03-02"/>'
        '<item id="i"><sequence value="2"/><net><value value="1.10"/></net></item>'
        "</Claim>"
    )


def test_lists_of_primitives_keep_their_extensions_in_place() -> None:
    """json.html#primitive: the list beside is filled with null."""
    text = (
        '<Patient xmlns="http://hl7.org/fhir"><name><given value="a"/><given value="b">'
        '<extension url="urn:x"><valueCode value="c"/></extension></given><given value="d"/>'
        "</name></Patient>"
    )
    tree = read(text)

    assert tree["name"][0]["given"] == ["a", "b", "d"]
    assert tree["name"][0]["_given"][0] is None
    assert tree["name"][0]["_given"][1] == {"extension": [{"url": "urn:x", "valueCode": "c"}]}
    assert read(encode_xml(tree, SHAPES).decode()) == tree


def test_a_narrative_is_kept_whole() -> None:
    """The XHTML of a text is one value."""
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>甲<b>乙</b>丙</p></div>'
    tree = read(f'{HEAD}<text><status value="generated"/>{div}</text></Claim>')

    assert tree["text"]["div"] == div
    assert div.encode() in encode_xml(tree, SHAPES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "<Claim/>",
        '<Claim xmlns="urn:other"/>',
        '<Nothing xmlns="http://hl7.org/fhir"/>',
        f"{HEAD}<colour value='red'/></Claim>",
        f"{HEAD}text</Claim>",
        f"{HEAD}<status value='active'/>tail</Claim>",
        f"{HEAD}<status value='active'/><status value='draft'/></Claim>",
        f"{HEAD}<status code='active'/></Claim>",
        f"{HEAD}<status value='active'><colour/></status></Claim>",
        f"{HEAD}<contained/></Claim>",
        '<Claim xmlns="http://hl7.org/fhir" id="c"/>',
        '<!DOCTYPE Claim [<!ENTITY x "y">]><Claim xmlns="http://hl7.org/fhir"/>',
        '<!DOCTYPE Claim SYSTEM "http://127.0.0.1:1/x.dtd"><Claim xmlns="http://hl7.org/fhir"/>',
        f"{HEAD}<status value='&x;'/></Claim>",
        f"{HEAD}{'<item>' * 300}{'</item>' * 300}</Claim>",
        f"{HEAD}{'<item>' * 40}{'</item>' * 40}</Claim>",
        f"{HEAD}{'<note/>' * 500_000}</Claim>",
        '<?xml version="1.0" encoding="GB18030"?><Claim xmlns="http://hl7.org/fhir"/>',
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_fhir_in_xml_is_refused(text: str) -> None:
    """One error of ours, whatever the bytes."""
    with pytest.raises(UnreadableError) as refused:
        read(text)
    assert refused.value.problems


def test_a_document_type_is_refused_in_any_encoding() -> None:
    """UTF-16 hides the letters from a plain look."""
    text = '<?xml version="1.0"?><!DOCTYPE Claim [<!ENTITY x "y">]><Claim xmlns="http://hl7.org/fhir"/>'
    with pytest.raises(UnreadableError):
        decode_xml(text.encode("utf-16"), SHAPES, max_depth=32)


def test_a_finding_names_the_element() -> None:
    """A FHIRPath, as for JSON."""
    with pytest.raises(UnreadableError) as refused:
        read(f"{HEAD}<item><sequence value='1'/></item><item><colour value='red'/></item></Claim>")

    assert [one.place for one in refused.value.problems] == ["Claim.item[1].colour"]


def test_a_value_of_another_type_is_left_to_the_shape_check() -> None:
    """The finding is the same as for JSON."""
    tree = read(f"{HEAD}<item><sequence value='one'/></item></Claim>")
    places = {one.place for one in SHAPES.check(tree, "Claim")}

    assert "Claim.item[0].sequence" in places
