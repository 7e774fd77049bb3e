"""Events of messages (`$process-message`): the code system `message-event`."""

from __future__ import annotations

EVENTS = {
    "eligibility-request": ("CoverageEligibilityRequest", "eligibility-response", "资格查询"),
    "predetermination-request": ("Claim", "predetermination-response", "预结算"),
    "preauthorization-request": ("Claim", "preauthorization-response", "备案"),
    "claim-request": ("Claim", "claim-response", "结算"),
    "cancel-request": ("Task", "cancel-response", "撤销"),
    "status-request": ("Task", "status-response", "查询状态"),
    "poll-request": ("Task", "poll-response", "取回结果"),
}
"""Code of the event -> type of its focus, event of the response, label."""
USES = {
    "predetermination-request": "predetermination",
    "preauthorization-request": "preauthorization",
    "claim-request": "claim",
}
"""Event of a Claim -> the use that it has to have."""

MESSAGE_EVENTS = {
    **{name: label for name, (_, _, label) in EVENTS.items()},
    **{answer: f"{label}的回复" for _, answer, label in EVENTS.values()},
}
"""The code system with its labels."""
