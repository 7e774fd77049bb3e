"""What is sent for a value that its sender states as empty."""

from __future__ import annotations

from gateway.fsi.definitions import Definitions
from gateway.fsi.wire import encode_json
from gateway.settlement.filling import Filler
from tests.unit.settlement.conftest import record


def test_an_empty_number_is_0_and_an_empty_text_stays_empty() -> None:
    """F-002: as the interface wants both; the members are written in lower case.

    What nobody states is no empty value: an optional field without a source is left out.
    """
    line = record(feedetl_sn="1", cnt="", pric="2.50", rx_circ_flag="")
    filled = Filler(Definitions.load()).fill(
        "2204", rows={"feedetail": [line]}, records=[record(psn_no="9")]
    )
    (sent,) = filled.input["feedetail"]
    text = encode_json(sent)
    assert b'"cnt":0,' in text
    assert b'"rx_circ_flag":""' in text
    assert b'"pric":2.50' in text
    assert "memo" not in sent
    assert all(name == name.lower() for name in sent)
