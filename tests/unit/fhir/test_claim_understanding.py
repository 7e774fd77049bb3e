"""What a Claim asks for, and what stops it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.adapter import FHIRAdapter
from gateway.fhir.claims import may_hold_foreign_money
from gateway.intents import Verb, VisitClass

BASE = "https://fsi-gateway.example/fhir"


def places(problems: Any) -> Any:
    """Code and place of every problem."""
    return [(problem.code.value, problem.place) for problem in problems]


async def test_a_claim_is_a_settlement_with_its_lines(ask: Any, make_claim: Any) -> None:
    """Every record of the intent is filled from the element that the mapping matrix names."""
    message, intent, problems = await ask(make_claim(), "create")

    assert problems == []
    assert (intent.verb, intent.visit_class) == (Verb.SETTLE, VisitClass.OUTPATIENT)
    assert message.kind == "create Claim"
    assert (message.sender, message.control_id) == ("his|Claim|urn:his:claims", "C-1")
    person = intent.person.values
    assert person["psn_no"] == "43010000000000000001"
    assert person["psn_name"] == "张伟示"
    assert (person["psn_cert_type"], person["certno"]) == ("01", "43019919800101001X")
    assert (person["mdtrt_cert_type"], person["mdtrt_cert_no"]) == ("02", "43019919800101001X")
    assert (person["gend"], person["brdy"]) == ("1", "1980-01-01")
    assert intent.visit.values["ipt_otp_no"] == "V-1"
    assert intent.visit.values["begntime"] == "2026-03-02 09:15:00"
    assert intent.facility.values["fixmedins_code"] == "H43010000001"
    assert intent.settlement.values["medfee_sumamt"] == "32.00"
    assert intent.diagnoses[0].values["diag_code"] == "J06.900"
    assert intent.diagnoses[0].values["maindiag_flag"] == "1"
    first = intent.charges[0]
    assert first.values["feedetl_sn"] == "C-1|1"
    assert first.values["item_sequence"] == "1"
    assert first.values["medins_list_codg"] == "YP001"
    assert first.values["medins_list_name"] == "阿莫西林片"
    assert (first.values["cnt"], first.values["pric"]) == ("2", "12.50")
    assert first.values["det_item_fee_sumamt"] == "25.00"
    assert first.place("medins_list_codg") == "Claim.item[0].productOrService.coding[0].code"


async def test_a_line_with_a_date_only_takes_the_time_at_which_the_visit_began(
    ask: Any, make_claim: Any
) -> None:
    """Midnight would lie before the visit (mapping matrix 2.2)."""
    _, intent, _ = await ask(make_claim(), "create")

    assert intent.charges[0].values["fee_ocur_time"] == "2026-03-02 09:15:00"


async def test_a_predetermination_is_never_a_settlement(ask: Any, make_claim: Any) -> None:
    """Conformance statement X-039."""
    _, intent, problems = await ask(make_claim(use="predetermination"), "create")

    assert (intent.verb, problems) == (Verb.PRESETTLE, [])


async def test_an_institutional_claim_is_of_an_inpatient(ask: Any, make_claim: Any) -> None:
    """Mapping matrix 2.1."""
    claim = make_claim(type={"coding": [{"code": "institutional"}]})

    _, intent, _ = await ask(claim, "create")

    assert intent.visit_class is VisitClass.INPATIENT


async def test_a_preauthorization_that_files_nothing_is_not_served(
    ask: Any, make_claim: Any
) -> None:
    """Conformance statement X-040."""
    _, _, problems = await ask(make_claim(use="preauthorization"), "create")

    assert places(problems) == [("NOT-SUPPORTED", "Claim.subType")]


async def test_another_currency_is_refused_at_every_place(ask: Any, make_claim: Any) -> None:
    """Conformance statement X-052."""
    claim = make_claim()
    claim["item"][1]["net"]["currency"] = "USD"
    claim["total"]["currency"] = "USD"

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [
        ("CURRENCY", "Claim.item[1].net.currency"),
        ("CURRENCY", "Claim.total.currency"),
    ]


@pytest.mark.parametrize(
    ("stated", "foreign"),
    [
        ('"net":{"value":1,"currency":"CNY"},"tax":{"currency":"CNY"}', False),
        ('"net":{"value":1}', False),
        ('"net":{"value":1,"currency":"CNY"},"tax":{"currency":"USD"}', True),
        ('"net":{"value":1,"currency" : "USD"}', True),
        (r'"net":{"value":1,"curr\u0065ncy":"USD"}', True),
        (r'"net":{"value":1,"currency":"US\u0044"}', True),
    ],
)
def test_another_currency_shows_in_the_bytes_however_it_is_written(
    stated: str, *, foreign: bool
) -> None:
    """Only a body that cannot hold one is not searched for it (X-052)."""
    assert may_hold_foreign_money(f'{{"item":[{{{stated}}}]}}'.encode()) is foreign


async def test_a_net_that_is_not_price_times_quantity_is_refused_at_the_item(
    ask: Any, make_claim: Any
) -> None:
    """2 x 12.50 is 25.00; 25.02 is more than one fen away (X-051)."""
    claim = make_claim(total=None)
    claim["item"][0]["net"]["value"] = Decimal("25.02")

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [("AMOUNT-MISMATCH", "Claim.item[0]")]


async def test_one_fen_of_rounding_is_within_the_tolerance(ask: Any, make_claim: Any) -> None:
    """3 x 3.333 is 9.999; 10.00 is a tenth of a fen away."""
    claim = make_claim(total=None)
    claim["item"][0] |= {
        "quantity": {"value": 3},
        "unitPrice": {"value": Decimal("3.333"), "currency": "CNY"},
        "net": {"value": Decimal("10.00"), "currency": "CNY"},
    }

    _, intent, problems = await ask(claim, "create")

    assert problems == []
    assert intent.settlement.values["medfee_sumamt"] == "17.00"


async def test_a_total_that_is_not_the_sum_of_the_lines_is_refused(
    ask: Any, make_claim: Any
) -> None:
    """25.00 + 7.00 is 32.00 (F-010)."""
    claim = make_claim(total={"value": Decimal("32.01"), "currency": "CNY"})

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [("AMOUNT-MISMATCH", "Claim.total")]


async def test_details_of_an_item_are_refused(ask: Any, make_claim: Any) -> None:
    """Only leaf lines are taken (mapping matrix 2.2)."""
    claim = make_claim()
    claim["item"][1]["detail"] = [{"sequence": 1, "productOrService": {"text": "部分"}}]

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [("NOT-SUPPORTED", "Claim.item[1].detail")]


async def test_everything_wrong_is_said_at_once(ask: Any, make_claim: Any) -> None:
    """One round trip is enough to correct a claim."""
    claim = make_claim(status="draft")
    claim["item"][1]["sequence"] = 1
    claim["item"][1]["factor"] = Decimal("0.5")

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [
        ("FIELD-VALUE", "Claim.item[1].sequence"),
        ("NOT-SUPPORTED", "Claim.item[1].factor"),
        ("FIELD-VALUE", "Claim.status"),
    ]


async def test_an_encounter_that_cannot_be_found_is_not_guessed(ask: Any, make_claim: Any) -> None:
    """A claim that names an unknown Encounter must not open a visit of its own."""
    extension = {
        "url": f"{BASE}/StructureDefinition/encounter",
        "valueReference": {"reference": "Encounter/nowhere"},
    }

    _, _, problems = await ask(make_claim(extension=[extension]), "create")

    assert places(problems) == [("VISIT-UNKNOWN", "Claim.extension[0].valueReference")]


async def test_a_claim_without_an_encounter_is_a_visit_of_its_own(
    ask: Any, make_claim: Any
) -> None:
    """The claim number is the visit number then."""
    _, intent, problems = await ask(make_claim(extension=None), "create")

    assert problems == []
    assert intent.visit.values["ipt_otp_no"] == "C-1"


async def test_a_claim_about_nobody_is_refused(ask: Any, make_claim: Any) -> None:
    """A patient on another server says nothing about who is meant."""
    claim = make_claim(extension=None, contained=None, patient={"reference": "Patient/1"})

    _, _, problems = await ask(claim, "create")

    assert places(problems) == [("FIELD-REQUIRED", "Claim.patient")]


async def test_a_bundle_gives_places_in_the_bundle(ask: Any, make_claim: Any) -> None:
    """The Claim comes first; its patient is another entry."""
    claim = make_claim(contained=None, patient={"reference": "urn:uuid:1"})
    patient = make_claim()["contained"][0]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": claim}, {"fullUrl": "urn:uuid:1", "resource": patient}],
    }

    message, intent, problems = await ask(bundle)

    assert problems == []
    assert message.kind == "submit Claim"
    assert intent.place == "Bundle.entry[0].resource"
    assert intent.person.place("certno") == "Bundle.entry[1].resource.identifier[1].value"
    assert intent.charges[1].place("cnt") == "Bundle.entry[0].resource.item[1].quantity.value"


async def test_the_certificate_extension_names_what_the_person_presents(
    ask: Any, make_claim: Any
) -> None:
    """Type, number and card serial number of the extension come before the identifiers."""
    claim = make_claim()
    claim["insurance"][0]["extension"] = [
        {
            "url": f"{BASE}/StructureDefinition/mdtrt-cert",
            "extension": [
                {"url": "type", "valueCode": "03"},
                {"url": "value", "valueString": "D12345678"},
                {"url": "card-sn", "valueString": "SN9"},
            ],
        }
    ]

    _, intent, _ = await ask(claim, "create")

    person = intent.person.values
    assert (person["mdtrt_cert_type"], person["mdtrt_cert_no"], person["card_sn"]) == (
        "03",
        "D12345678",
        "SN9",
    )


async def test_two_vouchers_make_no_difference_and_are_kept_nowhere(
    adapter: FHIRAdapter, ask: Any, make_claim: Any
) -> None:
    """The token is not in the fingerprint, the context or the bytes for the journal (F-033)."""
    prints, contexts = set(), []
    for token in ("TOKEN-AAAA", "TOKEN-BBBB"):
        claim = make_claim()
        claim["insurance"][0]["extension"] = [
            {
                "url": f"{BASE}/StructureDefinition/mdtrt-cert",
                "extension": [
                    {"url": "type", "valueCode": "01"},
                    {"url": "value", "valueString": token},
                ],
            }
        ]
        message, intent, _ = await ask(claim, "create")
        prints.add(message.fingerprint)
        contexts.append(str(message.context))
        assert intent.person.values["mdtrt_cert_no"] == token

    assert len(prints) == 1
    assert not any("TOKEN" in context or "mdtrt-cert" in context for context in contexts)


async def test_other_content_has_another_fingerprint(ask: Any, make_claim: Any) -> None:
    """What 409 depends on."""
    one, _, _ = await ask(make_claim(), "create")
    two, _, _ = await ask(make_claim(created="2026-03-03"), "create")

    assert one.fingerprint != two.fingerprint
