"""`gateway reconcile` beside a running gateway: what an operator types, sees and hands over."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.clock import CHINA
from gateway.demo import messages as m

OPERATOR = "o-90b1f6a42c"
SECTIONS = f"""
[operator]
token_sha256 = ["{hashlib.sha256(OPERATOR.encode()).hexdigest()}"]

[reconciliation]
clr_types = ["11"]
setl_optins = ["430100"]
"""


@pytest.fixture
async def world(open_world: Any) -> Any:
    """A world with an operator and one settlement of 240.00 of today."""
    world = await open_world(sections=SECTIONS)
    await world.charged("O1")
    assert (await world.tell(world.his.payment(m.ZHANG, "O1", "O", "240.00"))).code == "AA"
    return world


@pytest.fixture
def day() -> str:
    """Today, as the command takes it."""
    return datetime.now(CHINA).date().isoformat()


async def test_run_says_by_its_exit_code_whether_there_are_differences(
    world: Any, day: str, gateway_command: Any
) -> None:
    """0 balanced; 1 once the centre holds another amount; list and show agree with it."""

    async def run(*arguments: str) -> Any:
        return await gateway_command(world, "reconcile", *arguments, token=OPERATOR)

    ended = await run("run", day, "--url", world.http)
    assert (ended.code, ended.out.splitlines()[1]) == (0, f"{day}\tbalanced\t1\t0")
    centre = world.platform.centres["430100"]._tables.store
    centre.run("UPDATE settlements SET fund_pay_sumamt = '1.00'")
    ended = await run("run", day, "--url", world.http, "--json")
    assert ended.code == 1
    (found,) = msgspec.json.decode(ended.out)
    assert (found["state"], found["count"], found["differences"]) == ("different", 1, 1)
    assert (await run("list")).code == 1
    ended = await run("show", day)
    (msgid,) = [send.msgid for send in await world.sends("2207")]
    assert ended.code == 1
    assert msgid in ended.out
    assert "两边内容不一致" in ended.out
    assert "read the settlement back (5203)" in ended.out


async def test_the_forms_of_a_report_hold_the_same_settlement(
    world: Any, day: str, gateway_command: Any, tmp_path: Path
) -> None:
    """HTML in both languages, CSV for a spreadsheet, JSON with exact amounts; for the owner only."""
    await world.gateway.office.schedule.reconcile("H43010000001", datetime.now(CHINA).date())
    texts = {}
    for form in ("html", "csv", "json", "fhir", "e15"):
        file = tmp_path / f"report.{form}"
        ended = await gateway_command(world, "reconcile", "export", day, file, "--format", form)
        assert ended.code == 0
        assert file.stat().st_mode & 0o077 == 0
        texts[form] = file.read_text("utf-8-sig")
    (line,) = csv.DictReader(io.StringIO(texts["csv"]))
    assert (line["finding"], line["our_medfee_sumamt"]) == ("balanced", "240.00")
    document = msgspec.json.decode(texts["json"])
    assert Decimal(document["totals"]["medfee_sumamt"]) == Decimal("240.00")
    assert document["rows"][0]["msgid"] == line["msgid"]
    assert f"<td>{line['msgid']}</td>" in texts["html"]
    assert "对账报告" in texts["html"]
    payment = msgspec.json.decode(texts["fhir"])
    (detail,) = payment["detail"]
    assert detail["identifier"]["value"] == line["msgid"]
    paid = Decimal(str(payment["paymentAmount"]["value"]))
    assert paid == Decimal(line["our_fund_pay_sumamt"])
    fields = {text[:3]: text.split("|") for text in texts["e15"].splitlines()}
    assert fields["IPR"][2] == line["msgid"]
    assert fields["PMT"][6] == f"{line['our_fund_pay_sumamt']}&CNY"


async def test_a_day_with_differences_has_no_remittance(
    world: Any, day: str, gateway_command: Any, tmp_path: Path
) -> None:
    """EHC^E15 says what is paid: exit 1 and no file while that is disputed."""
    centre = world.platform.centres["430100"]._tables.store
    centre.run("UPDATE settlements SET fund_pay_sumamt = '1.00'")
    await world.gateway.office.schedule.reconcile("H43010000001", datetime.now(CHINA).date())
    file = tmp_path / "report.hl7"
    ended = await gateway_command(world, "reconcile", "export", day, file, "--format", "e15")
    assert ended.code == 1
    assert "does not balance" in ended.err
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "yesterday"), 2, "is no day of the form"),
        (("run", "2026-03-02", "2026-03-01"), 2, "is before"),
        (("show", "2020-01-01"), 2, "was not reconciled yet"),
        (("run", "2026-03-01", "--institution", "H1"), 2, "no institution"),
        (("run", "2026-03-01", "--url", "http://127.0.0.1:1"), 4, "127.0.0.1:1"),
    ],
)
async def test_a_wrong_call_says_what_is_wrong(
    world: Any, gateway_command: Any, arguments: tuple[str, ...], code: int, says: str
) -> None:
    """Nothing is asked of the centre for it."""
    ended = await gateway_command(world, "reconcile", *arguments, token=OPERATOR)
    assert ended.code == code
    assert says in ended.err
    assert await world.requests("3201") == []


async def test_only_an_operator_may_ask(world: Any, day: str, gateway_command: Any) -> None:
    """A peer's token does not do."""
    ended = await gateway_command(
        world, "reconcile", "run", day, "--url", world.http, token=world.token
    )
    assert ended.code == 3
    assert await world.requests("3201") == []
