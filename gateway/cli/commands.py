"""The command tree; docs/reference/commands.md is made from it."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from gateway.cli import (
    catalogues,
    clearing,
    explaining,
    invoices,
    journals,
    keys,
    lookups,
    mapping,
    playing,
    reconciling,
    records,
    sending,
    serving,
    settlement_lists,
    unknown,
)
from gateway.cli.output import say

app = typer.Typer(
    name="gateway",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Gateway between hospital messages (HL7 v2, FHIR, national JSON) and the national "
    "medical-insurance interface.",
)

DISTRIBUTION = "fsi-gateway"


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the shape of an option's callback
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    del version


def version() -> None:
    """Print the version."""
    say(installed_version(DISTRIBUTION))


app.command("serve")(serving.serve)
app.command("check-config")(serving.check_config)
app.command("explain")(explaining.explain)
app.command("send")(sending.send)
app.command("sandbox")(playing.sandbox)
app.command("demo")(playing.demo)
app.add_typer(records.exchanges, name="exchanges")
app.add_typer(records.audit, name="audit")
app.add_typer(journals.journal, name="journal")
app.add_typer(unknown.unknown, name="unknown")
app.add_typer(reconciling.reconcile, name="reconcile")
app.add_typer(invoices.invoices, name="invoices")
app.add_typer(clearing.clearing, name="clearing")
app.add_typer(settlement_lists.settlement_list, name="settlement-list")
app.add_typer(keys.keys, name="keys")
app.add_typer(lookups.fsi, name="fsi")
app.add_typer(lookups.regions, name="regions")
app.add_typer(lookups.codes, name="codes")
app.add_typer(mapping.maps, name="maps")
app.add_typer(catalogues.catalogue, name="catalogue")
app.command("version")(version)
