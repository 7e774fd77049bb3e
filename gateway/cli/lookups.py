"""`gateway fsi`, `gateway regions` and `gateway codes`: look up what the gateway works with."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.configuration import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    day_of,
    institution_of,
    settings_of,
)
from gateway.cli.exits import Exit
from gateway.cli.output import complain, say, show_json, show_table, stop
from gateway.clock import SystemClock
from gateway.fsi.definitions import Definitions, Field, Node, Transaction
from gateway.fsi.describe import field_remark, regional_differences
from gateway.fsi.differences import profile_differences
from gateway.fsi.profiles.checking import check_profile
from mappings.codes import CodeBook, Translation, Unmapped
from mappings.regions import RegionError, RegionTable

fsi = typer.Typer(no_args_is_help=True, help="The national interface as data.")
regions = typer.Typer(no_args_is_help=True, help="Insurance regions and pooling.")
codes = typer.Typer(no_args_is_help=True, help="Local codes and national codes.")

EditionOption = Annotated[
    str, typer.Option(help="Edition laid over the base: HN, GD, SZ ... (empty: the base).")
]
DateOption = Annotated[
    str, typer.Option("--date", help="Day that counts, yyyy-MM-dd; today if left out.")
]


@fsi.command("list")
def list_transactions(
    *,
    kind: Annotated[str, typer.Option(help="submit, query, cancel, download or session.")] = "",
    edition: EditionOption = "",
    json: JSONOption = False,
) -> None:
    """List the transactions."""
    definitions = Definitions.load(edition)
    found = [definitions.transaction(infno) for infno in definitions.infnos()]
    rows = [(t.infno, t.kind, t.name) for t in found if kind in {"", t.kind}]
    if json:
        show_json([{"infno": infno, "kind": sort, "name": name} for infno, sort, name in rows])
    else:
        show_table(("infno", "kind", "name"), rows)


@fsi.command("show")
def show_transaction(
    infno: Annotated[str, typer.Argument(help="Transaction number, such as 2207.")],
    *,
    edition: EditionOption = "",
    json: JSONOption = False,
) -> None:
    """Show a transaction: every field with type, length, dictionary and whether it is required."""
    definitions = Definitions.load(edition)
    if infno not in definitions:
        stop(Exit.PROBLEMS, f"no transaction {infno}")
    transaction = definitions.transaction(infno)
    if json:
        show_json(transaction)
        return
    cancels = f", cancels {', '.join(transaction.cancels)}" if transaction.cancels else ""
    say(f"{transaction.infno} {transaction.name} ({transaction.kind}{cancels})")
    _show_side("input", transaction.input)
    _show_side("output", transaction.output)
    _show_sources(transaction)


@fsi.command("dict")
def show_dictionary(
    name: Annotated[
        str, typer.Argument(help="Dictionary, such as med_type; empty lists them.")
    ] = "",
    *,
    edition: EditionOption = "",
    json: JSONOption = False,
) -> None:
    """Show the values of a dictionary."""
    definitions = Definitions.load(edition)
    if not name:
        names = definitions.dictionaries()
        show_json(list(names)) if json else show_table(("dictionary",), [(n,) for n in names])
        return
    try:
        values = definitions.dictionary(name)
    except KeyError:
        stop(Exit.PROBLEMS, f"no dictionary {name}")
    if json:
        show_json(values)
    else:
        show_table(("code", "label"), list(values.items()), title=name)


@fsi.command("check-profile")
def check_profile_file(
    file: Annotated[Path, typer.Argument(help="A regional profile, a .toml file.")],
    *,
    json: JSONOption = False,
) -> None:
    """Explain everything that is wrong in a regional profile.

    Ends with 1 when something is.
    """
    found = check_profile(file)
    if json:
        show_json([finding._asdict() for finding in found])
    elif found:
        show_table(("place", "reason"), found)
    else:
        say(f"{file}: a gateway runs with it")
    if found:
        stop(Exit.PROBLEMS)


@fsi.command("diff")
def show_differences(
    profile: Annotated[str, typer.Argument(help="Name of a profile, or a .toml file.")],
    *,
    json: JSONOption = False,
) -> None:
    """Show what a regional profile changes: keys, envelope, fields, dictionaries."""
    found = profile_differences(profile)
    if json:
        show_json([difference._asdict() for difference in found])
    else:
        show_table(("what", "place", "base", "here"), found)


def _show_side(title: str, nodes: tuple[Node, ...]) -> None:
    for node in nodes:
        say()
        repeats = " (repeats)" if node.repeats else ""
        say(f"{title}.{node.name}{repeats}" if node.name else title)
        columns = ("field", "name", "type", "dictionary", "required", "note")
        show_table(columns, [_field_row(field) for field in node.fields])


def _field_row(field: Field) -> tuple[str, ...]:
    if field.precision is not None:
        size = f"({field.precision},{field.scale or 0})"
    else:
        size = f"({field.max_length})" if field.max_length is not None else ""
    required = "required" if field.required else ""
    remark = field_remark(field)
    return field.code, field.name, f"{field.type}{size}", field.dictionary, required, remark


def _show_sources(transaction: Transaction) -> None:
    differences = list(regional_differences(transaction))
    if differences:
        say()
        say("regional differences:")
    for line in differences:
        say(line)
    if transaction.sources:
        say()
        say("sources: " + "; ".join(transaction.sources))


@regions.command("show")
def show_region(
    code: Annotated[str, typer.Argument(help="Region, six digits.")],
    *,
    insutype: Annotated[str, typer.Option(help="Insurance type, such as 310.")] = "",
    day: DateOption = "",
    json: JSONOption = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", envvar="GATEWAY_CONFIG", help="Settings whose [regions] files count."
        ),
    ] = None,
) -> None:
    """Show what a region is and where its fund is pooled."""
    on = _day(day)
    table = RegionTable.load(settings_of(config).regions.files if config else ())
    try:
        pool = table.pool_of(code, insutype, on)
    except RegionError as error:
        stop(Exit.PROBLEMS, str(error))
    region = table.region(code)
    rule = table.rule(table.canonical(code, on), insutype, on)
    found = {
        "code": code,
        "name": region.name if region else "",
        "level": region.level if region else "",
        "parent": region.parent if region else "",
        "today": table.canonical(code, on),
        "pool": pool,
        "pool_name": getattr(table.region(pool), "name", ""),
        "rule": f"{rule.scope} {rule.level} (evidence {rule.evidence})" if rule else "default",
        "remarks": "; ".join(remark.en for remark in table.remarks(code, on)),
    }
    if json:
        show_json(found)
    else:
        show_table(("what", "value"), [(key, str(value)) for key, value in found.items()])


@codes.command("translate")
def translate(
    kind: Annotated[
        str, typer.Argument(help="item, diagnosis, operation, physician or department.")
    ],
    code: Annotated[str, typer.Argument(help="Code as the hospital writes it.")],
    *,
    name: Annotated[str, typer.Option(help="The hospital's name of it (diagnoses).")] = "",
    system: Annotated[str, typer.Option(help="The hospital's name of the coding system.")] = "",
    institution: Annotated[str, typer.Option(help="Institution; the first if left out.")] = "",
    day: DateOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Translate one local code as of a day, and say which row did it.

    Ends with 1 when there is no translation.
    """
    settings = settings_of(config)
    catalogue = institution_of(settings, institution).catalogue
    book = CodeBook.load(settings.codes.directories, catalogue)
    try:
        found = book.translate(kind, code, on=_day(day), name=name, system=system)
    except ValueError as error:
        stop(Exit.UNREADABLE, str(error))
    except Unmapped as error:
        if json:
            show_json({"code": code, "reason_zh": error.reason_zh, "reason_en": error.reason_en})
        else:
            complain(f"{code}: {error.reason_zh} / {error.reason_en}")
        stop(Exit.PROBLEMS)
    if json:
        show_json(found)
    else:
        _show_translation(code, found)


def _show_translation(code: str, found: Translation) -> None:
    say(f"{code} → {found.code} {found.name}")
    say(f"by {found.method}, row {found.source_row or '-'}")


def _day(text: str) -> date:
    return day_of(text) if text else SystemClock().now().date()
