"""The console script `conformance`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from conformance.platform.command import read_configuration, serve
from conformance.platform.faults import parse_fault
from gateway.errors import ConfigurationError

EXIT_CONFIGURATION = 2
EXIT_PORT = 3

application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The reference platform of the national interface.",
)


@application.callback()
def conformance() -> None:
    """The reference platform of the national interface."""


@application.command()
def platform(
    config: Annotated[
        Path | None, typer.Option(help="Configuration file (JSON).", dir_okay=False)
    ] = None,
    demo: Annotated[
        Path | None,
        typer.Option(help="Folder of a demo configuration; keys are made where missing."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port instead of the configured one; 0 is any free port.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="A fault, such as kind=drop-after,region=430100,infno=2207,count=1. Repeatable."
        ),
    ] = None,
) -> None:
    """Serve regional centres until a signal; prints one JSON line when ready.

    Exit codes: 0 stopped by a signal, 2 the configuration is wrong, 3 the port cannot be had.
    """
    if (config is None) == (demo is None):
        typer.echo("give either --config or --demo", err=True)
        raise typer.Exit(EXIT_CONFIGURATION)
    try:
        faults = [parse_fault(text) for text in fault or ()]
        asyncio.run(serve(read_configuration(config, demo, port), faults))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from error
    except OSError as error:
        typer.echo(f"cannot listen: {error}", err=True)
        raise typer.Exit(EXIT_PORT) from error


def main() -> None:
    """Run the console script."""
    application()
