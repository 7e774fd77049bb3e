"""`gateway maps`: look through message maps, and say what they read and fill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.configuration import DEFAULT_CONFIG, ConfigOption, JSONOption, peer_of
from gateway.cli.exits import Exit
from gateway.cli.maplint import Remark, lint_maps
from gateway.cli.maps import MapsOfPeer, maps_of
from gateway.cli.output import say, show_json, show_table, stop
from gateway.fhir.filings import WITHDRAWAL
from gateway.hl7v2.profile_pages import page, sheets_of
from gateway.hl7v2.profiles import profile_of, to_xml
from gateway.intents import Verb, VisitClass
from gateway.settings import PeerSettings, Settings, load_settings
from gateway.settlement.supplies import Supplied, Supply, classes_of, supplies
from gateway.settlement.twofold import REFILINGS
from mappings.messages.grammar import Sheet

maps = typer.Typer(no_args_is_help=True, help="Message maps: how messages become national fields.")

FURTHER = {
    Verb.CHARGE: (Verb.SETTLE,),
    Verb.TO_OUTPATIENT: (Verb.UNADMIT, Verb.REGISTER),
    Verb.TO_INPATIENT: (Verb.UNREGISTER, Verb.ADMIT),
    **REFILINGS,
}
"""What a message of a verb may ask for besides: charge lines may come with their payment line."""

PeerOption = Annotated[
    str,
    typer.Option(help="Peer whose overlay and dialect are laid over the standard maps."),
]
EventArgument = Annotated[str, typer.Argument(help="Event or interaction, such as DFT^P03.")]


@maps.command("lint")
def lint(
    *,
    peer: PeerOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Look through the maps: what cannot be meant is shown with file and line.

    Without --peer the standard maps and those of every peer of the settings are looked through.
    Ends with 0 when nothing was found, 1 when something was, 3 when a map cannot be read at all.
    """
    found = list(dict.fromkeys(r for one in _chosen(config, peer) for r in lint_maps(one)))
    if json:
        show_json(found)
    elif found:
        show_table(Remark.__struct_fields__, [(it.place, it.zh, it.en) for it in found])
    else:
        say("nothing to remark")
    raise typer.Exit(int(Exit.PROBLEMS if found else Exit.OK))


@maps.command("coverage")
def coverage(
    event: Annotated[
        str, typer.Argument(help="Event or interaction, such as DFT^P03; empty: a line for each.")
    ] = "",
    *,
    peer: PeerOption = "",
    json: JSONOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show which national fields a map fills, and which required ones nobody can.

    The fields are those of every transaction that the event leads to. Ends with 1 when a required
    field has no source: no rule of the map, no earlier transaction, no setting of the peer.
    """
    (chosen,) = _chosen(config, peer)[:1]
    known = {kind: sheet for kind, sheet in chosen.kinds().items() if event in {"", kind}}
    if not known:
        stop(Exit.PROBLEMS, f"no map for {event!r}; there are: {', '.join(chosen.kinds())}")
    rows = {kind: _supplied(chosen, sheet) for kind, sheet in known.items()}
    if json:
        show_json(rows)
    elif event:
        _show_fields(rows[event])
    else:
        columns = ("event", "verb", "fields", "by the map", "required", "without a source")
        show_table(columns, [_counts(k, known[k], found) for k, found in rows.items()])
    missing = any(it.missing for found in rows.values() for _, it in found)
    raise typer.Exit(int(Exit.PROBLEMS if missing else Exit.OK))


@maps.command("profile")
def profile(
    event: EventArgument,
    *,
    version: Annotated[str, typer.Option(help="HL7 version; 2.5.1, or the first there is.")] = "",
    xml: Annotated[bool, typer.Option("--xml", help="Print the message-profile XML.")] = False,
    peer: PeerOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print the message profile of an HL7 v2 event: what is read, how often, and what it becomes.

    Ends with 1 when the event has no map, or no structure in the version.
    """
    (chosen,) = _chosen(config, peer)[:1]
    sheets = sheets_of(chosen.hl7v2, event)
    if not sheets:
        stop(Exit.PROBLEMS, f"no map for {event!r}; there are: {', '.join(chosen.hl7v2)}")
    try:
        made = profile_of(event, sheets, version)
    except KeyError:
        stop(Exit.PROBLEMS, f"{event} has no structure in version {version or 'any'}")
    typer.echo(to_xml(made).decode() if xml else page(made), nl=False)


def _chosen(config: Path, name: str) -> list[MapsOfPeer]:
    """The maps of the peer named; else the standard ones, and those of all peers behind them."""
    if not name and not config.is_file():
        return [maps_of(None, None)]
    settings: Settings = load_settings(config)
    peers: list[PeerSettings] = [peer_of(settings, name)] if name else list(settings.peers)
    own = [maps_of(settings, peer) for peer in peers]
    return own if name else [maps_of(settings, None), *own]


def _supplied(chosen: MapsOfPeer, sheet: Sheet) -> list[tuple[VisitClass | None, Supplied]]:
    rules = [rule for _, rule in sheet.every_rule() if rule.sources]
    mapped = {(rule.record, rule.code): str(rule.where) for rule in rules}
    if any(kind.startswith("withdraw-") for kind, _ in sheet.kinds):
        mapped |= dict.fromkeys(WITHDRAWAL, "Task, and the ClaimResponse that it names")
    wanted = dict.fromkeys(
        (verb, visit_class)
        for stated, first in sheet.verbs.items()
        for verb in (first, *FURTHER.get(first, ()))
        for visit_class in classes_of(verb)
        if stated in {None, visit_class}
    )
    return [
        (visit_class, found)
        for verb, visit_class in wanted
        for found in supplies(verb, visit_class, mapped, chosen.definitions, chosen.defaults)
    ]


def _counts(
    kind: str, sheet: Sheet, found: list[tuple[VisitClass | None, Supplied]]
) -> tuple[str, ...]:
    fields = {(it.infno, it.path): it for _, it in found}.values()
    missing = sorted({f"{it.infno} {it.path}" for _, it in found if it.missing})
    return (
        kind,
        ", ".join(dict.fromkeys(verb.value for verb in sheet.verbs.values())),
        str(len(fields)),
        str(sum(it.supply is Supply.MAP for it in fields)),
        str(sum(it.required for it in fields)),
        ", ".join(missing),
    )


def _show_fields(found: list[tuple[VisitClass | None, Supplied]]) -> None:
    columns = ("class", "transaction", "field", "name", "required", "filled by", "where")
    show_table(
        columns,
        [
            (
                visit_class.value if visit_class else "",
                it.infno,
                it.path,
                it.label,
                "required" if it.required else "",
                "NOTHING" if it.missing else it.supply.value,
                it.by,
            )
            for visit_class, it in found
        ],
    )
