"""The lines about a message in the audit: that it arrived, and how it was answered.

The lines between, about its transactions, are those of `gateway.settlement`. None of them has
anything that identifies a patient.
"""

from __future__ import annotations

from gateway.crypto.sm import sm3
from gateway.intents import Message, Result
from gateway.journal import AuditEvent


def arrived(message: Message, raw: bytes, proof: str) -> AuditEvent:
    """That a message, or the same one again, arrived; of its bytes as stored the SM3 digest.

    `proof` is how the peer showed who it is. The journal names the exchange.
    """
    detail = {
        "peer": message.peer,
        "proof": proof,
        "protocol": message.protocol,
        "kind": message.kind,
        "sm3": sm3(raw).hex(),
    }
    return AuditEvent("", "receive", _said(detail))


def answered(exchange_id: str, result: Result, *, peer: str, proof: str) -> AuditEvent:
    """How a message was answered: its verb, its transactions and its problems."""
    detail = {
        "peer": peer,
        "proof": proof,
        "status": result.status.value,
        "verb": result.intent.verb.value,
        "calls": " ".join(f"{call.infno}:{call.outcome}" for call in result.calls),
        "problems": " ".join(dict.fromkeys(problem.code.value for problem in result.problems)),
    }
    return AuditEvent(exchange_id, "answer", _said(detail))


def _said(detail: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in detail.items() if value}
