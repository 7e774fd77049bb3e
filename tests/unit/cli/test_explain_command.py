"""`explain`: what would be sent, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.cli.sniffing import application_of, as_segments, bare, protocol_of
from gateway.demo.messages import HIS, OUTPATIENT_ITEMS, UNMAPPED_ITEM, ZHANG, FHIRClient

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def his() -> HIS:
    """A hospital that writes UTF-8."""
    return HIS("UNICODE UTF-8", "utf-8")


def written(folder: Path, raw: bytes) -> Path:
    """The bytes as a file."""
    path = folder / "message"
    path.write_bytes(raw)
    return path


def test_a_registration_is_explained_from_segment_to_national_field(
    run: Run, config: Path, his: HIS
) -> None:
    """Name, certificate, visit number: place in the message, raw value, value sent."""
    file = written(config.parent, his.visit("A04", ZHANG, "O1", "O", his.insurance(ZHANG)))
    code, out, _ = run("explain", file, "--config", config)
    assert code == 0, out
    lines = out.splitlines()
    assert lines[0].startswith("ADT^A04 → register")
    (row,) = [line for line in lines if line.startswith("data.certno\t")][:1]
    assert "← PID[1]-3[1].1" in row
    assert row.endswith(f"← {ZHANG.certno}\t→ {ZHANG.certno}")
    assert any(line.startswith("2201 ") for line in lines)


def test_the_line_of_the_map_behind_each_field_is_named(run: Run, config: Path, his: HIS) -> None:
    """HL7 v2 and FHIR; what the gateway fills itself is named by what it is taken from."""
    file = written(config.parent, his.charges(ZHANG, "O1", "O", OUTPATIENT_ITEMS))
    code, out, _ = run("explain", file, "--maps", "--config", config)
    assert code == 0, out
    rows = {line.split("\t")[0]: line.split("\t")[-1] for line in out.splitlines()}
    assert rows["feedetail[0].cnt"].startswith("hl7v2/common/charges.map:")
    assert rows["feedetail[0].med_list_codg"].startswith("hl7v2/common/charges.map:")
    claim = FHIRClient("https://fsi-gateway.example/fhir").claim(
        ZHANG, "F1", OUTPATIENT_ITEMS, "117.70"
    )
    file = written(config.parent, msgspec.json.Encoder(decimal_format="number").encode(claim))
    code, out, _ = run("explain", file, "--maps", "--config", config)
    assert code == 0, out
    rows = {line.split("\t")[0]: line.split("\t")[-1] for line in out.splitlines()}
    assert rows["feedetail[0].cnt"].startswith("fhir/common/claim.map:")
    assert rows["data.certno"].startswith("fhir/common/person.map:")


def test_the_same_as_json_for_scripts(run: Run, config: Path, his: HIS) -> None:
    """Calls in order with their fields."""
    file = written(config.parent, his.visit("A04", ZHANG, "O1", "O", his.insurance(ZHANG)))
    code, out, _ = run("explain", file, "--json", "--config", config)
    found = json.loads(out)
    assert (code, found["sendable"]) == (0, True)
    assert [call["infno"] for call in found["calls"]][:2] == ["1101", "2201"]


def test_a_local_code_is_shown_with_what_it_becomes(run: Run, config: Path, his: HIS) -> None:
    """YP001 of FT1 becomes the national code of the drug."""
    file = written(config.parent, his.charges(ZHANG, "O1", "O", OUTPATIENT_ITEMS))
    code, out, _ = run("explain", file, "--config", config)
    assert code == 0, out
    row = next(line for line in out.splitlines() if line.startswith("feedetail[1].med_list_codg"))
    assert "← YP001" in row
    assert row.endswith("XJ01CAA040A001010405611")


def test_an_unmapped_code_ends_with_one_and_its_place(run: Run, config: Path, his: HIS) -> None:
    """The problem names the FT1 and its field."""
    file = written(config.parent, his.charges(ZHANG, "O1", "O", [UNMAPPED_ITEM]))
    code, out, _ = run("explain", file, "--config", config)
    assert code == 1
    (row,) = [line for line in out.splitlines() if "MAP-NO-CODE" in line]
    assert "FT1[1]-7" in row


def test_a_national_envelope_is_explained_too(run: Run, config: Path) -> None:
    """The path in the input is the source."""
    envelope = {
        "infno": "1101",
        "msgid": "H43010000001202603010905070001",
        "fixmedins_code": "H43010000001",
        "input": {
            "data": {
                "mdtrt_cert_type": "02",
                "mdtrt_cert_no": ZHANG.certno,
                "psn_cert_type": "01",
                "certno": ZHANG.certno,
                "psn_name": ZHANG.name,
            }
        },
    }
    file = written(config.parent, json.dumps(envelope).encode())
    code, out, _ = run("explain", file, "--config", config)
    assert code == 0, out
    assert "data.psn_name\t人员姓名\t" in out
    assert ZHANG.name in out


def test_a_claim_is_explained_with_fhir_paths(run: Run, config: Path) -> None:
    """The same drug in a Claim: the source is a FHIRPath, the amount keeps its digits."""
    base = "https://fsi-gateway.example/fhir"
    claim = FHIRClient(base).claim(ZHANG, "O1", OUTPATIENT_ITEMS[:2], "40.20")
    file = written(config.parent, msgspec.json.Encoder(decimal_format="number").encode(claim))
    code, out, _ = run("explain", file, "--config", config)
    assert code == 0, out
    rows = out.splitlines()
    drug = next(row for row in rows if row.startswith("feedetail[1].med_list_codg"))
    assert "← Claim.item[1].productOrService" in drug
    assert drug.endswith("XJ01CAA040A001010405611")
    amount = next(row for row in rows if row.startswith("feedetail[1].det_item_fee_sumamt"))
    assert amount.endswith("\t→ 25.20")


@pytest.mark.parametrize("raw", [b"", b"hello", b"\x00\xff", b"MSH|broken", b'{"infno": '])
def test_what_cannot_be_read_ends_with_two(run: Run, config: Path, raw: bytes) -> None:
    """Neither a traceback nor a guess."""
    code, out, err = run("explain", written(config.parent, raw), "--config", config)
    assert code == 2
    assert "Traceback" not in out + err


def test_a_file_that_is_not_there_ends_with_two(run: Run, config: Path) -> None:
    """The name is in the message."""
    code, _, err = run("explain", config.parent / "none", "--config", config)
    assert code == 2
    assert "none" in err


def test_an_unknown_peer_ends_with_two_and_names_the_known(run: Run, config: Path) -> None:
    """The dialect decides how the file is read, so it is not guessed."""
    file = written(config.parent, b"MSH|^~\\&|X|Y\r")
    code, _, err = run("explain", file, "--peer", "LIS", "--config", config)
    assert code == 2
    assert "HIS" in err


def test_a_file_may_carry_frame_mark_and_line_feeds() -> None:
    """Captures from the wire and texts saved by an editor are both taken."""
    assert bare(b"\x0b\xef\xbb\xbfMSH|^~\\&|\r\x1c\r") == b"MSH|^~\\&|"
    assert as_segments(b"MSH|^~\\&|\nPID|1\n") == b"MSH|^~\\&|\rPID|1\r"
    assert as_segments(b"MSH|^~\\&|\r\nPID|1\r\n") == b"MSH|^~\\&|\rPID|1\r"


def test_the_protocol_is_told_by_the_file() -> None:
    """MSH, a resourceType, or any other JSON object."""
    assert protocol_of(b"\x0bMSH|^~\\&|") == "hl7v2"
    assert protocol_of(b' {"resourceType": "Claim"}') == "fhir"
    assert protocol_of(b'{"infno": "1101"}') == "fsi"


def test_the_sending_application_is_read_with_the_messages_own_delimiters() -> None:
    """First components of MSH-3 and MSH-4."""
    assert application_of(b"MSH|^~\\&|HIS^x|EAST^y|\rPID") == ("HIS", "EAST")
    assert application_of(b"MSH#:~\\&#HIS:x#EAST#") == ("HIS", "EAST")
    assert application_of(b"MSH|^~\\&") == ("", "")
    assert application_of(b"{}") == ("", "")


FURTHER = {
    "EHC^E01": (
        [
            "IVC|INV1|||OR|NORM|FS|20260301091000|240.00&CNY||长沙示范医院|长沙医保",
            "PSS|S1||1|240.00&CNY|门诊",
            "PSG|B1||1|N|240.00&CNY|检查",
            "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M",
            "PV1|1|O|NK||||1001^陈医生||||||||||||V1",
            "IN1|1|310|430100||||||||||||310",
            "DG1|1||J06.900^急性上呼吸道感染|||A",
            "PSL|11||1|||P|CT001^CT||CT|20260301091000||1|240.00&CNY|||240.00&CNY|||||N",
        ],
        ["1101", "2201", "2203", "2204", "2206", "2207"],
        {"feedetail[0].cnt": "common/invoice.map", "feedetail[0].chrg_bchno": "common/invoice.map"},
    ),
    "REF^I12": (
        [
            "RF1|A||3^out|同意转院^同意转院||R77|20261101|20991231|20261102|X^本地不能治疗",
            "PRD|RP|陈^医生",
            "PRD|RT|深圳示范医院|^^^440300||||H44030000001^HI",
            "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M",
            "DG1|1||K35.900^急性阑尾炎|||A",
        ],
        ["1101", "2501"],
        {"refmedin.reflin_medins_no": "common/transfer.map", "refmedin.diag_code": "common/diagn"},
    ),
    "MFN^M04": (
        ["MFI|CDM||UPD|||AL", "MFE|MAD|1|20260301|YP001|CE", "CDM|YP001||阿莫西林片"],
        ["3301"],
        {"data.fixmedins_hilist_id": "MFN_M04.map", "data.med_list_codg": "MFN_M04.map"},
    ),
    "ADT^A07": (
        [
            "EVN||20260301090000",
            "PID|1||430199198001010010^^^MPS^NNCHN||张^伟示||19800101|M",
            "PV1|1|I|NK||||1001^陈医生||||||||||||V1",
        ],
        ["2404", "1101", "2201"],
        {"data.atddr_no": "common/visit.map"},
    ),
    "QBP^Q11": (
        ["QPD|FSI_VISITS^x|T1|430199198001010010^^^MPS^NNCHN|20260101", "RCP|I"],
        ["1101", "5201"],
        {"data.begntime": "common/query.map"},
    ),
}
"""Event, its segments, the calls, and the map behind some of their fields."""


@pytest.mark.parametrize("event", FURTHER)
def test_the_further_events_name_their_map_lines(run: Run, config: Path, event: str) -> None:
    """Invoices, referrals, master files, queries: the same answer as for a charge."""
    segments, calls, rules = FURTHER[event]
    head = f"MSH|^~\\&|HIS|H43010000001|FSI|GW|20260301090000||{event}|X1|P|2.6||||||UNICODE UTF-8"
    file = written(config.parent, "".join(f"{each}\r" for each in (head, *segments)).encode())
    code, out, _ = run("explain", file, "--maps", "--config", config)
    assert code == 0, out
    lines = out.splitlines()
    assert [line[:4] for line in lines if re.match(r"\d{4} ", line)] == calls
    told = {line.split("\t")[0]: line.split("\t")[-1] for line in lines}
    for path, rule in rules.items():
        assert told[path].startswith(f"hl7v2/{rule}"), (path, told[path])
