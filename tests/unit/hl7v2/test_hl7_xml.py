"""HL7 v2.xml: to the same message as ER7, and from it."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import ProblemCode, UnreadableError
from gateway.hl7v2.definitions import MODULES
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.xml_reader import MAX_DEPTH, MAX_TAGS, looks_like_xml, xml_to_er7
from gateway.hl7v2.xml_writer import NAMESPACE, er7_to_xml

HEAD = "MSH|^~\\&|HIS|MAIN|GATE|FSI|20260301090000||{kind}|C1|P|{version}||||||{charset}\r"
BODY = (
    "EVN||20260301090000\r"
    "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS&1.2.3&ISO^MR||张^伟示||19800101|M\r"
    "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100\r"
    "DG1|1||J06.900^上感\r"
    "IN1|1|390|440300\r"
    "ZMI|1|a^b&c~d|x\r"
)


def _er7(kind: str = "ADT^A04^ADT_A01", version: str = "2.5.1", body: str = BODY) -> bytes:
    charset = "UNICODE UTF-8" if version >= "2.5" else "UNICODE"
    return (HEAD.format(kind=kind, version=version, charset=charset) + body).encode()


def _xml(inner: str, root: str = "ADT_A01") -> bytes:
    head = (
        "<MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2><MSH.9><MSG.1>ADT</MSG.1></MSH.9>"
        "<MSH.12><VID.1>2.5.1</VID.1></MSH.12></MSH>"
    )
    return f'<{root} xmlns="{NAMESPACE}">{head}{inner}</{root}>'.encode()


def _segment(raw: bytes, name: str) -> str:
    return next(it for it in raw.decode().split("\r") if it.startswith(name))


def _names(raw: bytes) -> list[str]:
    root = etree.fromstring(raw)
    return [etree.QName(child).localname for child in root]


@pytest.mark.parametrize("version", sorted(MODULES))
def test_a_message_goes_there_and_back_in_every_version(version: str) -> None:
    """Groups and types are those of the version; Z segments and all values are kept."""
    kind = "ADT^A04" if version == "2.3" else "ADT^A04^ADT_A01"
    raw = _er7(kind, version)
    assert xml_to_er7(er7_to_xml(raw)) == raw


def test_elements_have_the_names_of_the_tables() -> None:
    """Segment, field, data type and group, in the namespace of v2.xml."""
    root = etree.fromstring(er7_to_xml(_er7()))
    assert root.tag == f"{{{NAMESPACE}}}ADT_A01"
    paths = {
        "PID/PID.3[2]/CX.4/HD.2": "1.2.3",
        "PID/PID.5/XPN.1/FN.1": "张",
        "PID/PID.7/TS.1": "19800101",
        "PID/PID.8": "M",
        "MSH/MSH.2": "^~\\&",
        "ADT_A01.INSURANCE/IN1/IN1.3/CX.1": "440300",
        "ZMI/ZMI.2[1]/UNKNOWN.2/UNKNOWN.2": "c",
    }
    for path, text in paths.items():
        steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
        found = root.find(steps)
        if path.startswith("ZMI"):
            found = next(iter(root.iter(f"{{{NAMESPACE}}}ZMI"))).find(steps.partition("/")[2])
        assert found is not None, path
        assert found.text == text, path


def test_repeated_groups_are_elements_of_their_own() -> None:
    """Each FT1 of a DFT begins a group FINANCIAL."""
    body = "EVN||2026\rPID|1\rFT1|1\rNTE|1||x\rFT1|2\rIN1|1\r"
    raw = _er7("DFT^P03^DFT_P03", body=body)
    assert _names(er7_to_xml(raw)) == [
        "MSH", "EVN", "PID", "DFT_P03.FINANCIAL", "DFT_P03.FINANCIAL", "DFT_P03.INSURANCE",
    ]  # fmt: skip
    assert xml_to_er7(er7_to_xml(raw)) == raw


def test_segments_out_of_place_are_kept_in_their_order() -> None:
    """What the structure has no place for is written behind it."""
    raw = _er7(body="PV1|1|O\rPID|1\rEVN||2026\r")
    assert xml_to_er7(er7_to_xml(raw)) == raw


def test_groups_and_namespaces_make_no_difference_when_reading() -> None:
    """The same document with groups, with other groups, and without."""
    flat = _xml("<PID><PID.1>1</PID.1></PID><IN1><IN1.1>1</IN1.1></IN1>")
    grouped = _xml(
        "<ADT_A01.X><PID><PID.1>1</PID.1></PID><ADT_A01.Y><IN1><IN1.1>1</IN1.1></IN1>"
        "</ADT_A01.Y></ADT_A01.X>"
    )
    bare = flat.replace(f' xmlns="{NAMESPACE}"'.encode(), b"")
    assert xml_to_er7(flat) == xml_to_er7(grouped) == xml_to_er7(bare)


def test_delimiters_in_the_data_are_data() -> None:
    """E-006: what would be a delimiter in ER7 is escaped there, and is plain text in XML."""
    raw = xml_to_er7(_xml("<PID><PID.5><XPN.1>a|b^c~d\\e&amp;f</XPN.1></PID.5></PID>"))
    assert _segment(raw, "PID") == "PID|||||a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f"
    assert read_document(raw.decode()).all("PID")[0].get(5) == "a|b^c~d\\e&f"


def test_other_escapes_are_elements() -> None:
    """A line break of formatted text, and a character that XML cannot hold."""
    raw = _er7(body="NTE|1||a\\.br\\b\\H\\c\\X0B\\d\r")
    text = er7_to_xml(raw).decode()
    assert '<NTE.3>a<escape V=".br"/>b<escape V="H"/>c<escape V="X0B"/>d</NTE.3>' in text
    assert xml_to_er7(text.encode()) == raw


def test_null_and_absent_stay_different() -> None:
    """E-010."""
    raw = _er7(body='PID|1||""||A^""^C|""\r')
    text = er7_to_xml(raw).decode()
    assert '<PID.3>""</PID.3>' in text
    assert "PID.4" not in text
    assert xml_to_er7(text.encode()) == raw


def test_an_observation_has_the_type_that_it_names() -> None:
    """OBX-5 by OBX-2."""
    raw = _er7(body="OBX|1|CX|1^x||A^^^B\rOBX|2|ST|1^x||A\rOBX|3|ZZ|1^x||A^B\r")
    text = er7_to_xml(raw).decode()
    assert "<OBX.5><CX.1>A</CX.1><CX.4><HD.1>B</HD.1></CX.4></OBX.5>" in text
    assert "<OBX.5>A</OBX.5>" in text
    assert "<OBX.5><UNKNOWN.1>A</UNKNOWN.1><UNKNOWN.2>B</UNKNOWN.2></OBX.5>" in text
    assert xml_to_er7(text.encode()) == raw


@pytest.mark.parametrize(("version", "name"), [("2.3.1", "UNICODE"), ("2.5", "UNICODE UTF-8")])
@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16"])
def test_the_character_set_is_that_of_the_document(version: str, name: str, codec: str) -> None:
    """MSH-18 is made to say what the bytes are; the name of table 0211 depends on the version."""
    text = (
        f'<?xml version="1.0" encoding="{codec}"?><ACK><MSH><MSH.12><VID.1>{version}</VID.1>'
        "</MSH.12><MSH.18>8859/1</MSH.18></MSH><MSA><MSA.3>张㐂𠮷</MSA.3></MSA></ACK>"
    )
    raw = xml_to_er7(text.encode(codec))
    assert raw.decode().split("\r")[1] == "MSA|||张㐂𠮷"
    assert raw.decode().split("\r")[0].split("|")[17] == name


def test_the_transport_may_state_the_character_set() -> None:
    """It goes before what the document says."""
    text = "<ACK><MSH/><MSA><MSA.3>张</MSA.3></MSA></ACK>"
    assert "MSA|||张" in xml_to_er7(text.encode("gb18030"), "GB18030").decode()


BOMB = b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><ACK><MSH><MSH.10>&c;</MSH.10></MSH></ACK>'


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (BOMB, ProblemCode.READ_SYNTAX),
        (BOMB.decode().encode("utf-16"), ProblemCode.READ_SYNTAX),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><ACK><MSH/></ACK>', ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH>", ProblemCode.READ_SYNTAX),
        (b"<ACK/>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSA/><MSH/></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/>lost</ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA>lost<MSA.1>AA</MSA.1></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA><MSA.1>lost<X.1>AA</X.1></MSA.1></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><message/></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA><MSA.0>x</MSA.0></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA><MSA.9999>x</MSA.9999></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA><MSA.1><A.1/><B.1/></MSA.1></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (b"<ACK><MSH/><MSA><MSA.1><escape V='\\'/></MSA.1></MSA></ACK>", ProblemCode.READ_SYNTAX),
        (
            b"<ACK><MSH/><MSA><MSA.1><A.1><B.1><C.1/></B.1></A.1></MSA.1></MSA></ACK>",
            ProblemCode.READ_SYNTAX,
        ),
        (
            b"<ACK><MSH/>" + b"<A.B>" * MAX_DEPTH + b"</A.B>" * MAX_DEPTH + b"</ACK>",
            ProblemCode.READ_LIMIT,
        ),
        (b"<ACK><MSH/>" + b"<A.B/>" * MAX_TAGS + b"</ACK>", ProblemCode.READ_LIMIT),
        (b"<?xml version='1.0' encoding='koi8-r'?><ACK><MSH/></ACK>", ProblemCode.READ_CHARSET),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else str(value),
)
def test_what_is_no_message_is_refused(raw: bytes, code: ProblemCode) -> None:
    """No document type, no entity, no lost text, no deeper or longer than the limits."""
    with pytest.raises(UnreadableError) as caught:
        xml_to_er7(raw)
    assert caught.value.problems[0].code is code


def test_a_problem_names_the_field() -> None:
    """The place is that of ER7."""
    with pytest.raises(UnreadableError) as caught:
        xml_to_er7(_xml("<PID><PID.5>x<XPN.1>y</XPN.1></PID.5></PID>"))
    assert caught.value.problems[0].place == "PID[1]-5"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<ACK/>", True),
        (b"\xef\xbb\xbf <?xml version='1.0'?><ACK/>", True),
        ("<ACK/>".encode("utf-16"), True),
        (b"MSH|^~\\&|", False),
        (b"", False),
    ],
)
def test_xml_is_known_by_its_first_bytes(raw: bytes, *, expected: bool) -> None:
    """No ER7 message begins like that."""
    assert looks_like_xml(raw) is expected


PLAIN = st.text(st.sampled_from(string.ascii_letters + "张|^~\\&<>\"'"), max_size=6).filter(
    lambda text: text != '""'
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PID", "PV1", "IN1", "DG1", "OBX", "ZZZ", "NTE"]),
            st.dictionaries(
                st.integers(1, 30),
                st.lists(
                    st.lists(st.lists(PLAIN, min_size=1, max_size=3), min_size=1, max_size=4),
                    min_size=1,
                    max_size=3,
                ),
                max_size=5,
            ),
        ),
        max_size=6,
    )
)
@settings(deadline=None)
def test_any_segments_go_there_and_back(
    lines: list[tuple[str, dict[int, list[list[list[str]]]]]],
) -> None:
    """Whatever stands where: reading what was written gives every value at its place."""
    make: Callable[[str], str] = lambda text: (  # noqa: E731 - one expression of five replacements
        text.replace("\\", "\\E\\").replace("|", "\\F\\").replace("^", "\\S\\")
        .replace("~", "\\R\\").replace("&", "\\T\\")
    )  # fmt: skip
    body = ""
    for name, fields in lines:
        texts = [""] * max(fields, default=0)
        for number, repetitions in fields.items():
            texts[number - 1] = "~".join(
                "^".join("&".join(make(sub) for sub in subs) for subs in parts)
                for parts in repetitions
            )
        body += "|".join([name, *texts]) + "\r"
    raw = _er7(body=body)
    before = read_document(raw.decode())
    after = read_document(xml_to_er7(er7_to_xml(raw)).decode())
    assert [it.name for it in after.segments] == [it.name for it in before.segments]
    for old, new in zip(before.segments[1:], after.segments[1:], strict=True):
        for number in range(1, 31):
            for at, repetition in enumerate(old.repetitions(number)):
                found = [*new.repetitions(number), *[""] * 4][at]
                assert _values(found) == _values(repetition)


def _values(raw: str) -> list[list[str]]:
    """Components and sub-components without the empty ones at the ends."""
    parts = [part.rstrip("&").split("&") for part in raw.rstrip("^&").split("^")]
    while parts and parts[-1] == [""]:
        parts.pop()
    return parts
