"""The SQL of the journal: `sql/*.sql` is SQLite's, `sql/postgres/*.sql`, `sql/both/*.sql`.

A query begins with a line `-- name: word`, followed by lines of comment that describe it and by
one statement. What stands before the first name describes the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from gateway.errors import ConfigurationError

_NAME = "-- name: "


class Query(NamedTuple):
    """A named statement and what it does."""

    name: str
    description: str
    text: str


def parse_queries(text: str, file: str) -> list[Query]:
    """The named queries of a file.

    Raises:
        ConfigurationError: a query has no description or no statement.
    """
    queries = []
    for part in ("\n" + text).split("\n" + _NAME)[1:]:
        name, *lines = part.rstrip().splitlines()
        comment = [line[3:] for line in lines if line.startswith("-- ")]
        statement = "\n".join(line for line in lines if not line.startswith("--")).strip()
        if not comment or not statement:
            raise ConfigurationError(f"query {name} lacks its description or text", file=file)
        queries.append(Query(name.strip(), " ".join(comment), statement.removesuffix(";")))
    return queries


def load_queries(*folder: str) -> dict[str, Query]:
    """Every query of `sql`, or of a folder in it, and those for both stores, by its name.

    Raises:
        ConfigurationError: two queries have one name.
    """
    queries: dict[str, Query] = {}
    home = resources.files(__package__).joinpath("sql")
    for file in (*home.joinpath(*folder).iterdir(), *home.joinpath("both").iterdir()):
        if file.name.endswith(".sql"):
            for query in parse_queries(file.read_text("utf-8"), file.name):
                if query.name in queries:
                    raise ConfigurationError(f"query {query.name} is there twice", file=file.name)
                queries[query.name] = query
    return queries


SQL: Mapping[str, str] = {query.name: query.text for query in load_queries().values()}
"""The text of every query of SQLite by its name."""

POSTGRES: Mapping[str, str] = {
    query.name: query.text for query in load_queries("postgres").values()
}
"""The text of every query of PostgreSQL by its name."""
