"""The answer to a CoverageEligibilityRequest: how insured (1101), which benefits (2001).

Rules: end of mapping matrix part 3; conformance statements X-044, T-034.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Problem
from gateway.fhir.building import (
    Exchange,
    concept,
    decimal_of,
    error_place,
    first_stop,
    identifiers,
    identity,
    money,
    outward,
    patient_reference,
)
from gateway.fhir.filings import FILINGS, FOUND
from gateway.fhir.names import Names
from gateway.fhir.references import as_list
from gateway.intents import Record, Result, Status, Verb

ACTIVE = frozenset({"1", ""})
"""psn_insu_stas of a row that is in force; a region that leaves it out sends such rows only."""
EXCLUDED = "0"
"""trt_enjymnt_flag of a benefit that is not enjoyed."""


def eligibility_response(
    names: Names, exchange: Exchange, request: dict[str, Any], result: Result
) -> dict[str, Any]:
    """The CoverageEligibilityResponse; every insurance row is a contained Coverage."""
    psn_no = result.intent.person.get("psn_no")
    patient = patient_reference(names, request.get("patient"), psn_no)
    rows = result.insurances if result.status is Status.DONE else []
    number = result.intent.facility.get("fixmedins_code")
    response: dict[str, Any] = {
        "resourceType": "CoverageEligibilityResponse",
        "id": exchange.id,
        "contained": [
            _coverage(names, patient, row, index) for index, row in enumerate(rows, start=1)
        ],
        "identifier": identifiers(names, [("fsi-msgid", c.msgid) for c in result.calls[-1:]]),
        "status": "active",
        "purpose": request["purpose"],
        "patient": patient,
        "created": exchange.received,
        "requestor": {"identifier": {"system": names.identifier("fixmedins"), "value": number}}
        if number
        else outward(request.get("provider"), "医疗机构"),
        "request": {"reference": f"CoverageEligibilityRequest/{exchange.id}"},
        "outcome": "complete" if rows else "error",
        "disposition": _disposition(result, rows),
        "insurer": outward(request.get("insurer"), "医疗保障经办机构"),
        "insurance": [
            _insurance(names, row, index, _items(names, request, result, row.get("insutype")))
            for index, row in enumerate(rows, start=1)
        ],
        "error": _errors(names, result, rows),
    }
    return {name: value for name, value in response.items() if value}


def coverages(names: Names, exchange: Exchange, response: dict[str, Any]) -> list[dict[str, Any]]:
    """The Coverages of an answer as resources of their own, to be read and searched later.

    The same person, insurance and region give the same id again: what was answered last counts.
    """
    found = []
    for coverage in as_list(response.get("contained")):
        number = coverage.get("subscriberId", "")
        if not number:
            continue
        kind = coverage["type"]["coding"][0]["code"]
        region = coverage["payor"][0].get("identifier", {}).get("value", "")
        own = identity(exchange.peer, "Coverage", number, kind, region)
        found.append(
            {**coverage, "id": own, "identifier": identifiers(names, [("psn-no", number)])}
        )
    return found


def _disposition(result: Result, rows: list[Record]) -> str:
    problem = first_stop(result.problems)
    if problem is not None:
        return problem.zh
    if result.status is Status.UNKNOWN:
        return "没有收到平台的答复，可以重新查询"
    if any(row.get("psn_insu_stas") in ACTIVE for row in rows):
        return "参保状态正常"
    return "没有正常参保的记录 (no active insurance)"


def _errors(names: Names, result: Result, rows: list[Record]) -> list[dict[str, Any]]:
    system = names.code_system("fsi-gateway-error")

    def entry(problem: Problem) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": {**concept(system, problem.code.value), "text": problem.zh}
        }
        if problem.place:
            error["extension"] = [error_place(names, problem.place)]
        return error

    found = [entry(problem) for problem in result.problems if problem.stops]
    if not rows and not found:
        code = "FSI-UNKNOWN" if result.status is Status.UNKNOWN else "COVERAGE-NONE"
        found = [{"code": concept(system, code)}]
    return found


def _coverage(names: Names, patient: dict[str, Any], row: Record, index: int) -> dict[str, Any]:
    """The Coverage that a row of insuinfo is (mapping matrix 2.5)."""
    region = row.get("insuplc_admdvs")
    insurer: dict[str, Any] = {"display": "医疗保障经办机构"}
    if region:
        insurer["identifier"] = {"system": names.identifier("admdvs"), "value": region}
    coverage: dict[str, Any] = {
        "resourceType": "Coverage",
        "id": f"coverage-{index}",
        "extension": [{"url": names.extension("insuplc-admdvs"), "valueCode": region}]
        if region
        else [],
        "status": "active" if row.get("psn_insu_stas") in ACTIVE else "cancelled",
        "type": concept(names.code_system("insutype"), row.get("insutype") or "unknown"),
        "subscriberId": patient.get("identifier", {}).get("value"),
        "beneficiary": patient,
        "period": _period(row.get("psn_insu_date"), row.get("paus_insu_date")),
        "payor": [insurer],
    }
    return {name: value for name, value in coverage.items() if value}


def _items(
    names: Names, request: dict[str, Any], result: Result, insutype: str
) -> list[dict[str, Any]]:
    """The benefits; asked for what has to be authorised, those that are not enjoyed as they are.

    Then what was used up, and the filings that are there or are missing.
    """
    found = [_benefit(names, row) for row in result.entitlements]
    if "auth-requirements" in as_list(request.get("purpose")):
        for item in found:
            item["authorizationRequired"] = bool(item["excluded"])
    totals = result.found.get(Verb.FIND_TOTALS.value, [])
    found += [_used(names, row) for row in totals if row.get("insutype") in {"", insutype}]
    for verb, (kind, name) in FOUND.items():
        if verb.value in result.found:
            rows = result.found[verb.value]
            found += [_filed(names, kind, row, row.get(name)) for row in rows] or [
                _to_file(names, kind)
            ]
    return found


def _used(names: Names, row: Record) -> dict[str, Any]:
    """A row of 5206 cuminfo: what was used up of the year or month."""
    item: dict[str, Any] = {
        "category": concept(names.code_system("cum-type"), row.get("cum_type_code") or "unknown"),
        "name": "累计信息",
        "term": {"text": row.get("cum_ym") or row.get("year")},
    }
    used = decimal_of(row.get("cum") or "-")
    if used is not None:
        kind = concept(names.code_system("fsi-amount"), "cum", "累计值")
        item["benefit"] = [{"type": kind, "usedMoney": money(used)}]
    return item


def _filed(names: Names, kind: str, row: Record, name: str) -> dict[str, Any]:
    """A filing that is there (5301, 5302, 5304): nothing has to be authorised for it."""
    until = row.get("enddate")[:10] or "长期"
    return {
        "category": concept(names.code_system("filing"), kind, FILINGS[kind]),
        "name": name or FILINGS[kind],
        "description": f"备案有效期 {row.get('begndate')[:10]} 至 {until}",
        "authorizationRequired": False,
    }


def _to_file(names: Names, kind: str) -> dict[str, Any]:
    """A kind of which nothing is filed: it has to be, before it is used."""
    return {
        "category": concept(names.code_system("filing"), kind, FILINGS[kind]),
        "name": FILINGS[kind],
        "description": "没有有效的备案",
        "authorizationRequired": True,
    }


def _insurance(
    names: Names, row: Record, index: int, benefits: list[dict[str, Any]]
) -> dict[str, Any]:
    period = _period(row.get("psn_insu_date"), row.get("paus_insu_date"))
    item: dict[str, Any] = {
        "category": concept(names.code_system("insutype"), row.get("insutype") or "unknown")
    }
    balance = decimal_of(row.get("balc") or "-")
    if balance is not None:
        item["benefit"] = [
            {
                "type": concept(names.code_system("fsi-amount"), "acct-balance", "个人账户余额"),
                "allowedMoney": money(balance),
            }
        ]
    insurance: dict[str, Any] = {
        "coverage": {"reference": f"#coverage-{index}"},
        "inforce": row.get("psn_insu_stas") in ACTIVE,
        "benefitPeriod": period,
        "item": [item, *benefits],
    }
    return {name: value for name, value in insurance.items() if value not in ({}, [])}


def _benefit(names: Names, row: Record) -> dict[str, Any]:
    """One row of 2001 trtinfo."""
    kind = row.get("fund_pay_type") or "unknown"
    item: dict[str, Any] = {
        "category": concept(names.code_system("fsi-fund-pay-type"), kind),
        "excluded": row.get("trt_enjymnt_flag") == EXCLUDED,
    }
    if row.has("trt_chk_rslt"):
        item["description"] = row.get("trt_chk_rslt")
    if row.has("trt_chk_type"):
        item["name"] = row.get("trt_chk_type")
    return item


def _period(start: str, end: str) -> dict[str, str]:
    days = {"start": start[:10], "end": end[:10]}
    return {name: day for name, day in days.items() if day}
