"""Rows of the audit as AuditEvents: valid R4, with who, what, when, how it ended, and the chain."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from gateway.fhir.audit_events import audit_event
from gateway.fhir.names import Names
from gateway.journal import AuditRow

NAMES = Names("https://h.example/fhir")


def row(station: str, exchange_id: str = "e1", **detail: str) -> AuditRow:
    """A row of the audit."""
    return AuditRow(
        seq=7,
        time="2026-03-01 09:05:07.123",
        exchange_id=exchange_id,
        station=station,
        detail=detail,
        previous="0" * 64,
        hash="f" * 64,
    )


def event(station: str, exchange_id: str = "e1", **detail: str) -> dict[str, Any]:
    """The AuditEvent of a row, checked against the model of fhir.resources."""
    found = audit_event(row(station, exchange_id, **detail), NAMES, peer="his", kind="DFT^P03")
    AuditEvent.model_validate(found)
    return found


def test_a_send_says_who_asked_when_and_what_came_of_it() -> None:
    """R4 AuditEvent: type, recorded, outcome, agents of which one asked, source, entity."""
    found = event("send", infno="2207", msgid="M1", outcome="unknown")
    assert found["type"]["code"] == "110106"
    assert found["subtype"] == [
        {"system": "https://h.example/fhir/CodeSystem/audit-station", "code": "send"}
    ]
    assert found["recorded"] == "2026-03-01T09:05:07.123+08:00"
    assert [agent["requestor"] for agent in found["agent"]] == [True, False]
    (entity,) = found["entity"]
    assert entity["what"]["identifier"]["value"] == "e1"
    assert entity["name"] == "DFT^P03"
    told = {one["type"]: one["valueString"] for one in entity["detail"]}
    assert told == {
        "infno": "2207",
        "msgid": "M1",
        "outcome": "unknown",
        "seq": "7",
        "previous": "0" * 64,
        "hash": "f" * 64,
    }


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ({"outcome": "accepted"}, "0"),
        ({"outcome": "rejected"}, "4"),
        ({"outcome": "not-sent"}, "4"),
        ({"outcome": "unknown"}, "8"),
        ({"status": "done"}, "0"),
        ({"status": "invalid"}, "4"),
        ({"status": "unknown"}, "8"),
        ({}, "0"),
    ],
)
def test_the_outcome_is_that_of_the_row(detail: dict[str, str], outcome: str) -> None:
    """Value set audit-event-outcome: 0 success, 4 minor, 8 serious failure."""
    assert event("send", **detail)["outcome"] == outcome


@pytest.mark.parametrize(
    ("station", "code", "action"),
    [
        ("receive", "110107", "C"),
        ("record", "110106", "E"),
        ("answer", "110100", "U"),
        ("decide", "110113", "U"),
        ("trim", "110100", "D"),
        ("something new", "110100", "U"),
    ],
)
def test_each_station_has_a_type_and_an_action(station: str, code: str, action: str) -> None:
    """DICOM codes of audit-event-type; a station that is new is an activity."""
    found = event(station)
    assert (found["type"]["code"], found["action"]) == (code, action)


def test_a_decision_was_asked_for_by_the_operator() -> None:
    """Not by the sender of the message."""
    found = event("decide", operator="王主任", how="confirm")
    assert found["agent"][0] == {"altId": "王主任", "requestor": True}


def test_what_belongs_to_no_exchange_was_asked_for_by_nobody_else() -> None:
    """The gateway is the requestor, and the entity names no exchange."""
    found = audit_event(row("trim", ""), NAMES, peer="", kind="")
    AuditEvent.model_validate(found)
    assert found["agent"] == [{"who": {"display": "fsi-gateway"}, "requestor": True}]
    assert "what" not in found["entity"][0]
