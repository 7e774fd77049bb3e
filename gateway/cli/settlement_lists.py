"""`gateway settlement-list`: settlement lists (4101 to 4105), by the running gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    InstitutionOption,
    JSONOption,
    day_of,
)
from gateway.cli.exits import Exit
from gateway.cli.operating import TokenOption, URLOption, steps_of
from gateway.cli.output import say, show_json, show_problems, show_table, stop
from gateway.errors import Problem
from gateway.settlement.listing.record import ListState

settlement_list = typer.Typer(
    no_args_is_help=True, help="Settlement lists (4101 to 4105): collect, check, upload, follow."
)

STEP_SECONDS = 600.0
"""How long the answer to a step is waited for."""

SetlArgument = Annotated[str, typer.Argument(metavar="SETL_ID", help="Id of the settlement.")]


_step = steps_of("settlement-lists", STEP_SECONDS)


def _shown(found: list[dict[str, Any]], *, json: bool) -> NoReturn:
    """Say where each list stands and what is wrong with it, and end by it."""
    if json:
        show_json(found)
    else:
        columns = ("setl_id", "state", "current", "setl_list_id", "problems", "note")
        show_table(
            columns,
            [
                [
                    *(one["setl_id"], one["state"], "yes" if one["current"] else "no"),
                    *(one["setl_list_id"] or "-", str(len(one["problems"])), one["note"] or "-"),
                ]
                for one in found
            ],
        )
        for one in found:
            if one["problems"] or one["findings"]:
                say(f"{one['setl_id']}:")
            show_problems(msgspec.convert(one["problems"], list[Problem]))
            for finding in one["findings"]:
                say(f"4104\t{finding['field']}\t{finding['text']}\t{finding['value']}")
    _end(found)


def _end(found: list[dict[str, Any]]) -> NoReturn:
    states = {one["state"] for one in found}
    problems = [problem for one in found for problem in one["problems"]]
    if ListState.UNKNOWN in states:
        raise typer.Exit(int(Exit.UNKNOWN))
    stops = any(problem.get("severity", "error") == "error" for problem in problems)
    noted = any(one["note"] or one["findings"] for one in found)
    bad = stops or noted or ListState.REFUSED in states
    raise typer.Exit(int(Exit.PROBLEMS if bad else Exit.OK))


@settlement_list.command("prepare")
def prepare(
    day: Annotated[str, typer.Argument(metavar="DAY", help="Day of settlement, 2026-03-01.")],
    *,
    setl_id: Annotated[str, typer.Option(help="Only this settlement of the day.")] = "",
    additions: Annotated[
        Path | None,
        typer.Option(
            "--with", metavar="FILE", help="JSON: setl_id to the nodes of 4101 that are not stored."
        ),
    ] = None,
    outpatient: Annotated[bool, typer.Option(help="Outpatient settlements too.")] = False,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Collect the lists of a day's settlements from what is stored, and check them.

    What only the records department has comes with `--with`; it stays with the list. Ends with 1
    when something is wrong with one of them: every problem is named, with its place in the list.
    """
    more = _additions(additions)
    found = _step(
        "prepare",
        config,
        institution,
        url,
        token_file,
        day=day_of(day),
        setl_id=setl_id,
        additions=more,
        outpatient=outpatient,
    )
    _shown(found, json=json)


def _additions(file: Path | None) -> Any:
    if file is None:
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, Any]])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        stop(Exit.UNREADABLE, f"{file}: {error}")


@settlement_list.command("check")
def check(
    setl_id: SetlArgument,
    *,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Name everything that is wrong with a prepared list; nothing is sent."""
    _shown(_step("check", config, institution, url, token_file, setl_id=setl_id), json=json)


@settlement_list.command("show")
def show(
    setl_id: SetlArgument,
    *,
    values: Annotated[bool, typer.Option(help="The values too: they name the patient.")] = False,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show a prepared list field by field, and where each is from; nothing is sent.

    `additions` is the file of `--with`, `message` what a message of the stay said for the list,
    `stored` the visit and the replies of the platform, `settings` the configuration.
    """
    more = {"setl_id": setl_id, "values": values}
    (found,) = _step("show", config, institution, url, token_file, **more)
    if json:
        show_json(found)
        return
    columns = ("field", "name", "required", "from", *(["value"] if values else []))
    show_table(
        columns,
        [
            [
                *(one["path"], one["label"], "yes" if one["required"] else "no"),
                one["origin"] or "-",
                *([one["value"] or "-"] if values else []),
            ]
            for one in found["fields"]
        ],
    )


@settlement_list.command("upload")
def upload(
    setl_id: SetlArgument,
    *,
    submit: Annotated[bool, typer.Option(help="Hand it in too (4102).")] = False,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Upload a prepared list (4101); nothing is sent of one that has problems.

    One that the centre refused is taken back, replaced, and with `--submit` handed in again. Ends
    with 5 when a step has no known outcome: `status` reads it back.
    """
    more = {"setl_id": setl_id, "submit": submit}
    _shown(_step("upload", config, institution, url, token_file, **more), json=json)


@settlement_list.command("status")
def status(
    setl_id: SetlArgument,
    *,
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask the centre what it has of a list (4103) and what its quality control found (4104)."""
    _shown(_step("status", config, institution, url, token_file, setl_id=setl_id), json=json)


@settlement_list.command("count")
def count(
    begin: Annotated[str, typer.Argument(metavar="BEGIN", help="First day of settlement.")],
    end: Annotated[str, typer.Argument(metavar="END", help="Last day of settlement.")],
    *,
    med_types: Annotated[
        str, typer.Option(help="Medical categories, with commas; those of stays if left out.")
    ] = "",
    institution: InstitutionOption = "",
    url: URLOption = "",
    token_file: TokenOption = None,
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask how many settlements need a list and how many have one (4105); 1 when some are due."""
    more = {"begin": day_of(begin), "end": day_of(end), "med_types": med_types}
    found = _step("count", config, institution, url, token_file, **more)
    if json:
        show_json(found)
    else:
        say(f"due {found['due']}, uploaded {found['uploaded']}")
    raise typer.Exit(int(Exit.OK if found["due"] == found["uploaded"] else Exit.PROBLEMS))
