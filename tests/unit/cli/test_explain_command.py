"""`explain`: what would be sent, field by field."""

from __future__ import annotations

import json
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
