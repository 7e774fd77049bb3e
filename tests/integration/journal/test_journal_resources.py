"""Resources of answers are read by id and found by token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest_asyncio

from gateway.intents import Answer, Message, Resource
from gateway.journal import Journal

Put = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture
async def put(journal: Journal, message: Callable[..., Message]) -> Put:
    """Answers a message with resources."""

    async def put_(*resources: Resource) -> None:
        begun = await journal.begin_exchange(message(), b"", "2026-03-02 12:00:00")
        await journal.finish_exchange(
            begun.exchange_id, Answer(body=b"", resources=list(resources)), None
        )

    return put_


def claim(ident: str, **search: list[str]) -> Resource:
    """A claim whose body is its id."""
    return Resource(type="Claim", id=ident, body=ident.encode(), search=search)


async def test_a_resource_is_read_as_it_was_answered(journal: Journal, put: Put) -> None:
    """Body, type, id and tokens; another type or id is not it."""
    one = claim("1", identifier=["urn:his|A1", "A1"])
    await put(one)
    assert await journal.resource("Claim", "1") == one
    assert await journal.resource("Claim", "2") is None
    assert await journal.resource("ClaimResponse", "1") is None


async def test_a_later_answer_replaces_the_resource_and_its_tokens(
    journal: Journal, put: Put
) -> None:
    """A cancelled claim is no longer found as active."""
    await put(claim("1", status=["active"]))
    await put(claim("1", status=["cancelled"]))
    assert (await journal.search_resources("Claim", {"status": ["active"]}))[0] == 0
    total, found = await journal.search_resources("Claim", {"status": ["cancelled"]})
    assert (total, found) == (1, [claim("1", status=["cancelled"])])


async def test_one_token_of_every_parameter_must_fit(journal: Journal, put: Put) -> None:
    """Tokens of a parameter are alternatives, parameters add up."""
    await put(
        claim("1", patient=["P1"], status=["active"]),
        claim("2", patient=["P2"], status=["active"]),
        claim("3", patient=["P1"], status=["cancelled"]),
    )

    async def found(**params: list[str]) -> list[str]:
        total, resources = await journal.search_resources("Claim", params)
        assert total == len(resources)
        return [resource.id for resource in resources]

    assert await found(patient=["P1"]) == ["3", "1"]
    assert await found(patient=["P1", "P2"]) == ["3", "2", "1"]
    assert await found(patient=["P1"], status=["active"]) == ["1"]
    assert await found(patient=["P2"], status=["cancelled"]) == []
    assert await found(patient=["P1"], unknown=["x"]) == []
    assert await found(patient=[]) == []
    assert await found(_id=["2"]) == ["2"]
    assert await found(status=["active", "active"], patient=["P2"]) == ["2"]


async def test_tokens_are_compared_whole(journal: Journal, put: Put) -> None:
    """Neither parts nor wild cards nor quotes nor other letters' case fit."""
    await put(claim("1", identifier=["urn:his|A1", "A1"]))
    for token in ("A", "A%", "a1", "' OR 1=1 --", "urn:his|", ""):
        assert await journal.search_resources("Claim", {"identifier": [token]}) == (0, [])
    assert (await journal.search_resources("Claim", {"identifier": ["urn:his|A1"]}))[0] == 1


async def test_without_parameters_every_resource_of_the_type_is_found_page_by_page(
    journal: Journal, put: Put
) -> None:
    """Last changed first; the total does not depend on the page."""
    await put(*(claim(str(number)) for number in range(5)))
    await put(Resource(type="Task", id="1", body=b""))
    total, page = await journal.search_resources("Claim", {}, limit=2, offset=1)
    assert (total, [one.id for one in page]) == (5, ["3", "2"])
    assert (await journal.search_resources("Claim", {}, limit=2, offset=4))[0] == 5
    assert (await journal.search_resources("Encounter", {})) == (0, [])


async def test_a_page_of_a_search_counts_what_is_not_on_it(journal: Journal, put: Put) -> None:
    """Three fit, one is shown."""
    await put(*(claim(str(number), status=["active"]) for number in range(3)))
    total, page = await journal.search_resources("Claim", {"status": ["active"]}, 1, 1)
    assert (total, [one.id for one in page]) == (3, ["1"])
