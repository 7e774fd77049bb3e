"""Tasks that ask: how a claim stands, and what came later; and the versions of a resource."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class

from gateway.intents import Status, Verb

CODES = "http://terminology.hl7.org/CodeSystem/financialtaskcode"
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def make_task() -> Any:
    """A task of a code; keywords replace elements."""

    def make(code: str, focus: str = "", **changes: Any) -> dict[str, Any]:
        task: dict[str, Any] = {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": {"coding": [{"system": CODES, "code": code}]},
        }
        return task | ({"focus": {"reference": focus}} if focus else {}) | changes

    return make


@pytest.fixture
def resolve(port: Any) -> Any:
    """End the unknown outcome of a claim as the resolver does."""

    async def run() -> None:
        (row,) = await port.journal.exchanges(status=Status.UNKNOWN.value)
        port.centre.status = Status.DONE
        result = await port.journal.stored_result(row.exchange_id)
        settled = await port.centre.conduct(result.intent, port.peer, row.exchange_id)
        await port.pipeline.replace(row.exchange_id, settled)

    return run


def outputs(task: Any) -> list[str]:
    """The resources that a Task gives."""
    return [
        row["valueReference"]["reference"]
        for row in task.get("output", [])
        if "valueReference" in row
    ]


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_a_status_task_says_how_a_claim_stands(
    *, ask: Any, port: Any, make_claim: Any, make_task: Any, resolve: Any, segment: str
) -> None:
    """Matrix 2.1: from the store; the same task says the later outcome once it is known."""
    port.centre.status = Status.UNKNOWN
    queued = await ask("POST", f"/fhir/{segment}/Claim", make_claim())
    claim_id = queued.body["id"]
    before = await ask("POST", f"/fhir/{segment}/Task", make_task("status", f"Claim/{claim_id}"))
    sent = [one.verb for one in port.centre.carried]
    await resolve()
    after = await ask("POST", f"/fhir/{segment}/Task", make_task("status", f"Claim/{claim_id}"))
    model = r5_model("Task") if segment == "r5" else get_fhir_model_class("Task")
    model.model_validate(after.body)

    assert (queued.status, before.status, after.status) == (202, 201, 201)
    assert (before.body["status"], after.body["status"]) == ("completed", "completed")
    assert outputs(before.body) == outputs(after.body) == [f"ClaimResponse/{claim_id}"]
    assert [row.get("valueCode") for row in before.body["output"]] == [None, "queued"]
    assert [row.get("valueCode") for row in after.body["output"]] == [None, "complete"]
    assert sent == [Verb.SETTLE, Verb.IGNORE]


async def test_a_poll_gives_each_later_answer_once(
    ask: Any, port: Any, make_claim: Any, make_task: Any, resolve: Any
) -> None:
    """Nothing while the outcome is unknown, then the answer, then nothing more."""
    port.centre.status = Status.UNKNOWN
    queued = await ask("POST", "/Claim", make_claim())
    early = await ask("POST", "/Task", make_task("poll"))
    await resolve()
    await ask("POST", "/Claim", make_claim("C-2"))
    first = await ask("POST", "/Task", make_task("poll"))
    second = await ask("POST", "/Task", make_task("poll"))
    other = await ask("POST", "/Task", make_task("poll"), token="t-0011223344556677")

    assert outputs(early.body) == []
    assert outputs(first.body) == [f"ClaimResponse/{queued.body['id']}"]
    assert outputs(second.body) == outputs(other.body) == []
    assert {reply.body["status"] for reply in (early, first, second)} == {"completed"}


async def test_a_poll_with_an_identifier_is_answered_the_same_again(
    ask: Any, port: Any, make_claim: Any, make_task: Any
) -> None:
    """A client that lost the answer to its poll asks with the same identifier once more."""
    accepted = await ask("POST", "/Claim", make_claim(), **ASYNC)
    await port.pipeline.idle()
    task = make_task("poll", identifier=[{"system": "urn:his:tasks", "value": "P-1"}])
    first = await ask("POST", "/Task", task)
    again = await ask("POST", "/Task", task)
    read = await ask("GET", f"/Task/{first.body['id']}")

    name = accepted.headers["Content-Location"].partition("/_status/")[2]
    assert outputs(first.body) == [name]
    assert again.raw == first.raw == read.raw


@pytest.mark.parametrize(
    ("code", "changes", "status", "place"),
    [
        ("release", {}, 422, "Task.code"),
        ("poll", {"status": "completed"}, 422, "Task.status"),
        ("status", {}, 422, "Task.focus"),
    ],
)
async def test_a_task_that_is_not_served_is_refused_with_its_place(
    *, ask: Any, make_task: Any, code: str, changes: dict[str, Any], status: int, place: str
) -> None:
    """Financial task codes that have no counterpart, and tasks that are over."""
    refused = await ask("POST", "/Task", make_task(code, **changes))

    assert refused.status == status
    assert refused.body["issue"][0]["expression"] == [place]


async def test_a_status_task_about_an_unknown_claim_is_rejected(ask: Any, make_task: Any) -> None:
    """The task is well formed, only there is nothing that it could be told."""
    refused = await ask("POST", "/Task", make_task("status", "Claim/none"))

    assert (refused.status, refused.body["status"]) == (201, "rejected")
    assert refused.body["statusReason"]["coding"][0]["code"] == "SETTLEMENT-UNKNOWN"


async def test_the_versions_of_a_queued_answer_are_kept(
    ask: Any, port: Any, make_claim: Any, resolve: Any
) -> None:
    """`_history`: the queued ClaimResponse stays readable beside the one that replaced it."""
    port.centre.status = Status.UNKNOWN
    queued = await ask("POST", "/Claim", make_claim())
    url = f"/ClaimResponse/{queued.body['id']}"
    await resolve()
    decided = await ask("GET", url)
    history = await ask("GET", f"{url}/_history")
    page = await ask("GET", f"{url}/_history?_count=1&_offset=1")
    before = await ask("GET", f"{url}/_history/{queued.body['meta']['versionId']}")
    get_fhir_model_class("Bundle").model_validate(history.body)

    assert (history.body["type"], history.body["total"]) == ("history", 2)
    assert [row["resource"] for row in history.body["entry"]] == [decided.body, queued.body]
    assert [row["request"]["method"] for row in history.body["entry"]] == ["PUT", "POST"]
    assert [row["response"]["etag"] for row in history.body["entry"]] == [
        f'W/"{reply.body["meta"]["versionId"]}"' for reply in (decided, queued)
    ]
    assert [row["resource"] for row in page.body["entry"]] == [queued.body]
    assert (before.status, before.raw) == (200, queued.raw)
    assert before.headers["ETag"] == f'W/"{queued.body["meta"]["versionId"]}"'


@pytest.mark.parametrize("segment", ["r4", "r4b", "r5"])
async def test_a_history_is_narrowed_by_since(ask: Any, make_encounter: Any, segment: str) -> None:
    """http.html#history: `_since` with `_count`, in every release and in XML; both made at 10:30."""
    made = await ask("POST", "/Encounter", make_encounter())
    changed = make_encounter(id=made.body["id"], reasonCode=[{"text": "咳嗽"}])
    await ask("PUT", f"/Encounter/{made.body['id']}", changed)
    url = f"/fhir/{segment}/Encounter/{made.body['id']}/_history"
    since = await ask("GET", f"{url}?_since=2026-03-02T10:30:00%2B08:00&_count=1")
    later = await ask("GET", f"{url}?_since=2026-03-02T10:30:01%2B08:00")
    wrong = await ask("GET", f"{url}?_since=today")
    in_xml = await ask("GET", f"{url}?_since=2026-03-02T02:30:00Z&_format=xml")

    assert (since.body["total"], len(since.body["entry"])) == (2, 1)
    assert [one["relation"] for one in since.body["link"]] == ["self", "next"]
    assert (later.body["total"], "entry" in later.body) == (0, False)
    assert (wrong.status, wrong.body["issue"][0]["code"]) == (400, "value")
    assert in_xml.raw.count(b"<Encounter>") + in_xml.raw.count(b"<Encounter ") == 2


async def test_a_cancelled_claim_has_the_version_before(
    ask: Any, make_claim: Any, make_task: Any
) -> None:
    """Claim and ClaimResponse: cancelled now, active before."""
    made = await ask("POST", "/Claim", make_claim())
    claim_id = made.body["id"]
    await ask("POST", "/Task", make_task("cancel", f"Claim/{claim_id}"))
    for name in ("Claim", "ClaimResponse"):
        history = await ask("GET", f"/{name}/{claim_id}/_history")
        statuses = [row["resource"]["status"] for row in history.body["entry"]]
        assert statuses == ["cancelled", "active"]


async def test_the_history_of_what_is_not_there_is_404(ask: Any, make_claim: Any) -> None:
    """Neither of an unknown id nor of another peer's resource."""
    made = await ask("POST", "/Claim", make_claim())
    unknown = await ask("GET", "/Claim/none/_history")
    other = await ask("GET", f"/Claim/{made.body['id']}/_history", token="t-0011223344556677")
    wrong = await ask("GET", f"/Claim/{made.body['id']}/_history?_count=x")

    assert (unknown.status, other.status, wrong.status) == (404, 404, 400)
