"""The sections about how HL7 v2 travels: limits of a peer, deliveries to it, drop folders."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.settings.base import Section

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class PeerLimits(Section):
    """`[peers.limits]`: bounds of a peer's HL7 v2; 0 leaves a bound to the port."""

    max_connections: Count = 0
    """MLLP connections that it may speak over at a time."""
    max_message_bytes: Count = 0
    """Longest message; a longer one is refused and its connection goes on."""
    messages_per_second: Annotated[float, Field(ge=0)] = 0.0
    """Messages a second in the long run; one above it is refused with AR and the time to wait."""
    burst: Count = 0
    """Messages that may come at once; as many as a second has when 0."""
    idle_timeout: Annotated[float, Field(ge=0)] = 0.0
    """Seconds a connection may be silent once the peer has spoken on it."""


class DeliverySettings(Section):
    """`[peers.hl7v2.delivery]`: how messages of ours travel to `reply_to`."""

    timeout: Seconds = 10.0
    """Seconds for a message with its acknowledgement; then its connection is closed."""
    connect_timeout: Seconds = 5.0
    """Seconds for a connection; then nothing was sent."""
    max_connections: Annotated[int, Field(ge=1, le=64)] = 2
    """Connections to the peer at a time."""
    idle_timeout: Seconds = 60.0
    """Seconds after which a connection without work is closed."""
    give_up_after: Annotated[float, Field(ge=0)] = 86_400.0
    """Seconds for which a message is tried again; it stays stored afterwards too."""
    commit_acknowledgements: bool = False
    """True speaks MLLP release 2 there."""
    tls: bool = False
    """True speaks TLS there."""
    tls_ca_file: Path | None = None
    """PEM bundle that its certificate has to be signed by; the system's when empty."""
    tls_certificate_file: Path | None = None
    """PEM chain of ours, for a peer that asks for one."""
    tls_key_file: Path | None = None
    """PEM private key of our certificate."""
    tls_server_name: str = ""
    """Name in its certificate, where that is not the host of `reply_to`."""


class FolderSettings(Section):
    """`[[folders]]`: a folder that takes files of HL7 v2, for batch nights."""

    path: Path
    """The folder; `in`, `work`, `out`, `done` and `failed` stand in it."""
    peer: str
    """Name of the peer whose files they are."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 52_428_800
    """A longer file is refused and kept in `failed`."""
    interval: Seconds = 2.0
    """Seconds between looks into `in`."""


class Encoding(StrEnum):
    """In what form messages of a peer travel over MLLP."""

    ER7 = "er7"
    """Delimiters; a message in XML is refused."""
    XML = "xml"
    """HL7 v2.xml; ER7 is read too, and each message is answered in its own form."""
