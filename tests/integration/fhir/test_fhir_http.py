"""FHIR REST: paths, content negotiation, preferences, metadata, bad input."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fhir.release import BY_SEGMENT, RELEASES
from tests.integration.fhir.speaking import IN_ALL


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Claim/none", 404),
        ("GET", "/Nothing/1", 404),
        ("GET", "/Observation", 404),
        ("POST", "/Observation", 404),
        ("GET", "/_status/ClaimResponse/none", 404),
        ("GET", "/_status/Observation/none", 404),
        ("DELETE", "/Claim/1", 405),
        ("PATCH", "/Encounter/1", 405),
        ("PUT", "/Task/1", 405),
        ("POST", "/ClaimResponse", 405),
        ("GET", "/no/such/path/at/all", 404),
    ],
)
async def test_what_is_not_there_is_said_in_fhir(
    speakers: Any, method: str, path: str, status: int
) -> None:
    """X-005, X-006: an OperationOutcome on everything, in every release and format."""
    for ask in speakers:
        reply = await ask(method, path)

        assert reply.status == status
        assert reply.body["resourceType"] == "OperationOutcome"
        assert reply.headers["Content-Type"].startswith(ask.media_type)


HOOK = "http://127.0.0.1:1/hook"
WISH = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "results",
    "criteria": "ClaimResponse?outcome=complete",
    "channel": {"type": "rest-hook", "endpoint": HOOK},
}
WISH_OF_R5 = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "results",
    "topic": "https://fsi-gateway.example/fhir/SubscriptionTopic/claim-response",
    "channelType": {
        "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
        "code": "rest-hook",
    },
    "endpoint": HOOK,
}


async def test_what_was_deleted_is_gone_and_what_never_was_is_not_found(
    speakers: Any, port: Any
) -> None:
    """X-006: 410 and 404, each with an OperationOutcome."""
    port.peer.subscription_origins.append("http://127.0.0.1:1")
    for ask in speakers:
        made = await ask("POST", "/Subscription", WISH_OF_R5 if ask.release == "r5" else WISH)
        path = f"/Subscription/{made.body['id']}"
        deleted = await ask("DELETE", path)
        gone, never = await ask("GET", path), await ask("GET", "/Subscription/none")

        assert [one.status for one in (made, deleted, gone, never)] == [201, 204, 410, 404]
        assert gone.body["resourceType"] == never.body["resourceType"] == "OperationOutcome"


@IN_ALL
async def test_an_unknown_id_is_not_created_by_an_update(ask: Any, make_encounter: Any) -> None:
    """X-007, X-008."""
    other = await ask("PUT", "/Encounter/mine", make_encounter(id="yours"))
    mine = await ask("PUT", "/Encounter/mine", make_encounter(id="mine"))

    assert (other.status, mine.status) == (400, 405)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "application/{form}"}, 201),
        ({"Content_Type": "application/fhir+{form}; charset=UTF-8; fhirVersion={own}"}, 201),
        ({"Content_Type": "application/fhir+{form}; fhirVersion={other}"}, 415),
        ({"Content_Type": "application/fhir+{form}; fhirVersion=3.0"}, 415),
        ({"Content_Type": "application/fhir+{form}; charset=gb18030"}, 415),
        ({"Content_Type": "application/pdf"}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Accept": "application/pdf"}, 406),
        ({"Accept": "application/fhir+{form}; fhirVersion={other}"}, 406),
        ({"Accept": "application/fhir+{form}; fhirVersion=3.0"}, 406),
        ({"Accept": "application/fhir+{form}; fhirVersion={own}"}, 201),
        ({"Accept": "application/fhir+{form};q=0"}, 406),
        ({"Accept": "application/{form}"}, 201),
        ({"Accept": "text/html, application/*;q=0.8"}, 201),
    ],
)
async def test_content_is_negotiated(
    speakers: Any, port: Any, make_claim: Any, headers: dict[str, str], status: int
) -> None:
    """X-015, X-016, X-018 to X-020, in every release and format; what is refused is not sent."""
    for number, ask in enumerate(speakers):
        own = BY_SEGMENT[ask.release].mime_version
        other = next(one.mime_version for one in RELEASES if one.mime_version != own)
        said = {
            name: value.format(form=ask.form, own=own, other=other)
            for name, value in headers.items()
        }
        reply = await ask("POST", "/Claim", make_claim(f"C-{number}"), **said)

        assert reply.status == status
        assert reply.headers["Content-Type"].endswith("; charset=utf-8")
    assert len(port.centre.carried) == (len(speakers) if status == 201 else 0)


@pytest.mark.parametrize(
    ("wanted", "form"),
    [
        ("json", "json"),
        ("xml", "xml"),
        ("application/fhir%2Bjson", "json"),
        ("application/fhir%2Bxml", "xml"),
        ("application/json", "json"),
        ("text/xml", "xml"),
        ("pdf", None),
    ],
)
async def test_the_format_parameter_overrides_accept(
    speakers: Any, wanted: str, form: str | None
) -> None:
    """X-017: `_format` goes before Accept; one that is not spoken is 406."""
    for ask in speakers:
        reply = await ask("GET", f"/Claim?_format={wanted}", Accept="text/html")

        assert reply.status == (200 if form else 406)
        assert reply.headers["Content-Type"] == f"application/fhir+{form or 'json'}; charset=utf-8"
        assert reply.body["resourceType"] == ("Bundle" if form else "OperationOutcome")


@IN_ALL
async def test_a_client_says_how_much_it_wants_back(ask: Any, make_claim: Any) -> None:
    """X-030: as much of the answer as it asks for."""
    minimal = await ask("POST", "/Claim", make_claim("C-1"), Prefer="return=minimal")
    outcome = await ask("POST", "/Claim", make_claim("C-2"), Prefer="return=OperationOutcome")

    assert (minimal.status, minimal.raw) == (201, b"")
    assert minimal.headers["Location"]
    assert outcome.body["resourceType"] == "OperationOutcome"


@IN_ALL
async def test_a_known_version_is_not_sent_again(ask: Any, make_claim: Any) -> None:
    """X-062: 304 under If-None-Match, a version by its number, HEAD is GET without the body."""
    made = await ask("POST", "/Claim", make_claim())
    tag = made.headers["ETag"]
    path = f"/Claim/{made.body['id']}"
    same = await ask("GET", path, If_None_Match=tag)
    version = await ask("GET", made.headers["Location"])
    other = await ask("GET", f"{path}/_history/0")

    assert [r.status for r in (same, version, other)] == [304, 200, 404]
    for looked in (path, f"{path}/_history", "/Claim?status=active", "/Claim/none", "/metadata"):
        get, head = await ask("GET", looked), await ask("HEAD", looked)
        assert (head.status, head.raw) == (get.status, b"")
        for name in ("ETag", "Last-Modified", "Content-Type", "Content-Length"):
            assert head.headers.get(name) == get.headers.get(name), (looked, name)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"[" * 50_000,
        b'{"resourceType":"Claim","status":NaN}',
        b'{"resourceType":"Claim","resourceType":"Claim"}',
        b'{"resourceType":["Claim"]}',
        b"<Claim/>",
        b"MSH|^~\\&|HIS",
    ],
)
async def test_any_bytes_get_one_clear_answer(ask: Any, port: Any, raw: bytes) -> None:
    """400 and an OperationOutcome; the next message is served (bad input)."""
    reply = await ask("POST", "/Claim", raw)
    next_one = await ask("GET", "/Claim")

    assert (reply.status, reply.body["resourceType"]) == (400, "OperationOutcome")
    assert next_one.status == 200
    assert port.centre.carried == []


@IN_ALL
async def test_id_and_meta_of_a_create_are_ignored(ask: Any, make_claim: Any) -> None:
    """X-002: the gateway gives id, version and time; the same claim with others is the same."""
    meta = {"versionId": "99", "lastUpdated": "1999-01-01T00:00:00Z"}
    made = await ask("POST", "/Claim", make_claim(id="mine", meta=meta))
    claim = await ask("GET", f"/Claim/{made.body['id']}")
    again = await ask("POST", "/Claim", make_claim())

    assert made.status == 201
    assert claim.body["id"] != "mine"
    assert claim.body["meta"]["versionId"] != "99"
    assert claim.body["meta"]["lastUpdated"].startswith("2026-03-02")
    assert again.raw == made.raw
