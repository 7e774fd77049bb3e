"""What a settlement list makes of movements, procedures, blood, charges and the settlement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.fsi.definitions import Definitions
from gateway.intents import Record, Settlement, VisitClass
from gateway.journal import SendRow
from gateway.journal.records import SendState
from gateway.settlement.filling import Filler
from gateway.settlement.listing.collecting import Sources
from gateway.settlement.listing.composing import Composed, Habits, compose
from gateway.settlement.listing.movements import (
    Department,
    departments,
    duration,
    intensive_care,
)
from gateway.settlement.listing.operations import operations, ventilated
from gateway.settlement.listing.places import STORED, sources_of, stored_of
from gateway.settlement.listing.stays import Stay
from gateway.settlement.visits import Visit

ENDED = "2026-03-05 10:00:00"
DEPARTMENTS = {
    ward: Department(code=caty, name=name, caty=caty)
    for ward, caty, name in (
        ("NK", "A03", "内科"),
        ("WK", "A04", "外科"),
        ("ICU", "A28", "重症医学科"),
    )
}


def moved(ward: str, begin: str, **more: str) -> Record:
    """The patient came to a ward in March 2026."""
    return Record({"ward": ward, "begntime": f"2026-03-{begin}:00", **more})


def stays(*movements: Record, ended: str = ENDED, **wards: str) -> list[dict[str, str]]:
    """The rows of intensive care."""
    return [row.values for row in intensive_care(movements, wards, "H1", ended)]


class TestIntensiveCare:
    """From when until when, in which ward."""

    def test_a_stay_is_from_the_transfer_to_the_next(self) -> None:
        """Two stays in two wards, one after the other."""
        rows = stays(
            moved("NK", "01 09:00"),
            moved("ICU", "01 20:00"),
            moved("CCU", "02 20:00"),
            moved("NK", "02 21:30"),
            ICU="9",
            CCU="1",
        )
        assert [row["scs_cutd_ward_type"] for row in rows] == ["9", "1"]
        assert [row["scs_cutd_sum_dura"] for row in rows] == ["1/0/0", "0/1/30"]

    def test_another_bed_of_the_ward_is_the_same_stay(self) -> None:
        """A02 within the ward: one row, from the first bed to the end of the last."""
        (row,) = stays(moved("ICU", "01 20:00"), moved("ICU", "02 08:00"), ICU="9")
        assert row["scs_cutd_inpool_time"] == "2026-03-01 20:00:00"
        assert row["scs_cutd_exit_time"] == ENDED

    def test_a_patient_who_is_still_there_has_no_end(self) -> None:
        """The check of the list then names what is missing."""
        (row,) = stays(moved("ICU", "01 20:00"), ended="", ICU="9")
        assert set(row) == {"scs_cutd_ward_type", "scs_cutd_inpool_time"}

    def test_the_end_of_its_own_period_counts(self) -> None:
        """Between the period of a location and the next one the patient was elsewhere."""
        (row,) = stays(
            moved("ICU", "01 20:00", endtime="2026-03-01 21:00:00"),
            moved("NK", "02 08:00"),
            ICU="9",
        )
        assert row["scs_cutd_sum_dura"] == "0/1/0"

    def test_the_settings_go_before_the_message(self) -> None:
        """And the ward of one institution before that of any."""
        movement = moved("ICU", "01 20:00", scs_cutd_ward_type="9")
        assert stays(movement)[0]["scs_cutd_ward_type"] == "9"
        assert stays(movement, ICU="4")[0]["scs_cutd_ward_type"] == "4"
        both = stays(movement, **{"ICU": "4", "H1/ICU": "5"})
        assert both[0]["scs_cutd_ward_type"] == "5"

    def test_what_was_cancelled_was_no_stay(self) -> None:
        """ADT^A12."""
        assert stays(moved("ICU", "01 20:00", cancelled="x"), ICU="9") == []

    @pytest.mark.parametrize(
        ("begin", "end", "expected"),
        [
            ("2026-03-01 20:00:00", "2026-03-03 09:24:59", "1/13/24"),
            ("2026-02-28 23:59:00", "2026-03-01 00:00:00", "0/0/1"),
            ("2026-03-01 20:00:00", "2026-03-01 19:59:00", ""),
            ("2026-03-01", "2026-03-02 00:00:00", ""),
        ],
    )
    def test_a_duration_is_days_hours_minutes(self, begin: str, end: str, expected: str) -> None:
        """Rules section 17; nothing where the times are reversed or none."""
        assert duration(begin, end) == expected


class TestDepartments:
    """Where a stay began and ended, and the way between."""

    def test_transfers_are_joined_by_arrows(self) -> None:
        """A ward that the site's table does not have, and the same class again, are no transfer."""
        found = departments(
            [
                moved("NK", "01 09:00"),
                moved("ICU", "01 20:00"),
                moved("X9", "02 08:00"),
                moved("ICU", "02 09:00"),
                moved("WK", "03 08:00"),
            ],
            DEPARTMENTS.get,
        )
        assert found.transfers == "A28→A04"
        assert (found.first, found.last) == (DEPARTMENTS["NK"], DEPARTMENTS["WK"])

    def test_nothing_follows_from_no_movement(self) -> None:
        """The visit's own department counts then."""
        assert departments([], DEPARTMENTS.get).first is None


class TestOperations:
    """Ends of procedures, and time on a ventilator."""

    def test_the_end_follows_from_the_minutes(self) -> None:
        """PR1-5 and PR1-7; an end that was stated stays."""
        begin = {"oprn_oprt_begntime": "2026-03-01 23:30:00", "minutes": "90"}
        stated = {**begin, "oprn_oprt_endtime": "2026-03-02 02:00:00"}
        ends = [one.get("oprn_oprt_endtime") for one in operations([Record(begin), Record(stated)])]
        assert ends == ["2026-03-02 01:00:00", "2026-03-02 02:00:00"]

    def test_anaesthesia_ends_after_its_own_minutes(self) -> None:
        """PR1-10 with the beginning (ROL-5); PR1-7 says nothing of it."""
        (one,) = operations(
            [Record({"anst_begntime": "2026-03-01 23:30:00", "anst_minutes": "45", "minutes": "9"})]
        )
        assert (one.get("anst_endtime"), one.has("oprn_oprt_endtime")) == (
            "2026-03-02 00:15:00",
            False,
        )

    def test_a_ventilator_is_used_for_the_sum_of_its_procedures(self) -> None:
        """36 hours and 90 minutes; other procedures do not count."""
        found = [
            Record(
                {
                    "oprn_oprt_code": "96.7100",
                    "oprn_oprt_begntime": "2026-03-01 08:00:00",
                    "oprn_oprt_endtime": "2026-03-02 20:00:00",
                }
            ),
            Record({"oprn_oprt_code": "96.7101", "minutes": "90"}),
            Record({"oprn_oprt_code": "47.0100", "minutes": "60"}),
        ]
        assert ventilated(found, ["96.7"]) == "1/13/30"
        assert ventilated(found, []) == ""

    def test_a_part_of_the_time_is_not_told(self) -> None:
        """One of two procedures says nothing of its length: the sum would be wrong."""
        found = [Record({"oprn_oprt_code": "96.7100", "minutes": "90"})]
        found.append(Record({"oprn_oprt_code": "96.7200"}))
        assert ventilated(found, ["96.7"]) == ""


def sources(**changes: Any) -> Sources:
    """A stay of everything, settled with an account payment, by DRG."""
    info = {"setl_id": "S1", "insutype": "310", "clr_way": "40", "setl_time": "2026-03-06 10:00:00"}
    info |= {"medfee_sumamt": "100.00", "fund_pay_sumamt": "60.00", "psn_part_amt": "40.00"}
    info |= {"fulamt_ownpay_amt": "5.00", "overlmt_selfpay": "1.00", "psn_cash_pay": "10.00"}
    info |= {"acct_pay": "30.00"}
    person = {"psn_no": "P1", "psn_name": "示", "gend": "1", "brdy": "2026-01-01", "naty": "01"}
    person |= {"certno": "C", "psn_cert_type": "01", "insuplc_admdvs": "430100", "emp_name": "厂"}
    visit = {"mdtrt_id": "V1", "ipt_otp_no": "I1", "begntime": "2026-03-01 09:00:00"}
    visit |= {"endtime": ENDED, "dept_code": "A04", "dept_name": "外科", "caty": "A04"}
    visit |= {"atddr_no": "D1", "dr_name": "陈", "med_type": "2101", "dscg_way": "1"}
    procedure = {"oprn_oprt_code": "96.7100", "oprn_oprt_type": "1", "minutes": "60"}
    procedure |= {"oprn_oprt_begntime": "2026-03-01 20:00:00", "oprn_oprt_date": "2026-03-01"}
    procedure |= {"oper_dr_code": "D1", "anst_dr_code": "D2", "oprn_oprt_name": "通气"}
    columns = ("amt", "claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")
    stay = Stay(
        movements=[moved("NK", "01 09:00"), moved("ICU", "01 20:00"), moved("WK", "02 20:00")],
        transfusions=[Record({"bld_cat": "11", "bld_amt": "2", "bld_unt": "U"})],
        facts=Record({"adm_way": "1", "wm_dise_code": "J06.900"}),
    )
    diagnosis = {"diag_code": "K35.900", "diag_name": "阑尾炎", "diag_type": "1"}
    diagnosis |= {"maindiag_flag": "1", "adm_cond": "n"}
    made = {
        "settlement": Settlement(
            infno="2304",
            msgid="M1",
            info=Record(info),
            funds=[Record({"fund_pay_type": "310100", "fund_payamt": "60.00"})],
        ),
        "visit": Visit(
            fixmedins_code="H1",
            ipt_otp_no="I1",
            visit_class=VisitClass.INPATIENT,
            person=Record(person),
            visit=Record(visit),
        ),
        "send": SendRow(
            msgid="M1",
            exchange_id="",
            infno="2304",
            visit_key="",
            fixmedins_code="H1",
            insuplc_admdvs="430100",
            pooling_region="",
            channel="",
            digest="",
            money=True,
            state=SendState.ACCEPTED,
            created_at="",
            updated_at="",
        ),
        "stay": stay,
        "diagnoses": [Record(diagnosis)],
        "procedures": [Record(procedure)],
        "items": [Record({"med_chrgitm": "09", **dict.fromkeys(columns, "20.00")})],
        "quantities": {"HL001": Decimal(4), "HL002": Decimal(1), "CT": Decimal(1)},
        "fixmedins_name": "医院",
        "invono": "F1",
    }
    return Sources(**{**made, **changes})


HABITS = Habits(
    additions={"medins_fill_psn": "王"},
    intensive_care={"ICU": "9"},
    nursing={
        "HL001": "lv1_nurscare_days",
        "HL002": "lv1_nurscare_days",
        "HL003": "lv3_nurscare_days",
    },
    ventilation=["96.7"],
)


def composed(edition: str, infno: str = "4101", additions: Any = None, **changes: Any) -> Composed:
    """The list of that stay in an edition."""
    definitions = Definitions.load(edition)
    return compose(
        sources(**changes),
        additions or {},
        filler=Filler(definitions),
        definitions=definitions,
        infno=infno,
        habits=HABITS,
        department_of=DEPARTMENTS.get,
    )


def chronic(**changes: Any) -> Visit:
    """An outpatient visit of a filed disease, with a procedure."""
    stated = {"begntime": "2026-03-01 09:00:00", "dept_code": "A03.01", "caty": "A03"}
    stated |= {"dise_codg": "M03900", "dise_name": "高血压", **changes}
    return Visit(
        fixmedins_code="H1",
        ipt_otp_no="O1",
        visit_class=VisitClass.OUTPATIENT,
        person=Record({"psn_no": "P1"}),
        visit=Record(stated),
    )


EDITIONS = [("", "4101"), ("", "4101A"), ("HN", "4101")]


class TestTheList:
    """The whole of it, in the editions."""

    def test_fields_follow_from_what_is_stored(self) -> None:
        """Worked out by hand from the stay above."""
        head = composed("").input["setlinfo"]
        assert (head["hi_paymtd"], head["ipt_med_type"], head["nwb_age"]) == ("4", "1", 59)
        assert (head["psn_ownpay"], head["psn_selfpay"]) == (Decimal("6.00"), Decimal("34.00"))
        assert (head["lv1_nurscare_days"], head["vent_used_dura"]) == (5, "0/1/0")
        assert "lv3_nurscare_days" not in head
        assert (head["adm_caty"], head["dscg_caty"], head["act_ipt_days"]) == ("A03", "A04", 4)
        assert (head["bill_no"], head["fixmedins_name"]) == ("F1", "医院")

    def test_blood_of_one_kind_stands_in_the_head_and_of_several_in_rows(self) -> None:
        """4101 has room for one kind; 4101A and Hunan have rows, Hunan with a number each."""
        assert composed("").input["setlinfo"]["bld_amt"] == 2
        several = Stay(
            transfusions=[
                Record({"bld_cat": "11", "bld_amt": "2", "bld_unt": "U"}),
                Record({"bld_cat": "42", "bld_amt": "200", "bld_unt": "mL"}),
                Record({"bld_cat": "11", "bld_amt": "1.5", "bld_unt": "U"}),
            ]
        )
        assert "bld_cat" not in composed("", stay=several).input["setlinfo"]
        rows = composed("HN", stay=several).input["bldinfo"]
        assert [(row["bld_cat"], row["bld_amt"]) for row in rows] == [
            ("11", Decimal("3.5")),
            ("42", Decimal(200)),
        ]
        assert [row["setl_List_bld_Id"] for row in rows] == ["S101", "S102"]
        assert {(row["psn_no"], row["setl_id"]) for row in rows} == {("P1", "S1")}

    def test_transfers_that_do_not_fit_are_left_out_with_a_warning(self) -> None:
        """Six characters in the base table, fifty in Hunan."""
        short, long = composed(""), composed("HN")
        assert "refldept_dept" not in short.input["setlinfo"]
        (note,) = short.notes
        assert (note.place, note.stops) == ("setlinfo.refldept_dept", False)
        assert "A28→A04" in note.zh
        assert (long.input["setlinfo"]["refldept_dept"], long.notes) == ("A28→A04", [])

    def test_a_visit_of_a_chronic_disease_has_it_with_each_procedure(self) -> None:
        """The base edition wants both in a row, Hunan the procedure alone; a stay has no row."""
        found = composed("", visit=chronic()).input
        assert found["opspdiseinfo"] == [
            {
                "diag_name": "高血压",
                "diag_code": "M03900",
                "oprn_oprt_name": "通气",
                "oprn_oprt_code": "96.7100",
            }
        ]
        head = found["setlinfo"]
        assert (head["opsp_diag_caty"], head["opsp_mdtrt_date"]) == ("A03", "2026-03-01")
        assert head["hi_no"] == "P1"
        row = {"oprn_oprt_name": "通气", "oprn_oprt_code": "96.7100"}
        assert composed("HN", visit=chronic()).input["opspdiseinfo"] == [row]
        assert "opspdiseinfo" not in composed("").input

    def test_an_ordinary_visit_is_none_of_a_chronic_disease(self) -> None:
        """Without a filed disease there is no section, and without a procedure no row of it."""
        ordinary = composed("", visit=chronic(dise_codg="")).input
        assert "opspdiseinfo" not in ordinary
        assert "opsp_mdtrt_date" not in ordinary["setlinfo"]
        assert "opspdiseinfo" not in composed("", visit=chronic(), procedures=[]).input

    def test_the_age_is_by_the_day_of_birth_that_the_list_has(self) -> None:
        """The platform's, where the hospital registered another one."""
        made = sources()
        made.settlement.info.values["brdy"] = "1976-03-02"
        head = composed("", settlement=made.settlement).input["setlinfo"]
        assert (head["brdy"], head["age"]) == ("1976-03-02", 49)
        assert "nwb_age" not in head

    def test_a_weight_at_the_admission_is_that_of_a_newborn(self) -> None:
        """Born on 1 January: 59 days old on 1 March, 28 days old on 29 January."""
        stay = Stay(facts=Record({"adm_wt": "3500"}))
        assert "nwb_adm_wt" not in composed("", stay=stay).input["setlinfo"]
        made = sources(stay=stay)
        made.visit.visit.values["begntime"] = "2026-01-29 09:00:00"
        head = composed("", stay=stay, visit=made.visit).input["setlinfo"]
        assert (head["nwb_adm_wt"], head["nwb_age"]) == (3500, 28)

    def test_a_diagnosis_that_was_not_there_on_admission_says_so(self) -> None:
        """FHIR writes the codes of table 0895 in small letters."""
        (row,) = composed("HN").input["diseinfo"]
        assert row["adm_cond_type"] == "4"

    def test_additions_go_before_messages_before_what_is_stored_before_settings(self) -> None:
        """And each field says where it is from."""
        given = {"setlinfo": {"adm_way": "9", "prfs": "17"}, "icuinfo": []}
        found = composed("HN", additions=given)
        assert found.input["setlinfo"]["adm_way"] == "9"
        assert "icuinfo" not in found.input
        origins = found.origins
        assert (origins["setlinfo.adm_way"], origins["setlinfo.wm_dise_code"]) == (
            "additions",
            "message",
        )
        assert (origins["setlinfo.setl_id"], origins["setlinfo.medins_fill_psn"]) == (
            "stored",
            "settings",
        )

    @pytest.mark.parametrize(("edition", "infno"), EDITIONS)
    def test_the_page_says_of_every_field_where_it_is_from(self, edition: str, infno: str) -> None:
        """No field is filled that the page has nothing to say about."""
        found = composed(edition, infno)
        silent = {
            place
            for path, origin in found.origins.items()
            if origin != "settings"
            for place in [path.replace("[0]", "")]
            if not stored_of(place) and not sources_of(place)
        }
        assert silent == set()

    def test_the_page_claims_nothing_that_is_not_filled(self) -> None:
        """Every field that the page calls stored is in the list of a stay that has everything."""
        filled = {
            path.replace("[0]", "")
            for edition, infno in EDITIONS
            for changes in ({}, {"visit": chronic()})
            for path in composed(edition, infno, **changes).origins
        }
        claimed = {name if "." in name else f"setlinfo.{name}" for name in STORED}
        others = {"setlinfo.spga_nurscare_days", "setlinfo.scd_nurscare_days"}
        others |= {"setlinfo.lv3_nurscare_days"}  # not in this stay: one rule fills the four levels
        others |= {"setlinfo.age"}  # of somebody above one year
        assert claimed - filled == others
