"""Releases: one inner form, and the form of each release on the wire (matrix 2.3)."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.fhir.decode import decode_own, encode
from gateway.fhir.forms import Forms
from gateway.fhir.problems import wrong_value
from gateway.fhir.release import BY_SEGMENT, R4, R5, RELEASES, Release
from gateway.intents import Intent, Record, Status, Verb

BASE = "https://fsi-gateway.example/fhir"
SEGMENTS = [release.segment for release in RELEASES]


def assert_fits(tree: dict[str, Any], release: Release) -> None:
    """Hold a resource to the models of fhir.resources and to our tables of the release."""
    package = "fhir.resources.R4B" if release.models == "R4B" else "fhir.resources"
    model = importlib.import_module(package).get_fhir_model_class(tree["resourceType"])
    model.model_validate(json.loads(encode(tree)))
    assert Forms(release).shapes.check(tree, tree["resourceType"]) == []


def in_r5(claim: dict[str, Any]) -> dict[str, Any]:
    """The Claim of the tests as a client of R5 writes it: encounter and Coverage have changed."""
    patient = claim["contained"][0]
    coverage = {
        "resourceType": "Coverage",
        "id": "c1",
        "status": "active",
        "kind": "insurance",
        "type": {"coding": [{"system": f"{BASE}/CodeSystem/insutype", "code": "310"}]},
        "subscriberId": [{"value": "43010000000000000001"}],
        "beneficiary": {"reference": "#p1"},
        "insurer": {"identifier": {"system": f"{BASE}/id/admdvs", "value": "430100"}},
    }
    changed = {name: value for name, value in claim.items() if name != "extension"}
    return changed | {
        "contained": [patient, coverage],
        "encounter": [{"identifier": {"system": f"{BASE}/id/ipt-otp-no", "value": "V-1"}}],
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "#c1"}}],
    }


def in_r4(claim: dict[str, Any]) -> dict[str, Any]:
    """The same Claim in the form of R4 and R4B."""
    coverage = {
        "resourceType": "Coverage",
        "id": "c1",
        "status": "active",
        "type": {"coding": [{"system": f"{BASE}/CodeSystem/insutype", "code": "310"}]},
        "subscriberId": "43010000000000000001",
        "beneficiary": {"reference": "#p1"},
        "payor": [{"identifier": {"system": f"{BASE}/id/admdvs", "value": "430100"}}],
    }
    return claim | {
        "contained": [claim["contained"][0], coverage],
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"reference": "#c1"}}],
    }


def values(intent: Intent) -> dict[str, Any]:
    """Everything of an intent that the platform is told."""
    return {
        "verb": intent.verb,
        "class": intent.visit_class,
        "person": intent.person.values,
        "visit": intent.visit.values,
        "facility": intent.facility.values,
        "settlement": intent.settlement.values,
        "diagnoses": [one.values for one in intent.diagnoses],
        "charges": [one.values for one in intent.charges],
    }


async def test_the_same_claim_in_three_releases_tells_the_platform_the_same(
    ask: Any, make_claim: Any
) -> None:
    """X-059: equal records, so equal input of every transaction."""
    forms = {"r4": in_r4, "r4b": in_r4, "r5": in_r5}
    told = []
    for segment, form in forms.items():
        _, intent, problems = await ask(form(make_claim()), "create", release=segment)
        assert problems == []
        told.append(values(intent))

    assert told[0] == told[1] == told[2]
    assert told[0]["person"]["insutype"] == "310"
    assert told[0]["person"]["insuplc_admdvs"] == "430100"
    assert told[0]["visit"]["ipt_otp_no"] == "V-1"
    assert [line["det_item_fee_sumamt"] for line in told[0]["charges"]] == ["25.00", "7.00"]


def encounter_in_r5(encounter: dict[str, Any]) -> dict[str, Any]:
    """The visit of the tests as a client of R5 writes it."""
    kept = ("resourceType", "identifier", "subject", "serviceProvider")
    condition = {**encounter["contained"][1], "clinicalStatus": {"coding": [{"code": "active"}]}}
    return {name: encounter[name] for name in kept} | {
        "contained": [encounter["contained"][0], condition],
        "status": "in-progress",
        "class": [{"coding": [encounter["class"]]}],
        "actualPeriod": encounter["period"],
        "diagnosis": [
            {"condition": [{"reference": {"reference": "#c1"}}]},
            {"condition": [{"concept": {"coding": [{"code": "I10.x00"}]}}]},
        ],
        "participant": [
            {
                "actor": {"identifier": {"system": f"{BASE}/id/physician", "value": "1001"}},
            }
        ],
        "reason": [{"value": [{"concept": {"text": "发热"}}]}],
    }


async def test_an_encounter_of_r5_is_understood(ask: Any, make_encounter: Any) -> None:
    """Class list, actualPeriod, actor, reason and the conditions as links or concepts."""
    _, intent, problems = await ask(encounter_in_r5(make_encounter()), "create", release="r5")

    assert problems == []
    assert intent.verb is Verb.REGISTER
    assert intent.visit.values["begntime"] == "2026-03-02 09:15:00"
    assert intent.visit.values["atddr_no"] == "1001"
    assert intent.visit.values["main_cond_dscr"] == "发热"
    assert [one.values["diag_code"] for one in intent.diagnoses] == ["J06.900", "I10.x00"]
    assert [one.values["diag_srt_no"] for one in intent.diagnoses] == ["1", "2"]


async def test_a_finding_is_told_in_the_words_of_the_release(ask: Any, make_encounter: Any) -> None:
    """The sender wrote actualPeriod and class[0].coding[0], and is told so."""
    encounter = encounter_in_r5(make_encounter())
    _, intent, _ = await ask(encounter, "create", release="r5")

    assert intent.visit.place("begntime") == "Encounter.actualPeriod.start"
    assert intent.visit.place("visit_class") == "Encounter.class[0].coding[0].code"
    assert intent.visit.place("main_cond_dscr") == "Encounter.reason[0].value[0].concept.text"
    assert intent.visit.place("atddr_no") == "Encounter.participant[0].actor.identifier.value"
    concept = "Encounter.diagnosis[1].condition[0].concept.coding[0].code"
    assert intent.diagnoses[1].place("diag_code") == concept


@pytest.mark.parametrize(
    ("status", "class_code", "verb"),
    [
        ("completed", "AMB", Verb.REGISTER),
        ("discharged", "AMB", Verb.REGISTER),
        ("planned", "AMB", Verb.IGNORE),
        ("on-hold", "IMP", Verb.ADMIT),
    ],
)
async def test_statuses_of_r5_have_their_step(
    ask: Any, make_encounter: Any, status: str, class_code: str, verb: Verb
) -> None:
    """Encounter finished is `completed` or `discharged` in R5."""
    encounter = encounter_in_r5(make_encounter()) | {
        "status": status,
        "class": [{"coding": [{"code": class_code}]}],
    }
    _, intent, problems = await ask(encounter, "create", release="r5")

    assert (intent.verb, problems) == (verb, [])


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_the_answer_to_a_claim_fits_every_release(
    ask: Any, adapter: Any, settled: Any, make_claim: Any, segment: str
) -> None:
    """A ratio is `value` in R4 and R4B, `quantity` in R5 (X-042)."""
    release = BY_SEGMENT[segment]
    message, intent, _ = await ask(make_claim(), "create")
    answer = adapter.answer(message.kind, message.context, settled(intent))
    outer = Forms(release).outward(decode_own(answer.body))
    assert outer is not None
    assert_fits(outer, release)
    ratio = next(one for one in outer["adjudication"] if "amount" not in one)

    if release is R5:
        assert ratio["quantity"] == {"value": decode_own(b'{"v":0.7000}')["v"]}
        assert outer["decision"]["coding"][0]["code"] == "approved"
    else:
        assert "quantity" not in ratio
        assert "decision" not in outer


async def test_an_error_of_r5_has_its_expression(
    ask: Any, adapter: Any, settled: Any, make_claim: Any
) -> None:
    """R4 has an extension for it, R5 an element."""
    message, intent, _ = await ask(make_claim(), "create")
    place = "Claim.item[1].productOrService"

    problem = wrong_value(place, "平台不接受", "refused")
    result = settled(intent, Status.REJECTED, problems=[problem])
    answer = adapter.answer(message.kind, message.context, result)
    (in_r4_form,) = decode_own(answer.body)["error"]
    outer = Forms(R5).outward(decode_own(answer.body))
    assert outer is not None
    assert_fits(outer, R5)

    assert in_r4_form["extension"][0]["valueString"] == place
    assert outer["error"][0]["expression"] == [place]
    assert "extension" not in outer["error"][0]


@pytest.mark.parametrize("segment", SEGMENTS)
async def test_the_answer_to_an_eligibility_request_fits_every_release(
    ask: Any, adapter: Any, settled: Any, make_request: Any, segment: str
) -> None:
    """X-043: payor in R4 and R4B, insurer and kind in R5."""
    release = BY_SEGMENT[segment]
    message, intent, _ = await ask(make_request(), "create")
    rows = [Record({"insutype": "310", "psn_insu_stas": "1", "insuplc_admdvs": "430100"})]
    answer = adapter.answer(message.kind, message.context, settled(intent, insurances=rows))
    outer = Forms(release).outward(decode_own(answer.body))
    assert outer is not None
    assert_fits(outer, release)
    coverage = outer["contained"][0]

    if release is R5:
        assert coverage["kind"] == "insurance"
        assert coverage["insurer"]["identifier"]["value"] == "430100"
    else:
        assert coverage["payor"][0]["identifier"]["value"] == "430100"


async def test_a_visit_of_r5_is_read_back_as_it_was_written_and_in_r4(
    ask: Any, adapter: Any, settled: Any, make_encounter: Any
) -> None:
    """X-047: what only R5 has is left out for R4; the sender misses nothing."""
    written = encounter_in_r5(make_encounter()) | {"status": "discharged"}
    message, intent, _ = await ask(written, "create", release="r5")
    answer = adapter.answer(message.kind, message.context, settled(intent))
    back = Forms(R5).outward(decode_own(answer.body))
    older = Forms(R4).outward(decode_own(answer.body))
    assert back is not None
    assert older is not None
    assert_fits(back, R5)
    assert_fits(older, R4)

    for name in ("status", "class", "actualPeriod", "diagnosis", "participant", "reason"):
        assert back[name] == written[name]
    assert older["status"] == "finished"
    assert older["class"]["code"] == "AMB"
    assert older["period"] == written["actualPeriod"]


@pytest.mark.parametrize("maker", ["make_claim", "make_encounter", "make_task"])
def test_what_r4_writes_has_a_form_in_r5(maker: str, request: pytest.FixtureRequest) -> None:
    """A resource that was made at one base can be read at another."""
    make: Callable[..., dict[str, Any]] = request.getfixturevalue(maker)
    tree = make("Claim/1") if maker == "make_task" else make()
    outer = Forms(R5).outward(tree)

    assert outer is not None
    assert_fits(outer, R5)


async def test_a_message_taken_up_after_a_crash_is_read_without_its_url(
    adapter: Any, peer: Any, make_encounter: Any, make_claim: Any
) -> None:
    """A stored message is read in the first release whose shape it has, and is the same one."""
    base = {"base": "http://gateway.test/fhir/r5", "wait": "async"}
    for resource, meta in (
        (encounter_in_r5(make_encounter()), {"type": "Encounter", "release": "r5"}),
        (in_r5(make_claim()), {"type": "Claim", "release": "r5"}),
        (in_r4(make_claim()), {"type": "Claim", "release": "r4"}),
    ):
        raw = encode(resource)
        first = await adapter.read(raw, peer, {**base, **meta, "interaction": "create"})
        again = await adapter.read(raw, peer, {})

        assert adapter.owns(first.context)
        assert not adapter.owns(again.context)
        assert (again.control_id, again.sender) == (first.control_id, first.sender)
        assert again.fingerprint == first.fingerprint
