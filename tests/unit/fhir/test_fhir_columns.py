"""Items that are filled alike are read side by side: what is found is what each path finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.fhir.adapter import MAPS
from gateway.fhir.names import Names
from gateway.fhir.paths import FHIRPaths
from gateway.fhir.references import Library, Node, Scope, root_node
from mappings.messages import MapSet

BASE = "https://h.example/fhir"
NAMES = Names(BASE)
ITEMS, MEDICINES = "https://his.example/items", NAMES.expand("code/med-list")


class OneByOne:
    """The paths of FHIR maps without what is known of a shape: every rule asks every node."""

    def __init__(self) -> None:
        paths = FHIRPaths(NAMES)
        self.value, self.each = paths.value, paths.each


SIDE_BY_SIDE = MapSet.load(MAPS, FHIRPaths(NAMES))
ONE_BY_ONE = MapSet.load(MAPS, OneByOne())


def codings(dice: random.Random) -> list[Any]:
    """None, one or several codings, local or national, some without a code or with a blank one."""
    return [
        {
            name: value
            for name, value in {
                "system": dice.choice([ITEMS, MEDICINES, None]),
                "code": dice.choice(["YP001", " YP 2 ", "", None]),
                "display": dice.choice(["阿莫西林片", None]),
            }.items()
            if value is not None
        }
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3]))
    ]


def amount(dice: random.Random) -> dict[str, Any]:
    """An amount, an amount that is none, or nothing."""
    value = dice.choice([Decimal("12.50"), Decimal("1E+2"), 7, -1, "x", None])
    return {"currency": "CNY"} if value is None else {"value": value, "currency": "CNY"}


def item(number: int, dice: random.Random) -> dict[str, Any]:
    """An item: often of the same members as its neighbours, seldom with the same in them."""
    made: dict[str, Any] = {
        "sequence": number,
        "productOrService": {"coding": codings(dice), "text": "药"},
        "quantity": {"value": dice.choice([1, Decimal("0.5")])},
        "unitPrice": amount(dice),
        "net": amount(dice),
        "servicedDate": dice.choice(["2026-03-02", "2026-03"]),
    }
    if dice.random() < 0.3:
        made["careTeamSequence"] = dice.choice([[1], [2], [1, 2]])
    if dice.random() < 0.3:
        made["extension"] = [
            {"url": f"{BASE}/StructureDefinition/{name}", **value}
            for name, value in [
                ("chrg-bchno", {"valueString": "B1"}),
                ("other", {"valueCode": "x"}),
            ]
            if dice.random() < 0.7
        ]
    if dice.random() < 0.3:
        made["modifier"] = [{"coding": codings(dice)} for _ in range(dice.randrange(3))]
    if dice.random() < 0.2:
        made["locationCodeableConcept"] = {"coding": codings(dice)}
    return made


@pytest.mark.parametrize("seed", range(40))
def test_items_side_by_side_say_what_each_says_alone(
    make_claim: Callable[..., dict[str, Any]], seed: int
) -> None:
    """Values, their places and lines of the map, and problems are those of rule by rule."""
    dice = random.Random(seed)  # noqa: S311 - chooses items
    claim = make_claim(
        item=[item(number, dice) for number in range(1, 9)],
        careTeam=[
            {"sequence": 1, "provider": {"identifier": {"value": "1001"}, "display": "王医生"}},
            {"sequence": 2, "provider": {"identifier": {"value": "1002"}}},
        ],
    )

    found = SIDE_BY_SIDE.understand("claim Claim", root_node(claim, "Claim", Library()), {})

    assert found == ONE_BY_ONE.understand("claim Claim", root_node(claim, "Claim", Library()), {})


def test_the_place_of_a_value_is_that_of_its_own_item(
    make_claim: Callable[..., dict[str, Any]],
) -> None:
    """The second item has its code in another coding than the first."""
    claim = make_claim()
    claim["item"][1]["productOrService"]["coding"].insert(0, {"system": MEDICINES, "code": "XA01"})

    intent, _ = SIDE_BY_SIDE.understand("claim Claim", root_node(claim, "Claim", Library()), {})

    assert [charge.place("medins_list_codg") for charge in intent.charges] == [
        "Claim.item[0].productOrService.coding[0].code",
        "Claim.item[1].productOrService.coding[1].code",
    ]


def test_a_value_of_another_resource_keeps_the_place_it_was_reached_from(
    make_claim: Callable[..., dict[str, Any]],
) -> None:
    """Items of a claim that is kept are not at a place of the message."""
    claim = make_claim()
    root = Node(claim, "Task.focus", Scope(claim, "", Library()), fixed=True)

    intent, _ = SIDE_BY_SIDE.understand("claim Claim", root, {})

    assert {charge.place("cnt") for charge in intent.charges} == {"Task.focus"}


@pytest.mark.parametrize("value", [{"quantity": 5}, {"sequence": 1}, {}, "net", 3, None, ["net"]])
def test_a_getter_of_one_shape_asks_nothing_of_another(value: Any) -> None:
    """The getter for items with a net amount, where there is none, and where there is no item."""
    paths = FHIRPaths(NAMES)
    scope = Scope({}, "Claim", Library())
    get = paths.narrowed("net.value", Node({"net": {"value": 1}}, "Claim.item[0]", scope))
    assert get is not None
    other = Node(value, "Claim.item[1]", scope)

    assert get(other) is None
    assert paths.narrowed("net.value", other) is None
