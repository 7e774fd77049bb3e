"""A row of the audit as a FHIR R4 AuditEvent (its value sets audit-event-type and -outcome).

=========================  ======================================================================
station                    type (DICOM), action
=========================  ======================================================================
receive                    110107 Import, C: a sender's message arrived
record, send               110106 Export, E: a transaction is given to a platform, what became of it
decide                     110113 Security Alert, U: a person decided about an unknown outcome
trim                       110100 Application Activity, D: what is large left the journal
every other                110100 Application Activity, U
=========================  ======================================================================

The outcome is 0 (success) unless the row says rejected or not-sent (4, minor failure) or unknown
(8, serious failure: it needs somebody). Number, hash and previous hash of the row stand with its
details in the entity, so that the chain can be checked in the export, too.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from gateway.fhir.names import Names

DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
OUTCOME_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
OBJECT_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"

_TYPES: Final = {
    "receive": ("110107", "Import", "C"),
    "record": ("110106", "Export", "E"),
    "send": ("110106", "Export", "E"),
    "decide": ("110113", "Security Alert", "U"),
    "trim": ("110100", "Application Activity", "D"),
}
_OTHER: Final = ("110100", "Application Activity", "U")
OUTCOMES: Final = ("0", "4", "8")
"""The outcomes that a row may have, the success first."""
_FAILURES: Final = {"rejected": "4", "not-sent": "4", "invalid": "4", "unknown": "8"}


class Row(Protocol):
    """What an AuditEvent needs of a row of the audit."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def time(self) -> str:
        """`yyyy-MM-dd HH:mm:ss.fff` in China Standard Time."""
        ...

    @property
    def exchange_id(self) -> str:
        """The exchange, empty for what belongs to none."""
        ...

    @property
    def station(self) -> str:
        """The station, or the act of an operator."""
        ...

    @property
    def detail(self) -> dict[str, str]:
        """Numbers, ids, states."""
        ...

    @property
    def previous(self) -> str:
        """The hash that it continues."""
        ...

    @property
    def hash(self) -> str:
        """Its own."""
        ...


TOLD: Final = frozenset(
    {"peer", "proof", "protocol", "kind", "sm3", "verb", "status", "calls", "problems"}
    | {"infno", "msgid", "inf_refmsgid", "outcome", "time", "batch", "how"}
    | {"pooling_region", "route_class", "number", "lines", "differences", "total"}
    | {"setl_id", "mdtrt_id", "medfee_sumamt", "trt_dcla_detl_sn"}
)
"""Members of a row that the sender of its message is told (decision 26); the others are ours."""


def audit_event(
    row: Row, names: Names, *, peer: str, kind: str, to_peer: bool = False
) -> dict[str, Any]:
    """The AuditEvent of a row; `peer` and `kind` are the sender and the message of its exchange.

    With `to_peer` it is for the sender: that an operator decided, and how, but neither who nor why,
    and nothing else but `TOLD`.
    """
    code, display, action = _TYPES.get(row.station, _OTHER)
    return {
        "resourceType": "AuditEvent",
        "id": f"audit-{row.seq}",
        "type": {"system": DICOM, "code": code, "display": display},
        "subtype": [{"system": names.expand("code/audit-station"), "code": row.station}],
        "action": action,
        "recorded": f"{row.time.replace(' ', 'T')}+08:00",
        "outcome": outcome_of(row.detail),
        "agent": _agents(row, peer, to_peer=to_peer),
        "source": {"observer": {"display": "fsi-gateway"}},
        "entity": [_entity(row, names, kind, to_peer=to_peer)],
    }


def outcome_of(detail: dict[str, str]) -> str:
    """The outcome of a row with these details."""
    return _FAILURES.get(detail.get("outcome") or detail.get("status", ""), "0")


def _agents(row: Row, peer: str, *, to_peer: bool) -> list[dict[str, Any]]:
    """Who asked, and the gateway, which did it."""
    operator = row.detail.get("operator", "")
    if operator and to_peer:
        operator = "operator"
    asked = operator or peer
    agents: list[dict[str, Any]] = [{"who": {"display": "fsi-gateway"}, "requestor": not asked}]
    if asked:
        agents.insert(0, {"altId": asked, "requestor": True})
    return agents


def _entity(row: Row, names: Names, kind: str, *, to_peer: bool) -> dict[str, Any]:
    told = [(n, v) for n, v in row.detail.items() if n in TOLD or not to_peer]
    chain = {"seq": str(row.seq), "previous": row.previous, "hash": row.hash}
    entity: dict[str, Any] = {
        "role": {"system": OBJECT_ROLE, "code": "20", "display": "Job"},
        "detail": [
            {"type": name, "valueString": value} for name, value in (*told, *chain.items()) if value
        ],
    }
    if row.exchange_id:
        system = names.expand("id/exchange")
        entity["what"] = {"identifier": {"system": system, "value": row.exchange_id}}
    if kind:
        entity["name"] = kind
    return entity


def audit_event_out(outer: dict[str, Any], kept: dict[str, Any]) -> None:
    """The form of R5: category and code, an outcome with its system, every agent by name."""
    del kept
    outer["category"] = [{"coding": [outer.pop("type")]}]
    (station,) = outer.pop("subtype")
    outer["code"] = {"coding": [station]}
    outer["outcome"] = {"code": {"system": OUTCOME_SYSTEM, "code": outer["outcome"]}}
    outer["agent"] = [
        {"who": agent.get("who", {"display": agent.get("altId")}), "requestor": agent["requestor"]}
        for agent in outer["agent"]
    ]
    outer["entity"] = [
        {
            **({"what": entity["what"]} if "what" in entity else {}),
            "role": {"coding": [entity["role"]]},
            "detail": [
                {"type": {"text": row["type"]}, "valueString": row["valueString"]}
                for row in entity["detail"]
            ],
        }
        for entity in outer["entity"]
    ]
