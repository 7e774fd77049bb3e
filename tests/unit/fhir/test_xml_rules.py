"""XML by the rules of FHIR: what the gateway writes is read by another reader, and reads the same.

The other reader, `tests.fhir_xml`, looks at every answer of the tests; here it is looked at itself.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gateway.fhir.decode import decode_own, encode, encode_answer
from gateway.fhir.shapes import shapes_of
from gateway.fhir.xml import decode_xml, encode_xml
from tests.acceptance.releases import in_release
from tests.fhir_xml import read_xml, same
from tests.unit.fhir.mutating import mutate

HEAD = '<Claim xmlns="http://hl7.org/fhir">'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
ODD = [
    "a\x01b",
    "\x7f",
    "\uffff",
    "\ufffe",
    "\x85",
    "a\tb",
    "a\r\nb",
    " a",
    "\u2028",
    "𠮷",
    "]]>",
    "<&>",
]
"""Texts that one of the two formats may not be able to carry."""


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"{HEAD}<created value='2026'/><status value='active'/></Claim>", "behind"),
        (f"{HEAD}<status value='active'/><status value='draft'/></Claim>", "twice"),
        (f"{HEAD}<status/></Claim>", "is empty"),
        (f"{HEAD}<status value=''/></Claim>", "an empty value"),
        (f"{HEAD}<type/></Claim>", "is empty"),
        (f"{HEAD}<colour value='red'/></Claim>", "not defined"),
        (f"{HEAD}<status value='active' url='urn:x'/></Claim>", "attributes"),
        (f"{HEAD}<status value='active'>text</status></Claim>", "text"),
        (f"{HEAD}<type id=''><text value='a'/></type></Claim>", "attributes"),
        (f"{HEAD}<contained><Patient/><Patient/></contained></Claim>", "one resource"),
        (f"{HEAD}<x:status xmlns:x='urn:x' value='active'/></Claim>", "namespace"),
        ('<Claim xmlns="http://hl7.org/fhir" id="c"/>', "attributes"),
        (f"<!DOCTYPE Claim>{HEAD}</Claim>", "document type"),
        (f"{HEAD}<text><div {XHTML}> </div></text></Claim>", "says nothing"),
        (f"{HEAD}<text><div {XHTML}><script>x</script></div></text></Claim>", "active"),
        (f"{HEAD}<text><div {XHTML} onclick='x'>a</div></text></Claim>", "active"),
    ],
)
def test_the_other_reader_finds_what_is_against_the_rules(text: str, word: str) -> None:
    """Each rule is one that it can see broken."""
    faults = read_xml("R4B", text.encode())[1]

    assert any(word in fault for fault in faults), faults


@pytest.mark.parametrize("models", ["R4B", "R5"])
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_accepted_can_be_written_in_xml_and_reads_the_same(
    models: str, seed: int, make_claim: Any, make_encounter: Any
) -> None:
    """Mutations and odd texts: what the shapes accept in JSON has an XML, for both readers."""
    shapes = shapes_of(models)
    dice = random.Random(f"{models}{seed}")  # noqa: S311 - chooses mutations
    written = 0
    for number in range(80):
        make = (make_claim, make_encounter)[number % 2]
        tree = in_release(decode_own(encode(make())), "r5" if models == "R5" else "r4")
        for _ in range(dice.randrange(2)):
            tree = mutate(tree, dice)
        tree = decode_own(json.dumps(oddly(decode_own(encode(tree)), dice), default=float))
        if shapes.check(tree, tree["resourceType"]):
            continue
        raw = encode_xml(tree, shapes)
        again, faults = read_xml(models, raw)
        written += 1

        assert faults == []
        assert same(again, tree), raw.decode()
        assert same(decode_xml(raw, shapes, max_depth=32), tree), raw.decode()
    assert written > 20


def oddly(tree: Any, dice: random.Random) -> Any:
    """The tree with an odd text now and then, in place of a text that anybody writes as he likes."""
    if isinstance(tree, dict):
        return {
            name: dice.choice(ODD)
            if name in {"text", "display", "value"}
            and isinstance(one, str)
            and not dice.randrange(40)
            else oddly(one, dice)
            for name, one in tree.items()
        }
    return [oddly(one, dice) for one in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize(
    "div",
    [
        "text alone",
        "<div>without a namespace</div>",
        f"<p {XHTML}>no div</p>",
        f"<div {XHTML}> </div>",
        f"<div {XHTML}><p>not closed</div>",
        f"<div {XHTML}><script>x</script></div>",
        f"<div {XHTML}><a href=' JavaScript:x'>a</a></div>",
        f"<div {XHTML}><p onclick='x'>a</p></div>",
        f"<div {XHTML}><form><input name='a'/></form></div>",
        f"<div {XHTML}><svg xmlns='http://www.w3.org/2000/svg'/>a</div>",
        f"<!DOCTYPE div [<!ENTITY a 'b'>]><div {XHTML}>&a;</div>",
        f"<div {XHTML}>&unheard;</div>",
        f"<div {XHTML}>{'<p>' * 300}a{'</p>' * 300}</div>",
    ],
)
def test_a_narrative_that_is_none_is_refused_at_its_place(div: str) -> None:
    """narrative.html: one div of XHTML that says something, with nothing in it that runs or asks."""
    tree = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    found = shapes_of("R4B").check(tree, "Patient")

    assert [one.place for one in found] == ["Patient.text.div"]


@pytest.mark.parametrize(
    ("inner", "written"),
    [
        ("<p style='color: red'>甲<b>乙</b></p>", "甲<b>乙</b>"),
        ("a&nbsp;b&eacute;&lt;", "a\u00a0bé&lt;"),
        ("<img src='a.png' alt=''/>", "<img "),
        ("<a href='#p' name='x'>a</a><!-- seen -->", "<a href="),
    ],
)
def test_a_narrative_is_written_as_it_was_told(inner: str, written: str) -> None:
    """HTML's names of characters become the characters, which XML knows."""
    div = f"<div {XHTML}>{inner}</div>"
    tree = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    shapes = shapes_of("R4B")
    raw = encode_xml(tree, shapes)

    assert shapes.check(tree, "Patient") == []
    assert written in raw.decode()
    assert read_xml("R4B", raw)[1] == []


@pytest.mark.parametrize("text", ["a\x01b", "\uffff"])
def test_what_another_system_told_can_always_be_written(text: str) -> None:
    """A platform's own words in an answer, or a message from before texts were looked at."""
    tree = {"resourceType": "ClaimResponse", "disposition": text, "text": {"div": text}}
    answer = read_xml("R4B", encode_xml(tree, shapes_of("R4B")))[0]

    assert answer["disposition"] == text.replace("\x01", "\ufffd").replace("\uffff", "\ufffd")


@pytest.mark.parametrize(
    ("told", "answered"),
    [
        ("a\x01b", "a\ufffdb"),
        ("\x08\x0b\x0c\x1f", "\ufffd" * 4),
        ("\ufffe\uffff", "\ufffd\ufffd"),
        ("\t\r\n", "\t\r\n"),
        ("\\u0001 \\\\b \\f", "\\u0001 \\\\b \\f"),
        ("\\\x01", "\\\ufffd"),
        ("￥1.00", "￥1.00"),
    ],
)
def test_an_answer_has_no_characters_that_fhir_does_not_have(told: str, answered: str) -> None:
    """datatypes.html#string; a backslash of the text itself begins no escape."""
    assert decode_own(encode_answer({"disposition": told}))["disposition"] == answered
