"""A made-up hospital's site, with the real definitions, profile and code tables."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import mappings.codes
from gateway.fsi.checks import Checker
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.intents import Intent, Record, Source, Verb, VisitClass
from gateway.settings import InstitutionSettings
from gateway.settlement.coding import Coder
from gateway.settlement.filling import Filler
from gateway.settlement.inputs import Site
from gateway.settlement.preparing import Preparer
from mappings.codes import CodeBook

DEMO_TABLES = Path(mappings.codes.__file__).parent / "data" / "demo-hospital"


def record(**values: str) -> Record:
    """A record whose every value came from a place named after its field."""
    return Record(dict(values), {code: Source(f"X-{code}") for code in values})


@pytest.fixture(name="record", scope="session")
def record_() -> Callable[..., Record]:
    """Makes records with sources."""
    return record


@pytest.fixture(scope="session")
def site() -> Site:
    """H43010000001 under the Hunan profile."""
    profile = load_profile("hunan")
    definitions = Definitions.load(profile.edition)
    return Site(
        InstitutionSettings(
            fixmedins_code="H43010000001",
            fixmedins_name="长沙示范医院",
            mdtrtarea_admvs="430100",
            channel="own",
        ),
        profile,
        definitions,
        Filler(definitions),
        Checker(definitions, profile),
        Coder(CodeBook.load([DEMO_TABLES], "default")),
    )


@pytest.fixture
def preparer(site: Site) -> Preparer:
    """A preparer without peer defaults."""
    return Preparer(site, tolerance=Decimal("0.01"), defaults=Record())


def charge(number: str, item: str, amount: str, *, quantity: str = "1") -> Record:
    """A charge line of the made-up hospital."""
    return record(
        feedetl_sn=number,
        fee_ocur_time="2026-03-02 09:10:00",
        medins_list_codg=item,
        cnt=quantity,
        det_item_fee_sumamt=amount,
        bilg_dept_codg="NK",
        bilg_dr_codg="1001",
    )


@pytest.fixture(name="charge", scope="session")
def charge_() -> Callable[..., Record]:
    """Makes charge lines."""
    return charge


@pytest.fixture
def outpatient() -> Intent:
    """Settle a first outpatient visit of one line: 15.00 yuan."""
    return Intent(
        verb=Verb.SETTLE,
        visit_class=VisitClass.OUTPATIENT,
        place="MSH-9",
        person=record(
            psn_name="张伟示",
            certno="430199198001010010",
            psn_cert_type="01",
            mdtrt_cert_type="02",
            mdtrt_cert_no="430199198001010010",
            insutype="310",
        ),
        visit=record(
            ipt_otp_no="O1",
            begntime="2026-03-02 09:00:00",
            atddr_no="1001",
            dept_code="NK",
            patient_class="O",
        ),
        facility=record(opter="1001", opter_name="陈", opter_type="1"),
        diagnoses=[record(diag_code="J06.900", diag_name="急性上呼吸道感染")],
        charges=[charge("1", "SF001", "15.00")],
    )
