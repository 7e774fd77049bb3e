"""Requests whose head cannot be read, or asks for a method that there is not: still in FHIR.

Sources: RFC 9110 (414, 431, 501; Allow of 405), https://hl7.org/fhir/R4/http.html (an
OperationOutcome with a refusal, in the form that the client takes).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

BASES = ("/fhir/r4", "/fhir/r4b", "/fhir/r5")
OUTCOME = b'<OperationOutcome xmlns="http://hl7.org/fhir">'


async def raw(port: Any, head: bytes) -> tuple[int, dict[str, str], bytes]:
    """What bytes on a bare connection are answered with: status, headers, body."""
    reader, writer = await asyncio.open_connection(*port.server.address)
    writer.write(head)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("line", "header", "status", "code"),
    [
        ("SETTLE {base}/Claim", "X: y", 501, "NOT-SUPPORTED"),
        ("GET {base}/Claim?identifier=" + "a" * 9_000, "X: y", 414, "READ-LIMIT"),
        ("GET {base}/Claim", "X-Long: " + "a" * 9_000, 431, "READ-LIMIT"),
        ("GET {base}/Claim", "no header", 400, "READ-SYNTAX"),
    ],
    ids=["unknown method", "long target", "long header", "broken header"],
)
async def test_an_unreadable_head_is_an_operation_outcome(
    *, port: Any, base: str, line: str, header: str, status: int, code: str
) -> None:
    """At a FHIR base the answer is FHIR, whatever came; the bytes are not quoted."""
    head = f"{line.format(base=base)} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"
    found, headers, body = await raw(port, head.encode())
    issue = json.loads(body)["issue"][0]

    assert (found, headers["content-type"]) == (status, "application/fhir+json; charset=utf-8")
    assert issue["details"]["coding"][0]["code"] == code
    assert b"aaaa" not in body


@pytest.mark.parametrize(
    ("target", "accept"),
    [("", "application/fhir+xml"), ("?_format=xml", "application/fhir+json")],
    ids=["Accept", "_format"],
)
@pytest.mark.parametrize("method", ["SETTLE", "PATCH", "GET"])
async def test_a_refusal_has_the_form_that_the_client_takes(
    port: Any, target: str, accept: str, method: str
) -> None:
    """501, 405 with the methods that there are, and 401 without a token, in XML."""
    head = f"{method} /fhir/r4/Claim{target} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
    status, headers, body = await raw(port, f"{head}Connection: close\r\n\r\n".encode())

    assert status == {"SETTLE": 501, "PATCH": 405, "GET": 401}[method]
    assert headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert OUTCOME in body
    assert headers.get("allow") == ("GET,HEAD,POST" if method == "PATCH" else None)


async def test_a_long_target_of_a_refused_release_and_of_the_port_itself(port: Any) -> None:
    """STU3 is FHIR too; what belongs to no protocol is plain JSON."""
    long = "?_id=" + "a" * 9_000
    at_stu3 = await raw(port, f"GET /fhir/stu3/Claim{long} HTTP/1.1\r\n\r\n".encode())
    at_port = await raw(port, f"GET /metrics{long} HTTP/1.1\r\n\r\n".encode())

    assert (at_stu3[0], json.loads(at_stu3[2])["resourceType"]) == (414, "OperationOutcome")
    assert (at_port[0], list(json.loads(at_port[2]))) == (414, ["problems"])
