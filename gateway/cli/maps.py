"""The message maps of one peer, with what they are looked at beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

import mappings.messages
from gateway.fhir.names import Names
from gateway.fhir.paths import FHIRPaths
from gateway.fsi.definitions import Definitions
from gateway.fsi.profiles import load_profile
from gateway.hl7v2.paths import HL7Language
from gateway.settings import HL7Dialect, PeerSettings, Settings
from mappings.messages import MapSet
from mappings.messages.compiler import read_maps
from mappings.messages.grammar import Sheet

FOLDER = Path(mappings.messages.__file__).parent
CANONICAL_BASE = "http://localhost"


class MapsOfPeer(msgspec.Struct, kw_only=True):
    """The sheets of both protocols as a peer's messages are read by."""

    peer: str
    hl7v2: Mapping[str, Sheet]
    fhir: Mapping[str, Sheet]
    value_maps: Mapping[str, Mapping[str, str]]
    definitions: Definitions
    defaults: frozenset[str]

    def kinds(self) -> dict[str, Sheet]:
        """Every event and interaction with its sheet."""
        return {**self.hl7v2, **self.fhir}


def maps_of(settings: Settings | None, peer: PeerSettings | None) -> MapsOfPeer:
    """The maps of a peer, or without one the standard maps; all of them are compiled once.

    Raises:
        ConfigurationError: a map is wrong; says in which file and line.
    """
    own = peer.map_overlay if peer else None
    beside = own / "fhir" if own else None
    fhir = beside if beside and beside.is_dir() else None
    dialect = peer.hl7v2 if peer else HL7Dialect()
    base = settings.fhir.canonical_base if settings else CANONICAL_BASE
    language = HL7Language(dialect.identifier_aliases, dialect.amount_component)
    MapSet.load(FOLDER / "hl7v2", language, overlay=own, value_maps=dialect.value_maps)
    MapSet.load(FOLDER / "fhir", FHIRPaths(Names(base)), overlay=fhir)
    return MapsOfPeer(
        peer=peer.name if peer else "",
        hl7v2=read_maps(FOLDER / "hl7v2", own),
        fhir=read_maps(FOLDER / "fhir", fhir),
        value_maps=dialect.value_maps,
        definitions=_definitions(settings, peer),
        defaults=frozenset(peer.defaults) if peer else frozenset(),
    )


def _definitions(settings: Settings | None, peer: PeerSettings | None) -> Definitions:
    """The tables as the first institution of the peer uses them; the base without settings."""
    institutions = settings.institutions if settings else []
    wanted = peer.institutions[0] if peer and peer.institutions else ""
    for institution in institutions:
        if institution.fixmedins_code == wanted or not wanted:
            channels = settings.channels if settings else []
            channel = next((it for it in channels if it.name == institution.channel), None)
            return Definitions.load(load_profile(channel.profile).edition if channel else "")
    return Definitions.load()
