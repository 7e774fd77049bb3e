"""Headers and structures that are served, and those that are refused with their code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemCode, ProblemKind, UnsupportedError
from gateway.intents import Verb

PID = "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS^MR||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


def _pv1(setting: str = "O", **changes: str) -> str:
    fields = {2: setting, 3: "NK^^B8", 7: "1001^陈医生", 19: "V100"}
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return "PV1|1|" + "|".join(fields.get(at, "") for at in range(2, max(fields) + 1))


async def test_an_unknown_event_is_refused_unless_the_peer_says_otherwise(
    make_raw: Make, understand: Understand
) -> None:
    """V-005, V-018: 201, or accepted without a transaction, or read as another event."""
    raw = make_raw("ADT^A16", "EVN||202603010901", PID, _pv1("I", f45="202603050930"))
    with pytest.raises(UnsupportedError) as caught:
        await understand(raw)
    assert caught.value.problems[0].kind is ProblemKind.UNSUPPORTED_EVENT
    message, intent, _ = await understand(raw, {"ignored_events": ["ADT^A16"]})
    assert (message.kind, intent.verb) == ("ADT^A16", Verb.IGNORE)
    message, intent, _ = await understand(raw, {"event_aliases": {"ADT^A16": "ADT^A03"}})
    assert (message.kind, intent.verb) == ("ADT^A03", Verb.DISCHARGE)


@pytest.mark.parametrize(
    ("event", "changes", "kind", "place"),
    [
        ("ORU^R01", {}, ProblemKind.UNSUPPORTED_TYPE, "MSH[1]-9[1].1"),
        ("ADT^Z99", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT^A04^ADT_A05", {}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].3"),
        ("QBP^Q22", {"m12": "2.3.1"}, ProblemKind.UNSUPPORTED_TYPE, "MSH[1]-9[1].1"),
        ("BAR^P12", {"m12": "2.4"}, ProblemKind.UNSUPPORTED_EVENT, "MSH[1]-9[1].2"),
        ("ADT^A04", {"m11": "X"}, ProblemKind.UNSUPPORTED_PROCESSING, "MSH[1]-11"),
        ("ADT^A04", {"m12": "2.2"}, ProblemKind.UNSUPPORTED_VERSION, "MSH[1]-12"),
        ("ADT^A04", {"m12": "9"}, ProblemKind.UNSUPPORTED_VERSION, "MSH[1]-12"),
    ],
)
async def test_what_is_not_served_is_refused_with_its_code(
    make_raw: Make,
    understand: Understand,
    *,
    event: str,
    changes: dict[str, str],
    kind: ProblemKind,
    place: str,
) -> None:
    """V-003 to V-008, V-017: 200, 201, 202, 203 with the place."""
    with pytest.raises(UnsupportedError) as caught:
        await understand(make_raw(event, PID, PV1, **changes))
    assert [(p.kind, p.place) for p in caught.value.problems] == [(kind, place)]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"m10": ""}, "MSH[1]-10"),
        ({"m9": ""}, "MSH[1]-9"),
        ({"m12": ""}, "MSH[1]-12"),
        ({"m7": ""}, "MSH[1]-7"),
    ],
)
async def test_a_required_header_field_is_missed(
    make_raw: Make, understand: Understand, changes: dict[str, str], place: str
) -> None:
    """V-010, V-011: 101."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, **changes))
    assert [(p.kind, p.place) for p in caught.value.problems] == [(ProblemKind.REQUIRED, place)]


async def test_the_time_of_the_message_is_optional_before_2_4(
    make_raw: Make, understand: Understand
) -> None:
    """V-010."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, PV1, m7="", m12="2.3.1")
    assert (await understand(raw))[2] == []


async def test_other_wrong_headers_are_refused(make_raw: Make, understand: Understand) -> None:
    """V-016 and continuation (MSH-14)."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m15="YES"))
    assert caught.value.problems[0].kind is ProblemKind.VALUE
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m14="next"))
    assert caught.value.problems[0].code is ProblemCode.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("segments", "places"),
    [((PV1,), ["PID[1]"]), ((), ["PID[1]", "PV1[1]"]), ((PV1, PID), ["PID[1]"])],
)
async def test_segments_that_miss_or_are_out_of_order_are_named(
    make_raw: Make, understand: Understand, segments: tuple[str, ...], places: list[str]
) -> None:
    """R-011: 100 with the segment."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", *segments))
    assert [p.place for p in caught.value.problems] == places
    assert {p.kind for p in caught.value.problems} == {ProblemKind.STRUCTURE}
