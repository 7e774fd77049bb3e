"""Which institution a message speaks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidError, ProblemCode

PID = "PID|1||430199198001010010^^^MPS^NNCHN~M77^^^HIS^MR||张^伟示||19800101|M"
PV1 = "PV1|1|O|NK^^B8||||1001^陈医生||||||||||||V100"
Make = Callable[..., bytes]
Understand = Callable[..., Any]


def _pv1(setting: str = "O", **changes: str) -> str:
    fields = {2: setting, 3: "NK^^B8", 7: "1001^陈医生", 19: "V100"}
    fields |= {int(name[1:]): value for name, value in changes.items()}
    return "PV1|1|" + "|".join(fields.get(at, "") for at in range(2, max(fields) + 1))


@pytest.mark.parametrize("facility", ["H43010000001", "长沙示范医院", "MAIN", "x^MAIN", ""])
async def test_the_institution_is_known_by_code_name_and_alias(
    make_raw: Make, understand: Understand, facility: str
) -> None:
    """A peer of one institution need not name it."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, PV1, m4=facility)
    _, intent, _ = await understand(raw)
    assert intent.facility.get("fixmedins_code") == "H43010000001"


async def test_a_department_may_name_the_institution(
    make_raw: Make, understand: Understand
) -> None:
    """PV1-3.4 serves where MSH-4 names nobody we know."""
    raw = make_raw("ADT^A04", "EVN||202603010901", PID, _pv1(f3="NK^^^MAIN"), m4="GROUP")
    _, intent, _ = await understand(raw)
    assert intent.facility.place("fixmedins_code") == "PV1[1]-3[1].4"


@pytest.mark.parametrize(
    ("facility", "code"),
    [("NOBODY", ProblemCode.INSTITUTION_UNKNOWN), ("H43010000002", ProblemCode.PEER_DENIED)],
)
async def test_an_unknown_or_foreign_institution_is_refused(
    make_raw: Make, understand: Understand, facility: str, code: ProblemCode
) -> None:
    """Nothing is sent in the name of an institution that the peer may not speak for."""
    with pytest.raises(InvalidError) as caught:
        await understand(make_raw("ADT^A04", PID, PV1, m4=facility))
    assert (caught.value.problems[0].code, caught.value.problems[0].place) == (
        code,
        "MSH[1]-4[1].1",
    )
