"""Queries by parameter (QBP^Q11) and master files (MFN): verbs, RSP^K11 and MFK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, Problem, ProblemCode, ProblemKind
from gateway.intents import EntryResult, Record, Result, Settlement, Status, Verb

ASKED = "430199198001010010^^^MPS^NNCHN"
Make = Callable[..., bytes]

QUERIES = [
    ("FSI_ELIGIBILITY", Verb.ENTITLE, "entitlements"),
    ("FSI_VISITS", Verb.FIND_VISITS, "find-visits"),
    ("FSI_STAYS", Verb.FIND_STAYS, "find-stays"),
    ("FSI_CHARGES", Verb.READ_CHARGES, "read-charges"),
    ("FSI_SETTLEMENT", Verb.READ_SETTLEMENT, "settlements"),
    ("FSI_TOTALS", Verb.FIND_TOTALS, "find-totals"),
    ("FSI_CHRONIC", Verb.FIND_CHRONIC, "find-chronic"),
    ("FSI_DESIGNATIONS", Verb.FIND_DESIGNATIONS, "find-designations"),
    ("FSI_TRANSFERS", Verb.FIND_TRANSFERS, "find-transfers"),
    ("FSI_STAFF", Verb.FIND_PHYSICIANS, "find-physicians"),
]
"""QPD-1, the verb, and where its rows stand in the result."""


def found(intent: Any, where: str, row: dict[str, str]) -> Result:
    """A result with one row."""
    result = Result(status=Status.DONE, intent=intent)
    if where == "entitlements":
        result.entitlements = [Record(row)]
    elif where == "settlements":
        result.settlements = [Settlement(infno="5203", msgid="H1", info=Record(row))]
    else:
        result.found = {where: [Record(row)]}
    return result


def first_column(body: bytes) -> bytes:
    """The message with one column a row: hl7apy knows one field of RDT, the standard any number."""
    lines = body.decode().split("\r")
    return "\r".join(
        "|".join(line.split("|")[:2]) if line.startswith("RDT") else line for line in lines
    ).encode()


@pytest.mark.parametrize(("name", "verb", "where"), QUERIES)
@pytest.mark.parametrize("version", ["2.5", "2.8.2"])
async def test_each_query_has_its_verb_and_its_table(
    *, make_raw: Make, understand: Any, make_adapter: Any, conforms: Any,
    name: str, verb: Verb, where: str, version: str,
) -> None:  # fmt: skip
    """A-027: RSP^K11 with one RDT a row; an empty table is NF, and a failure has QAK and QPD."""
    raw = make_raw("QBP^Q11", f"QPD|{name}^x|T1|{ASKED}", "RCP|I", m12=version)
    message, intent, problems = await understand(raw)
    assert (intent.verb, problems) == (verb, [])
    adapter = make_adapter()
    row = {"begndate": "2026-01-01", "begntime": "2026-01-01 08:00:00", "insutype": "310"}
    row |= {"setl_id": "S1", "medfee_sumamt": "9.00", "feedetl_sn": "1", "prac_psn_code": "D1"}
    body = adapter.answer(message.kind, message.context, found(intent, where, row)).body
    if version == "2.5":  # from 2.7 on the tables say any segment, which hl7apy cannot check
        conforms(first_column(body))
    lines = [line.split("|") for line in body.decode().split("\r") if line]
    assert [line[0] for line in lines] == ["MSH", "MSA", "QAK", "QPD", "RDF", "RDT"]
    assert (lines[0][8], lines[2][1:3]) == ("RSP^K11^RSP_K11", ["T1", "OK"])
    columns = [column.partition("^")[0] for column in lines[4][2].split("~")]
    assert lines[4][1] == str(len(columns))
    told = dict(zip(columns, lines[5][1:], strict=False))
    told = {code: text for code, text in told.items() if text not in ("", '""')}
    assert told == {code: row[code] for code in columns if code in row}
    assert told
    empty = Result(status=Status.DONE, intent=intent)
    text = adapter.answer(message.kind, message.context, empty).body.decode()
    assert "\rQAK|T1|NF|" in text
    failed = adapter.answer(
        message.kind, message.context, Result(status=Status.REJECTED, intent=intent)
    ).body
    conforms(failed)
    assert b"\rQAK|T1|AE|" in failed


async def test_a_query_asks_by_its_parameters(make_raw: Make, understand: Any) -> None:
    """QPD-3 the person, QPD-4 and 5 the time, QPD-6 the medical type, QPD-7 and 8 the numbers."""
    query = f"QPD|FSI_VISITS^x|T1|{ASKED}|20260101|20260201120000|11|S1|M1|202601|02|430200"
    _, intent, problems = await understand(make_raw("QBP^Q11", query, "RCP|I"))
    assert problems == []
    assert intent.person.get("mdtrt_cert_no") == "430199198001010010"
    assert intent.person.get("insuplc_admdvs") == "430200"
    assert intent.query.values == {
        "begntime": "2026-01-01 00:00:00",
        "endtime": "2026-02-01 12:00:00",
        "med_type": "11",
        "setl_id": "S1",
        "mdtrt_id": "M1",
        "cum_ym": "202601",
        "biz_appy_type": "02",
    }


async def test_an_unknown_query_is_ar(make_raw: Make, understand: Any, make_adapter: Any) -> None:
    """R-023: 103 at QPD-1, QAK-2 AR and MSA-1 AR; the peer's own names come by its value map."""
    raw = make_raw("QBP^Q11", f"QPD|Z99^x|T1|{ASKED}", "RCP|I")
    with pytest.raises(InvalidError) as caught:
        await understand(raw)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.place) == (ProblemKind.VALUE, "QPD[1]-1")
    dialect = {"value_maps": {"query": {"Z99": "FSI_TOTALS"}}}
    message, intent, _ = await understand(raw, dialect)
    assert intent.verb is Verb.FIND_TOTALS
    result = Result(status=Status.INVALID, intent=intent, problems=[problem])
    text = make_adapter(dialect).answer(message.kind, message.context, result).body.decode()
    assert "\rMSA|AR|C1\r" in text
    assert "\rQAK|T1|AR|" in text


MFI = "MFI|STF||UPD|||AL"
STAFF = ["MFE|MAD|1|20260301|1001|CE",
         "STF|1001^陈|D430100000001^^^^NHSA~430199197602110012^^^^NNCHN|陈^医生|P",
         "MFE|MDL|2|20260301|1009|CE", "STF|1009||何^某|N"]  # fmt: skip
ITEMS = ["MFE|MAD|1|20260301|YP009|CE", "CDM|YP009||阿莫西林片||||XJ01CAA040A001010405611^x^NHSA",
         "MFE|MDC|2|20260301|YP001|CE", "CDM|YP001||阿莫西林片"]  # fmt: skip
LCH = "LCH|NK|||{0}^x|{1}"
DEPARTMENTS = [
    "MFE|MAD|1|20260301|NK|CE", "LOC|NK|内科|D|||0731-1", *(
        LCH.format(code, value) for code, value in (
            ("dept_resper_name", "陈主任"), ("dept_estbdat", "20000101"), ("aprv_bed_cnt", "40"),
            ("dr_psncnt", "9"), ("phar_psncnt", "1"), ("nurs_psncnt", "20"), ("tecn_psncnt", "2"),
        )
    ), "LDP|NK|NK^内科||A03||A|20200101",
    "MFE|MDL|2|20260301|GK|CE", "LOC|GK|骨科|D", "LDP|GK|GK^骨科||A07||A|20200101",
]  # fmt: skip
FILES = [
    ("MFN^M02", ["MFI|STF||UPD|||AL", *STAFF], Verb.CHECK_STAFF),
    ("MFN^M04", ["MFI|CDM||UPD|||AL", *ITEMS], Verb.MAP_ITEMS),
    ("MFN^M05", ["MFI|LOC||UPD|||AL", *DEPARTMENTS], Verb.FILE_DEPARTMENTS),
]


@pytest.mark.parametrize(("event", "segments", "verb"), FILES)
@pytest.mark.parametrize("version", ["2.4", "2.5.1", "2.8.2"])
async def test_each_entry_of_a_master_file_has_its_outcome(
    *, make_raw: Make, understand: Any, make_adapter: Any, conforms: Any,
    event: str, segments: list[str], verb: Verb, version: str,
) -> None:  # fmt: skip
    """A-031: MFK with one MFA an entry, S where it was taken and U where not (table 0181)."""
    message, intent, problems = await understand(make_raw(event, *segments, m12=version))
    assert (intent.verb, problems) == (verb, [])
    assert [(row.get("action"), row.place("key")) for row in intent.entries] == [
        ("add", "MFE[1]-4[1].1"),
        ("remove", "MFE[2]-4[1].1"),
    ]
    refused = Problem(
        kind=ProblemKind.BUSINESS, code=ProblemCode.FSI_REJECT, zh="目录不存在", en="no such item"
    )
    result = Result(status=Status.REJECTED, intent=intent, problems=[refused])
    result.entries = [
        EntryResult(key="1", status=Status.DONE),
        EntryResult(key="2", status=Status.REJECTED, problems=[refused]),
    ]
    body = make_adapter().answer(message.kind, message.context, result).body
    conforms(body)
    lines = [line.split("|") for line in body.decode().split("\r") if line]
    assert lines[0][8] == f"MFK^{event[4:]}^MFK_M01"
    assert [line[0] for line in lines] == ["MSH", "MSA", "ERR", "MFI", "MFA", "MFA"]
    assert [line[2] for line in lines[4:]] == ["1", "2"]
    assert [line[4].partition("^")[0] for line in lines[4:]] == ["S", "U"]
    assert lines[5][4] == "U^FSI-REJECT 目录不存在"


async def test_an_entry_that_was_not_come_to_is_not_taken(
    make_raw: Make, understand: Any, make_adapter: Any
) -> None:
    """Nothing is known of an entry behind one that could not be sent: U."""
    message, intent, _ = await understand(make_raw("MFN^M02", MFI, *STAFF))
    result = Result(status=Status.NOT_SENT, intent=intent)
    text = make_adapter().answer(message.kind, message.context, result).body.decode()
    codes = [line.split("|")[4][0] for line in text.split("\r") if line.startswith("MFA")]
    assert codes == ["U", "U"]


async def test_a_department_is_named_by_its_location_and_characteristics(
    make_raw: Make, understand: Any
) -> None:
    """LOC, LDP, and LCH for what the standard has no field for."""
    _, intent, _ = await understand(make_raw("MFN^M05", MFI, *DEPARTMENTS))
    first = intent.entries[0]
    assert {code: first.get(code) for code in ("hosp_dept_codg", "hosp_dept_name", "caty")} == {
        "hosp_dept_codg": "NK", "hosp_dept_name": "内科", "caty": "A03",
    }  # fmt: skip
    assert (first.get("aprv_bed_cnt"), first.get("dept_estbdat")) == ("40", "2000-01-01")
    assert first.sources["aprv_bed_cnt"].place == "LCH[3]-5[1].1"
    assert not intent.entries[1].has("aprv_bed_cnt")


async def test_staff_are_asked_for_by_their_numbers(make_raw: Make, understand: Any) -> None:
    """STF-2: the national code (NHSA), the identity card (NNCHN)."""
    _, intent, _ = await understand(make_raw("MFN^M02", MFI, *STAFF))
    first = intent.entries[0]
    assert (first.get("prac_psn_code"), first.get("certno")) == (
        "D430100000001", "430199197602110012",
    )  # fmt: skip
    assert (first.get("prac_psn_name"), first.get("prac_psn_type")) == ("陈医生", "1")
