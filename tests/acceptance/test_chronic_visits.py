"""Recurring patients: med_type 14 where a chronic-disease filing fits, else an ordinary visit."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.demo import messages as m
from tests.acceptance.test_further_events import ASKER, telling
from tests.hl7_answers import check_told

OPSP = "DG1|2||M03900^高血压^OPSP||20260301|A"
HYPERTENSION = "DG1|1||I10.x00x002^高血压^国临2.0||20260301090000|A|||||||||1|1001^陈医生"
COLD = "DG1|1||J06.900^急性上呼吸道感染^国临2.0||20260301090000|A|||||||||1|1001^陈医生"


async def file_disease(world: Any, until: str = "20991231") -> None:
    """File high blood pressure (M03900) for P1."""
    pid, _ = world.person(m.ZHANG, "O0", "O")
    disease = "DG1|1||M03900^高血压^OPSP||20260101|A||||||||||1001^陈医生"
    asked = f"AUT|CHRONIC|430100||20260101|{until}"
    told = await world.tell(telling(world, "RQA^I08", asked, ASKER, pid, disease))
    assert told.code == "AA"


def recurring(world: Any, *diagnoses: str, event: str = "ADT^A04^ADT_A01") -> bytes:
    """A registration of P1 with PV1-2 R."""
    pid, pv1 = world.person(m.ZHANG, "O1", "R")
    insurance = world.his.insurance(m.ZHANG)
    return telling(world, event, "EVN||20260301090000", pid, pv1, *diagnoses, insurance)


async def category(world: Any) -> str:
    """The category of the visit at the platform."""
    (row,) = await world.admin.rows("visits")
    return str(row["med_type"])


@pytest.mark.parametrize(
    "diagnoses", [(HYPERTENSION,), (COLD, OPSP)], ids=["by name", "by the chronic list"]
)
async def test_a_filed_disease_makes_the_visit_one_of_it(
    world: Any, diagnoses: tuple[str, ...]
) -> None:
    """Matrix 1.3: R is 14 when a filing is on file and DG1 matches; 2203, 2204 and 2207 carry the
    disease or the category, and the visit is settled as such.
    """
    await file_disease(world)
    before = len(await world.requests())
    told = await world.tell(recurring(world, *diagnoses))
    check_told(told)
    assert (told.code, told.segment("ERR"), told.field("ZMI", 6)) == ("AA", [], "14")
    assert (await world.requests())[before:] == ["1101", "5301", "2201", "2203"]
    assert await category(world) == "14"
    centre = world.platform.centres["430100"]._tables.store
    assert '"dise_codg":"M03900"' in centre.one("SELECT detail FROM visits")["detail"]
    assert len(centre.all("SELECT * FROM diagnoses")) == 1
    charges = world.his.charges(m.ZHANG, "O1", "O", (world.ct,))
    assert (await world.tell(charges)).code == "AA"
    assert [row["dise_codg"] for row in centre.all("SELECT dise_codg FROM charges")] == ["M03900"]
    paid = await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))
    assert paid.code == "AA"
    assert centre.one("SELECT med_type FROM settlements")["med_type"] == "14"


@pytest.mark.parametrize("case", ["nothing filed", "another disease", "expired"])
async def test_without_a_fitting_filing_the_visit_is_an_ordinary_one(world: Any, case: str) -> None:
    """Matrix 1.3: else 11; the sender is told by a warning at PV1-2 that no filing fits."""
    if case != "nothing filed":
        await file_disease(world, "20260228" if case == "expired" else "20991231")
    told = await world.tell(recurring(world, COLD if case == "another disease" else HYPERTENSION))
    check_told(told)
    assert (told.code, told.field("ZMI", 6)) == ("AA", "11")
    assert [told.field("ERR", n) for n in (2, 4)] == ["PV1^1^2^1^1", "W"]
    assert await category(world) == "11"


async def test_other_visits_are_not_looked_up(world: Any) -> None:
    """Only a recurring patient, or a stated category, leads to 5301."""
    await file_disease(world)
    before = len(await world.requests())
    assert (await world.tell(world.register(m.ZHANG, "O1"))).code == "AA"
    assert (await world.requests())[before:] == ["1101", "2201", "2203"]
    assert await category(world) == "11"


async def test_an_unanswered_query_leaves_nothing_behind(world: Any) -> None:
    """A lost 5301 changed nothing: AR, and the same message goes on from there."""
    await file_disease(world)
    await world.admin.fault("drop-after", "5301")
    raw = recurring(world, HYPERTENSION)
    assert (await world.tell(raw)).code == "AR"
    assert await world.requests("2201") == []
    assert (await world.tell(raw)).code == "AA"
    assert await category(world) == "14"


async def test_a_peer_says_which_of_its_codes_are_which_chronic_disease(open_world: Any) -> None:
    """The value map `chronic_disease`: a site's own mapping comes before the name."""
    mapping = '[peers.hl7v2.value_maps.chronic_disease]\n"J06.900" = "M03900"\n'
    world = await open_world(hl7=mapping)
    await file_disease(world)
    assert (await world.tell(recurring(world, COLD))).field("ZMI", 6) == "14"
