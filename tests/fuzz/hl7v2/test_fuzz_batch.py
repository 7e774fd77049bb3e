"""One invariant each: a batch is cut or refused by an error of ours; a message is validated."""

from __future__ import annotations

import contextlib
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock import CHINA
from gateway.errors import MessageError, UnreadableError
from gateway.hl7v2.acks import Identity
from gateway.hl7v2.batch import is_batch, read_batch, refuse_batch, write_batch
from gateway.hl7v2.reader import read_document
from gateway.hl7v2.validation import MAX_FINDINGS, validate

NOW = datetime(2026, 3, 1, tzinfo=CHINA)
LINES = st.sampled_from(
    [b"FHS|^~\\&|A||||||||F", b"BHS|^~\\&|A||||||||B", b"BTS|1", b"BTS|", b"FTS|1", b"BHS",
     b"MSH|^~\\&|H", b"PID|1", "NTE|亗".encode("gb18030"), b"", b"FHSX|1", b"BTS^1"]
) | st.binary(max_size=12)  # fmt: skip
ENDS = st.sampled_from([b"\r", b"\n", b"\r\n"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=12))
def test_any_bytes_are_cut_or_refused(parts: list[tuple[bytes, bytes]]) -> None:
    """What is cut contains every message of the input once and in order."""
    raw = b"".join(line + end for line, end in parts)
    is_batch(raw)
    assert refuse_batch(raw, [], Identity("GW"), NOW).startswith(b"MSH")
    try:
        file = read_batch(raw)
    except MessageError:
        return
    messages = [message for batch in file.batches for message in batch.messages]
    at = 0
    for message in messages:
        assert message.startswith(b"MSH")
        at = raw.index(message, at) + len(message)
    reply = write_batch(file, [[b"MSA\r"] * len(it.messages) for it in file.batches],
                        Identity("GW"), NOW)  # fmt: skip
    assert reply.count(b"MSA\r") == len(messages)


SEGMENT = st.tuples(
    st.sampled_from(["PID", "PV1", "FT1", "EVN", "DG1", "IN1", "ZZZ", "OBX", "PR1"]),
    st.lists(st.text(alphabet='aM1^&~\\F."2026', max_size=10), max_size=12),
)


@settings(deadline=None)  # the tables of a version are loaded when it is first asked for
@given(
    segments=st.lists(SEGMENT, max_size=15),
    structure=st.sampled_from(["ADT_A01", "DFT_P03", "BAR_P02", "QBP_Q21", "ACK", "NONE"]),
    version=st.sampled_from(["2.3", "2.3.1", "2.4", "2.5", "2.7.1", "2.8.2"]),
)
def test_any_message_is_validated(
    segments: list[tuple[str, list[str]]], structure: str, version: str
) -> None:
    """Findings with places, never another exception, and never a value of the message in them."""
    text = "MSH|^~\\&|secretsecret\r"
    text += "".join(f"{name}|{'|'.join(fields)}\r" for name, fields in segments)
    with contextlib.suppress(UnreadableError):
        found = validate(read_document(text), structure, version)
        assert len(found) <= MAX_FINDINGS
        assert all(problem.place and "secretsecret" not in problem.en for problem in found)
