"""From an intent to checked steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest

from gateway.clock import CHINA
from gateway.errors import InvalidError, ProblemCode
from gateway.intents import Intent, Record, Verb, VisitClass
from gateway.settings import PeerSettings
from gateway.settlement.inputs import Site
from gateway.settlement.preparing import Prepared, Preparer
from gateway.settlement.sites import Sites
from gateway.settlement.visits import Batch, Line, Visit, VisitState

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=CHINA)


def visit(state: VisitState = VisitState.NONE, *batches: Batch) -> Visit:
    """A visit of the made-up hospital."""
    return Visit(
        fixmedins_code="H43010000001",
        ipt_otp_no="O1",
        visit_class=VisitClass.OUTPATIENT,
        state=state,
        batches=list(batches),
    )


def steps(prepared: Prepared) -> list[str]:
    """The transactions planned."""
    return [step.infno for step in prepared.steps]


def codes(prepared: Prepared) -> list[tuple[ProblemCode, str]]:
    """Codes and places of what was found."""
    return [(problem.code, problem.place) for problem in prepared.problems]


def test_a_first_visit_is_settled_in_six_calls(preparer: Preparer, outpatient: Intent) -> None:
    """Identify, register, describe, upload, compute, settle: nothing is missing before the send."""
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert prepared.problems == []
    assert steps(prepared) == ["1101", "2201", "2203", "2204", "2206", "2207"]


def test_inputs_stand_as_they_were_checked_until_a_reply_can_change_them(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Registered before: 2203 and 2204 are sent as checked; the reply to 2204 says of 2206 more."""
    prepared = preparer.prepare(outpatient, visit(VisitState.REGISTERED), NOW)

    assert steps(prepared) == ["2203", "2204", "2206", "2207"]
    assert [list(filled.input) for filled in prepared.ready] == [
        ["mdtrtinfo", "diseinfo"],
        ["feedetail"],
    ]


def test_nothing_stands_after_a_call_that_is_to_give_something(
    preparer: Preparer, outpatient: Intent
) -> None:
    """A first visit: only who the person is can be asked as it was checked."""
    prepared = preparer.prepare(outpatient, visit(), NOW)

    assert [list(filled.input) for filled in prepared.ready] == [["data"]]


def test_local_codes_become_national_ones_with_the_name_of_the_list(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Item SF001, physician 1001, department NK of the made-up hospital's tables."""
    preparer.prepare(outpatient, visit(), NOW)
    line = outpatient.charges[0]
    assert line.get("med_list_codg") == "001102000010000"
    assert line.get("medins_list_codg") == "SF001"
    assert line.get("bilg_dr_codg") == "D430100000001"
    assert outpatient.visit.get("dept_code") == "A03"
    assert outpatient.visit.get("caty") == "A03"


def test_an_unmapped_item_stops_everything_at_its_place(
    preparer: Preparer, outpatient: Intent, charge: Callable[..., Record]
) -> None:
    """T-010: one line of two has no national code; nothing may be sent."""
    outpatient.charges.append(charge("2", "YP999", "9.90"))
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert prepared.stops
    assert codes(prepared) == [(ProblemCode.MAP_NO_CODE, "X-medins_list_codg")]


def test_a_date_outside_the_validity_of_a_mapping_is_unmapped(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Translation is as of the date of service: the tables begin in 2020."""
    outpatient.charges[0].values["fee_ocur_time"] = "2019-12-31 10:00:00"
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert ProblemCode.MAP_NO_CODE in [code for code, _ in codes(prepared)]


def test_an_unmapped_procedure_stops_everything_at_its_place(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """What was done and who did it; no call needs them, and the settlement list does."""
    outpatient.procedures = [
        record(oprn_oprt_code="47.0100", oper_dr_code="1001", oprn_oprt_date="2026-03-02"),
        record(oprn_oprt_code="SS999", oper_dr_code="9999", anst_dr_code="D430100000009"),
    ]
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert codes(prepared) == [
        (ProblemCode.MAP_NO_CODE, "X-oprn_oprt_code"),
        (ProblemCode.MAP_NO_CODE, "X-oper_dr_code"),
    ]
    assert "SS999" in prepared.problems[0].zh
    assert prepared.stops


@pytest.mark.parametrize(("day", "found"), [("2019-12-31", 1), ("2020-01-01", 0)])
def test_a_procedure_is_coded_as_of_its_own_day(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record], day: str, found: int
) -> None:
    """The physicians of the made-up hospital are in force since 2020."""
    outpatient.procedures = [
        record(oprn_oprt_code="47.0100", oper_dr_code="1001", oprn_oprt_date=day)
    ]
    assert len(preparer.prepare(outpatient, visit(), NOW).problems) == found


def test_a_procedure_stays_as_it_was_sent(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """A later message names it by its code (PR1-20); one that is taken out needs no other code."""
    outpatient.procedures = [
        record(oprn_oprt_code="47.0100", oper_dr_code="1001"),
        record(oprn_oprt_code="SS999", action="D"),
    ]
    assert preparer.prepare(outpatient, visit(), NOW).problems == []
    stated = [procedure.get("oprn_oprt_code") for procedure in outpatient.procedures]
    assert (stated, outpatient.procedures[0].get("oper_dr_code")) == (["47.0100", "SS999"], "1001")


def test_every_problem_is_reported_at_once(preparer: Preparer, outpatient: Intent) -> None:
    """A wrong identity number and a missing quantity of time do not hide one another."""
    outpatient.person.values["certno"] = "430199198001010011"
    outpatient.charges[0].values["fee_ocur_time"] = "2026-02-30 10:00:00"
    found = {problem.field for problem in preparer.prepare(outpatient, visit(), NOW).problems}
    assert {"certno", "fee_ocur_time"} <= found


def test_a_missing_field_of_a_line_is_placed_at_the_line(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Nothing in the message says who ordered: the place is where the line's values stand."""
    line = outpatient.charges[0]
    for code in ("bilg_dr_codg", "bilg_dr_name"):
        line.values.pop(code, None)
        line.sources.pop(code, None)
    outpatient.visit.values.pop("atddr_no")
    prepared = preparer.prepare(outpatient, visit(VisitState.REGISTERED), NOW)
    found = [p for p in prepared.problems if p.field == "bilg_dr_codg"]
    assert [problem.place for problem in found] == ["X"]


def test_the_stated_total_has_to_be_the_sum_of_the_lines(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """F-010: 15.01 stated, 15.00 uploaded: no settlement."""
    outpatient.settlement = record(medfee_sumamt="15.01")
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert codes(prepared) == [(ProblemCode.AMOUNT_MISMATCH, "X-medfee_sumamt")]


def test_a_total_is_compared_as_a_number(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """15.0 and 15.00 are the same amount."""
    outpatient.settlement = record(medfee_sumamt="15.0")
    assert preparer.prepare(outpatient, visit(), NOW).problems == []


def uploaded(number: str, amount: str) -> Batch:
    """An open batch of one line."""
    line = Line(feedetl_sn=number, key=number, item="SF001", amount=amount)
    return Batch(
        chrg_bchno=number,
        lines=[line],
        fulamt_ownpay_amt="0.00",
        overlmt_selfpay="1.00",
        preselfpay_amt="0.50",
        inscp_scp_amt=str(Decimal(amount) - Decimal("1.50")),
    )


def test_a_payment_settles_every_open_batch_one_by_one(
    preparer: Preparer, outpatient: Intent
) -> None:
    """2207 settles one charge batch (rules section 8): pairs of 2206 and 2207, oldest first."""
    outpatient.charges, outpatient.diagnoses = [], []
    known = visit(VisitState.CHARGED, uploaded("7", "10.00"), uploaded("8", "20.00"))
    prepared = preparer.prepare(outpatient, known, NOW)
    planned = [(step.infno, step.batch) for step in prepared.steps]
    assert planned == [("2206", "7"), ("2207", "7"), ("2206", "8"), ("2207", "8")]


def test_the_split_sums_of_a_settlement_are_those_of_its_batch(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Rules section 9: sum the four split amounts of the 2204 replies for 2207."""
    outpatient.charges, outpatient.diagnoses = [], []
    known = visit(VisitState.CHARGED, uploaded("7", "10.00"), uploaded("8", "20.00"))
    prepared = preparer.prepare(outpatient, known, NOW)
    data = preparer.fill(prepared.steps[3], outpatient, known).input["data"]
    assert data["medfee_sumamt"] == Decimal("20.00")
    assert data["overlmt_selfpay"] == Decimal("1.00")
    assert data["preselfpay_amt"] == Decimal("0.50")
    assert data["inscp_scp_amt"] == Decimal("18.50")


def test_a_claim_settles_its_own_lines_only(preparer: Preparer, outpatient: Intent) -> None:
    """Another open batch of the visit stays open."""
    outpatient.own_charges_only = True
    outpatient.diagnoses = []
    known = visit(VisitState.CHARGED, uploaded("7", "10.00"))
    prepared = preparer.prepare(outpatient, known, NOW)
    assert steps(prepared) == ["2204", "2206", "2207"]
    assert "7" not in {step.batch for step in prepared.steps}


def test_settling_a_settled_visit_again_is_refused(preparer: Preparer, outpatient: Intent) -> None:
    """A settlement happens at most once: nothing is open."""
    batch = uploaded("7", "10.00")
    batch.setl_id = "S1"
    outpatient.charges = []
    prepared = preparer.prepare(outpatient, visit(VisitState.SETTLED, batch), NOW)
    assert [code for code, _ in codes(prepared)] == [ProblemCode.CHARGE_UNKNOWN]


def test_charges_for_an_unknown_visit_are_refused(preparer: Preparer, outpatient: Intent) -> None:
    """T-011: AE 204."""
    outpatient.verb = Verb.CHARGE
    prepared = preparer.prepare(outpatient, visit(), NOW)
    assert codes(prepared) == [(ProblemCode.VISIT_UNKNOWN, "X-ipt_otp_no")]


def test_the_same_diagnoses_again_are_not_sent(preparer: Preparer, outpatient: Intent) -> None:
    """Matrix 1.6: no relevant field changed means no send."""
    outpatient.verb = Verb.UPDATE
    outpatient.charges = []
    known = visit(VisitState.REGISTERED)
    assert steps(preparer.prepare(outpatient, known, NOW)) == ["2203"]
    known.diagnoses = outpatient.diagnoses
    again = Intent(
        verb=Verb.UPDATE,
        visit_class=VisitClass.OUTPATIENT,
        visit=outpatient.visit,
        diagnoses=[Record(dict(outpatient.diagnoses[0].values))],
        coded=True,
    )
    assert steps(preparer.prepare(again, known, NOW)) == []


def test_a_diagnosis_that_is_missing_from_the_new_list_is_withdrawn(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """Matrix 1.4: it is sent again with vali_flag 0 and never is the main one."""
    outpatient.verb, outpatient.charges = Verb.UPDATE, []
    known = visit(VisitState.REGISTERED)
    known.diagnoses = [record(diag_code="I10.x00x002", diag_name="高血压", maindiag_flag="1")]
    prepared = preparer.prepare(outpatient, known, NOW)
    rows = preparer.fill(prepared.steps[0], outpatient, known).input["diseinfo"]
    assert [(row["diag_code"], row["vali_flag"], row["diag_srt_no"]) for row in rows] == [
        ("J06.900", "1", Decimal(1)),
        ("I10.x00x002", "0", Decimal(2)),
    ]


def test_a_masked_token_of_a_stored_message_is_not_sent(site: Site, outpatient: Intent) -> None:
    """An e-voucher token is never kept: a message taken up again has to be sent anew."""
    outpatient.person.values.update(mdtrt_cert_type="01", mdtrt_cert_no="*" * 28)
    sites = Sites({"H43010000001": site}, tolerance=Decimal("0.01"), max_charge_lines=10)
    peer = PeerSettings(name="his", institutions=["H43010000001"])
    with pytest.raises(InvalidError) as caught:
        sites.preparer(outpatient, peer)
    assert caught.value.problems[0].code is ProblemCode.TOKEN_GONE


@pytest.mark.parametrize(
    ("patient_class", "med_type"), [("O", "11"), ("E", "13")], ids=["outpatient", "emergency"]
)
def test_the_medical_type_comes_from_the_regional_profile(
    preparer: Preparer, outpatient: Intent, patient_class: str, med_type: str
) -> None:
    """Matrix 1.3, Hunan: 11 for an ordinary outpatient, 13 for an emergency."""
    outpatient.visit.values["patient_class"] = patient_class
    preparer.prepare(outpatient, visit(), NOW)
    assert outpatient.visit.get("med_type") == med_type


def test_one_of_several_diagnoses_is_the_main_one(
    preparer: Preparer, outpatient: Intent, record: Callable[..., Record]
) -> None:
    """Matrix 1.4: none flagged: the first final one, else the first."""
    outpatient.diagnoses = [
        record(diag_code="J06.900", inout="A"),
        record(diag_code="I10.x00x002", inout="F"),
    ]
    preparer.prepare(outpatient, visit(), NOW)
    assert [d.get("maindiag_flag") for d in outpatient.diagnoses] == ["0", "1"]
    assert outpatient.visit.get("main_diag_code") == "I10.x00x002"


def test_many_lines_are_uploaded_in_calls_below_the_limit(
    preparer: Preparer, outpatient: Intent, charge: Callable[..., Record]
) -> None:
    """T-014: 250 lines go up in whole batches below 40,000 characters, each line once."""
    outpatient.charges = [charge(str(n), "SF001", "15.00") for n in range(1, 251)]
    known = visit()
    prepared = preparer.prepare(outpatient, known, NOW)
    assert prepared.problems == []
    uploads = [step for step in prepared.steps if step.infno == "2204"]
    assert len(uploads) >= 3
    sent = [line.get("feedetl_sn") for step in uploads for line in step.lines]
    assert sent == [str(n) for n in range(1, 251)]
    outpatient.person.values["psn_no"] = "4" * 30
    outpatient.visit.values["mdtrt_id"] = "9" * 30
    for step in uploads:
        filled = preparer.fill(step, outpatient, known)
        assert preparer.check(step, filled, outpatient) == []
        assert len({line.get("chrg_bchno") for line in step.lines}) == 1


def test_a_later_message_does_not_change_the_insurance_of_its_visit(
    preparer: Preparer, outpatient: Intent
) -> None:
    """Rules section 4: one insurance row is chosen for the visit, and its values go into every
    later call: the region and type that a later message states do not.
    """
    open_visit = visit(VisitState.REGISTERED)
    open_visit.person = Record({"insutype": "390", "insuplc_admdvs": "430121", "psn_no": "4301"})
    outpatient.person.values.update({"insutype": "310", "insuplc_admdvs": "430100"})
    preparer.prepare(outpatient, open_visit, NOW)
    assert outpatient.person.get("insuplc_admdvs") == "430121"
    assert outpatient.person.get("insutype") == "390"


@pytest.mark.parametrize("code", ["psn_name", "psn_no"])
def test_a_message_about_another_person_does_not_touch_the_visit(
    preparer: Preparer, outpatient: Intent, code: str
) -> None:
    """Charges of one patient under the visit number of another are refused."""
    open_visit = visit(VisitState.REGISTERED)
    open_visit.person = Record({code: "43010000000000000002"})
    outpatient.person.values[code] = "43010000000000000001"
    prepared = preparer.prepare(outpatient, open_visit, NOW)
    assert prepared.stops
    assert [p.field for p in prepared.problems if p.code is ProblemCode.PERSON_CONFLICT] == [code]
