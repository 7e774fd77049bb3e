"""What no honest client sends: each gets one status and a finding that says what is wrong.

Nothing of it reaches a platform, and nothing that was carried out is lost by it.
"""

from __future__ import annotations

import codecs
import gzip
from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.decode import encode
from gateway.intents import Verb

BASES = ("/fhir/r4", "/fhir/r4b", "/fhir/r5")


def bundle(*entries: Any) -> dict[str, Any]:
    """A transaction of entries, each a method, a URL, and perhaps a resource and its fullUrl."""
    rows = []
    for method, url, *rest in entries:
        row: dict[str, Any] = {"request": {"method": method, "url": url}}
        row |= dict(zip(("resource", "fullUrl"), rest, strict=False))
        rows.append(row)
    return {"resourceType": "Bundle", "type": "transaction", "entry": rows}


def told(reply: Any) -> tuple[int, str, str, list[str]]:
    """Status, type, code and place of the first issue, which has words in both languages."""
    issue = reply.body["issue"][0]
    assert issue["details"]["text"]
    assert issue["diagnostics"]
    code = issue["details"]["coding"][0]["code"]
    return reply.status, issue["code"], code, issue.get("expression", [])


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param(lambda raw: codecs.BOM_UTF8 + raw, "BOM", id="BOM"),
        pytest.param(lambda raw: raw.decode().encode("utf-16"), "BOM", id="UTF-16"),
        pytest.param(lambda raw: raw.decode().encode("gb18030"), "UTF-8", id="GB 18030"),
        pytest.param(gzip.compress, "UTF-8", id="gzip that nobody announced"),
    ],
)
async def test_a_body_in_another_encoding_is_named(
    *, ask: Any, port: Any, make_claim: Any, base: str, change: Any, word: str
) -> None:
    """X-003, X-019: not only "no JSON"; a client of Windows writes a BOM without knowing."""
    reply = await ask("POST", f"{base}/Claim", change(encode(make_claim())))

    assert told(reply) == (400, "structure", "READ-CHARSET", [])
    assert word in reply.body["issue"][0]["details"]["text"]
    assert port.centre.carried == []


async def test_a_compressed_body_is_415(ask: Any, port: Any, make_claim: Any) -> None:
    """Nothing is unpacked: a small body could be a large one."""
    raw = gzip.compress(encode(make_claim()))
    reply = await ask("POST", "/Claim", raw, Content_Encoding="gzip")

    assert reply.status == 415
    assert reply.body["resourceType"] == "OperationOutcome"
    assert port.centre.carried == []


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("count", "status", "entries"),
    [
        ("0", 200, 0),
        ("1", 200, 1),
        ("1000000000", 200, 2),
        ("9" * 5000, 200, 2),
        ("-1", 400, 0),
        ("1e9", 400, 0),
        ("", 400, 0),
        ("１", 400, 0),
    ],
)
async def test_a_count_is_a_whole_number_and_a_page_has_its_most(
    *, ask: Any, make_claim: Any, base: str, count: str, status: int, entries: int
) -> None:
    """The port of these tests gives two resources a page."""
    for number in range(3):
        await ask("POST", f"{base}/Claim", make_claim(f"C-{number}"))
    found = await ask("GET", f"{base}/Claim?_count={count}")

    assert found.status == status
    assert len(found.body.get("entry", [])) == entries
    if status == 400:
        assert told(found) == (400, "value", "FIELD-VALUE", [])
        assert "_count" in found.body["issue"][0]["diagnostics"]


async def test_a_page_behind_everything_is_empty(ask: Any, make_claim: Any) -> None:
    """However far: of a search and of a history."""
    made = await ask("POST", "/Claim", make_claim())
    for path in ("/Claim", f"/Claim/{made.body['id']}/_history"):
        page = await ask("GET", f"{path}?_offset={10**30}")
        assert (page.status, page.body["total"], "entry" in page.body) == (200, 1, False)


async def test_the_conditions_of_a_request_that_do_not_hold_are_conflicts(
    ask: Any, port: Any, make_claim: Any, make_encounter: Any
) -> None:
    """412 for If-Match and If-None-Exist; `*` stands for any version that is there."""
    for number in ("C-1", "C-2"):
        await ask("POST", "/Claim", make_claim(number))
    made = await ask("POST", "/Encounter", make_encounter())
    url, changed = f"/Encounter/{made.body['id']}", {**made.body, "reasonCode": [{"text": "热"}]}
    carried = len(port.centre.carried)
    refused = [
        await ask("PUT", url, changed, If_Match='W/"7"'),
        await ask("PUT", "/Encounter/none", {**changed, "id": "none"}, If_Match="*"),
        await ask("POST", "/Claim", make_claim("C-3"), If_None_Exist="status=active"),
        await ask("POST", "/Claim", make_claim("C-3"), If_None_Exist=""),
    ]
    nothing_sent = len(port.centre.carried) == carried
    any_version = await ask("PUT", url, changed, If_Match="*")

    assert [told(reply) for reply in refused] == [(412, "conflict", "VERSION-CONFLICT", [])] * 4
    assert nothing_sent
    assert any_version.status == 200


@pytest.mark.parametrize("base", BASES)
async def test_a_transaction_that_cannot_be_read_to_its_end_settles_nothing(
    *, ask: Any, port: Any, make_claim: Any, base: str
) -> None:
    """What only looks is tried first: the claim stands before it, and is not carried out."""
    entries = ("POST", "Claim", make_claim()), ("GET", "Claim/none")
    reply = await ask("POST", base, bundle(*entries))

    assert told(reply) == (404, "not-found", "NOT-FOUND", ["Bundle.entry[1]"])
    assert port.centre.carried == []


@pytest.mark.parametrize("base", BASES)
async def test_a_claim_with_an_entry_that_is_refused_settles_nothing(
    *, ask: Any, port: Any, make_claim: Any, make_encounter: Any, base: str
) -> None:
    """An entry of wrong content, and an update of what is not there, before the money."""
    wrong = {"resourceType": "PaymentNotice", "status": "active"}
    absent = make_encounter(id="none")
    if base.endswith("r5"):
        absent["class"] = [{"coding": [absent["class"]]}]
    one = await ask(
        "POST",
        base,
        bundle(("POST", "Claim", make_claim()), ("POST", "PaymentNotice", wrong)),
    )
    two = await ask(
        "POST",
        base,
        bundle(("POST", "Claim", make_claim()), ("PUT", "Encounter/none", absent)),
    )

    assert (one.status, two.status) == (422, 405)
    assert one.body["issue"][0]["expression"][0].startswith("Bundle.entry[1].resource")
    assert two.body["issue"][0]["expression"] == ["Bundle.entry[1].resource"]
    assert port.centre.carried == []


async def test_entries_of_the_same_full_url_are_refused(
    ask: Any, port: Any, make_claim: Any, make_encounter: Any
) -> None:
    """bdl-7: a reference to it could mean either."""
    name = "urn:uuid:0b2d3a52-5a0f-4a4c-9d3c-0d6a2c1c7e11"
    entries = ("POST", "Encounter", make_encounter(), name), ("POST", "Claim", make_claim(), name)
    reply = await ask("POST", "", bundle(*entries))

    assert told(reply) == (400, "structure", "READ-SYNTAX", ["Bundle.entry[1].fullUrl"])
    assert port.centre.carried == []


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Claim%2F1", 404),
        ("GET", "/Claim/1%2F2", 404),
        ("GET", "/Claim/..%2f..%2fetc", 404),
        ("GET", "/Claim/%00", 404),
        ("GET", f"/Claim/{'a' * 7000}", 404),
        ("GET", "/Claim/", 404),
        ("POST", "/Claim/", 404),
        ("OPTIONS", "/Claim", 405),
        ("TRACE", "/Claim", 405),
        ("GET", "/Claim?_format=turtle", 406),
        ("GET", "/Claim?_format=", 406),
    ],
)
async def test_an_odd_path_or_method_is_an_operation_outcome(
    *, ask: Any, base: str, method: str, path: str, status: int
) -> None:
    """With the methods that there are where there are others."""
    reply = await ask(method, f"{base}{path}")
    told(reply)

    assert (reply.status, reply.body["resourceType"]) == (status, "OperationOutcome")
    assert ("Allow" in reply.headers) == (status == 405)


async def test_a_form_of_another_type_is_415(ask: Any) -> None:
    """`_search` takes the form of the standard only."""
    reply = await ask("POST", "/Claim/_search", b"{}", Content_Type="application/json")

    assert told(reply) == (415, "not-supported", "NOT-SUPPORTED", [])


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("net", "currency", "place"),
    [
        (Decimal("12.50"), "USD", "Claim.item[0].net.currency"),
        (Decimal("12.50"), "CN¥", "Claim.item[0].net.currency"),
    ],
)
async def test_money_of_another_currency_is_422_in_every_release(
    *, ask: Any, port: Any, make_claim: Any, base: str, net: Decimal, currency: str, place: str
) -> None:
    """X-052: at its place; nothing is sent."""
    claim = make_claim()
    claim["item"][0]["net"] = {"value": net, "currency": currency}
    reply = await ask("POST", f"{base}/Claim", claim)

    assert told(reply) == (422, "business-rule", "CURRENCY", [place])
    assert port.centre.carried == []


async def test_a_return_of_a_charge_is_a_negative_quantity(
    ask: Any, port: Any, make_claim: Any
) -> None:
    """-1 at 12.50 goes the way of every claim, 1 at -12.50 is refused at the price."""
    back = make_claim()
    back["item"][0] |= {
        "quantity": {"value": -1},
        "unitPrice": {"value": Decimal("12.50"), "currency": "CNY"},
        "net": {"value": Decimal("-12.50"), "currency": "CNY"},
    }
    wrong = make_claim("C-2")
    wrong["item"][0] |= {
        "quantity": {"value": 1},
        "unitPrice": {"value": Decimal("-12.50"), "currency": "CNY"},
        "net": {"value": Decimal("-12.50"), "currency": "CNY"},
    }
    taken, refused = await ask("POST", "/Claim", back), await ask("POST", "/Claim", wrong)

    place = ["Claim.item[0].unitPrice.value"]
    assert told(refused) == (422, "value", "FIELD-VALUE", place)
    assert taken.status == 201
    assert [one.verb for one in port.centre.carried] == [Verb.SETTLE]
    assert port.centre.carried[0].charges[0].values["det_item_fee_sumamt"] == "-12.50"
