"""The sections of the settings file, each key with its meaning."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.settings.base import Port, Region, Section
from gateway.settings.transport import DeliverySettings, Encoding, PeerLimits

Scope = Annotated[
    str,
    Field(pattern=r"^system/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|cr?u?d?s?|ru?d?s?|ud?s?|ds?|s)$"),
]


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(Section):
    """`[log]`."""

    level: str = "INFO"
    """Lowest level that is written: DEBUG, INFO, WARNING, ERROR."""
    format: LogFormat = LogFormat.JSON
    """`json` for machines, `console` for people."""


class MLLPSettings(Section):
    """`[mllp]`: the HL7 v2 port."""

    enabled: bool = True
    """False leaves the port closed."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 2575
    """TCP port; 0 takes any free one."""
    max_message_bytes: int = 10_485_760
    """A longer frame is refused and its connection closed."""
    max_connections: int = 256
    """Connections at a time; a further one is closed at once."""
    frame_timeout: float = 30.0
    """Seconds an unfinished frame may take before its connection is closed."""
    first_message_timeout: float = 300.0
    """Seconds a new connection may take before its first message is whole."""
    idle_timeout: float = 3600.0
    """Seconds a connection may be silent between messages before it is closed."""
    tls_certificate_file: Path | None = None
    """PEM chain; with `tls_key_file` the port speaks TLS."""
    tls_key_file: Path | None = None
    """PEM private key of the certificate."""
    tls_client_ca_file: Path | None = None
    """PEM bundle; when set, a client certificate signed by it is required."""
    commit_acknowledgements: bool = False
    """True speaks MLLP release 2: each message is answered by a commit acknowledgement first."""
    lenient_framing: bool = False
    """True takes a frame that ends in 0x1C without 0x0D, before the next one or a pause."""


class HTTPSettings(Section):
    """`[http]`: FHIR, national JSON, health and metrics."""

    enabled: bool = True
    """False leaves the port closed."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """TCP port; 0 takes any free one."""
    max_body_bytes: int = 10_485_760
    """A longer body is refused with 413."""
    request_timeout: float = 15.0
    """Seconds within which a client has to have sent its request head and body."""
    max_connections: int = 512
    """Connections at a time; a further one is closed at once."""
    tls_certificate_file: Path | None = None
    """PEM chain; with `tls_key_file` the port speaks TLS."""
    tls_key_file: Path | None = None
    """PEM private key of the certificate."""
    tls_client_ca_file: Path | None = None
    """PEM bundle; when set, a client may show a certificate signed by it and is known by it."""
    tls_client_required: bool = False
    """True refuses connections that show no such certificate."""
    public_url: str = ""
    """URL by which clients reach the port, as before a proxy; empty: what is listened on."""
    token_seconds: Annotated[int, Field(ge=10, le=3600)] = 300
    """Seconds that an access token is good for."""


class FHIRSettings(Section):
    """`[fhir]`: names and limits of the FHIR side."""

    canonical_base: str = "https://fsi-gateway.example/fhir"
    """Base of our identifier systems, code systems and extensions."""
    max_items: int = 500
    """Claim items at most."""
    max_depth: int = 32
    """Nesting of a body at most."""
    page_size: int = 50
    """Entries of a search page."""


class SubscriptionSettings(Section):
    """`[subscriptions]`: how subscribers are notified."""

    interval: float = 1.0
    """Seconds between looks for something to tell."""
    timeout: float = 10.0
    """Seconds that an attempt may take."""
    first_delay: float = 2.0
    """Seconds before a notification that failed is tried again; doubled at each failure."""
    longest_delay: float = 600.0
    """Seconds between attempts at most."""
    max_attempts: Annotated[int, Field(ge=1)] = 12
    """Failures in a row after which a subscription has status error."""


class JournalSettings(Section):
    """`[journal]`: where exchanges, transactions, visits and the audit are kept."""

    path: Path = Path("journal.db")
    """SQLite file; created on first start."""
    dsn_file: Path | None = None
    """File that holds the DSN of a PostgreSQL database, used instead of `path`."""
    lease: Annotated[float, Field(ge=0.5)] = 15.0
    """PostgreSQL: seconds after which the others take over from a gateway that went silent."""


class AuditSettings(Section):
    """`[audit]`: where the head of the audit is written down outside the journal."""

    heads_file: Path | None = None
    """File that heads are appended to; on another disk or machine than the journal."""
    syslog: Annotated[str, Field(pattern=r"^$|^/.+|^udp://.+:\d+$")] = ""
    """Syslog that heads are sent to: `udp://host:514`, or the path of a local socket."""
    interval: Annotated[float, Field(ge=1)] = 3600.0
    """Seconds between two heads; at the start and at a stop there is one, too."""


class InstitutionSettings(Section):
    """`[[institutions]]`: an institution the gateway speaks for."""

    fixmedins_code: Annotated[str, Field(pattern=r"^[HP]\d{11}$")]
    """National code of the institution, 12 characters."""
    fixmedins_name: Annotated[str, Field(min_length=1, max_length=200)]
    """Name as registered with the bureau."""
    mdtrtarea_admvs: Region
    """Region of the place of treatment."""
    home_pools: list[Region] = []
    """Pooling regions whose patients count as local; the institution's own pool when empty."""
    channel: str
    """Name of the channel its transactions leave by."""
    aliases: list[str] = []
    """Other names for it in messages: values of MSH-4 or PV1-3.4, identifiers of Claim.provider."""
    opter: str = "gateway"
    """Operator number where the message names none."""
    opter_name: str = "gateway"
    """Operator name where the message names none."""
    opter_type: str = "1"
    """1 clerk, 2 self-service terminal, 3 mobile terminal."""
    mac: str = "00-00-00-00-00-00"
    """MAC address of the signing-in machine (9001)."""
    ip: str = "127.0.0.1"
    """IP address of the signing-in machine (9001)."""
    catalogue: str = "default"
    """Name of the code tables that translate its local codes."""


class ChannelSettings(Section):
    """`[[channels]]`: a platform that transactions are sent to."""

    name: str
    """Name by which institutions and routes refer to it."""
    url: str
    """Base URL; how the transaction is named in it is the profile's business."""
    profile: str = "generic"
    """Regional profile: a name in gateway/fsi/profiles, or a file path ending in .toml."""
    regions: list[Region] = []
    """Pooling regions or provinces (xx0000) routed to this channel (hub); empty in a hospital."""
    account: str = ""
    """x-tif-paasid, or the access key of a CSB gateway, or the apikey account."""
    secret_file: Path | None = None
    """File that holds the secret of the gateway scheme."""
    signing_key_file: Path | None = None
    """Our SM2 private key (PEM, PKCS#8)."""
    platform_public_key_file: Path | None = None
    """The platform's SM2 public key (PEM); when set, replies must verify."""
    timeout: float = 15.0
    """Seconds to wait for a reply after the request was written; then the outcome is unknown."""
    late_reply: float = 120.0
    """Seconds after `timeout` for which the reply is still listened for, except of reads."""
    connect_timeout: float = 5.0
    """Seconds to wait for a connection; then nothing was sent."""
    max_connections: int = 32
    """Connections at a time."""
    breaker_failures: int = 5
    """Connection failures in a row after which calls are not sent for `breaker_seconds`."""
    breaker_seconds: float = 10.0
    """Seconds the breaker stays open."""


class ReplyMode(StrEnum):
    """How an HL7 v2 application acknowledgement travels in enhanced mode."""

    SAME_CONNECTION = "same-connection"
    """After the accept acknowledgement, as a further message on the connection."""
    CONNECT = "connect"
    """As an exchange of its own to `reply_to`."""
    SINGLE = "single"
    """One application acknowledgement and no accept acknowledgement (observed practice)."""


class EHCReply(StrEnum):
    """How an invoice (EHC^E01) is answered."""

    E10 = "e10"
    """By EHC^E10, the adjudication, in place of an acknowledgement."""
    ACK_THEN_E10 = "ack-then-e10"
    """By ACK^E01; EHC^E10 follows as a message of its own to `reply_to`."""


class Validation(StrEnum):
    """What is done about a message that breaks the tables of its HL7 v2 version."""

    OFF = "off"
    """Not looked at."""
    WARN = "warn"
    """Findings go into the acknowledgement as warnings."""
    STRICT = "strict"
    """Findings stop the message."""


class HL7Dialect(Section):
    """`[peers.hl7v2]`: how a peer's HL7 v2 differs from the standard (matrix 1.11)."""

    default_charset: str = ""
    """Charset when MSH-18 is blank and a byte is not ASCII; empty refuses such a message."""
    charset_aliases: dict[str, str] = {}
    """Values of MSH-18 beside the standard ones, and the charset each means."""
    accept_line_feeds: bool = False
    """True takes LF and CRLF as segment ends."""
    processing_ids: list[str] = ["P", "D", "T"]
    """Accepted values of MSH-11.1."""
    reply_mode: ReplyMode = ReplyMode.SAME_CONNECTION
    """How the application acknowledgement travels in enhanced mode."""
    reply_to: str = ""
    """`host:port` for `reply_mode = "connect"`."""
    encoding: Encoding = Encoding.ER7
    """Form over MLLP: `er7`, or `xml` (HL7 v2.xml beside ER7, and messages of ours in XML)."""
    sequence_numbers: bool = False
    """True speaks the sequence number protocol (MSH-13, MSA-4): each message in order and once."""
    continuation_timeout: Annotated[float, Field(gt=0)] = 300.0
    """Seconds that a fragment (DSC, MSH-14) waits for the next ones."""
    delivery: DeliverySettings = DeliverySettings()
    """How messages of ours travel to `reply_to`."""
    identifier_aliases: dict[str, str] = {}
    """CX.5 of the peer to the standard type: `{SFZ = "NNCHN", IDCard = "PI"}`."""
    event_aliases: dict[str, str] = {}
    """Events of the peer to the standard one: `{"ADT^A16" = "ADT^A03"}`."""
    ignored_events: list[str] = []
    """Events answered AA and counted without any transaction."""
    ignored_transaction_types: list[str] = []
    """FT1-6 values left out (deposits and the like)."""
    self_pay_classes: list[str] = ["01"]
    """PV1-20.1 values that mean no insurance: the visit leads to no transaction."""
    amount_component: int = 1
    """Component of FT1-11 and FT1-12 that holds the amount."""
    value_maps: dict[str, dict[str, str]] = {}
    """Value map name (`patient_class`, `sex`, ...) to the peer's own entries."""
    validation: Validation = Validation.OFF
    """Check structure, cardinality, types, lengths and tables of the message's version."""
    ehc_reply: EHCReply = EHCReply.E10
    """How an invoice (EHC^E01) is answered: `e10` at once, `ack-then-e10` to `reply_to`."""
    reassess_invoices: bool = False
    """True answers EHC^E04 by reading the settlement back; otherwise it is refused."""
    payer_messages: bool = False
    """True takes in what a payer sends: EHC^E10, E12, E15, E24 about its institutions' invoices."""
    modify_filings: bool = False
    """True lets RQA^I09, I10 and REF^I13 change a filing: it is withdrawn and filed anew."""
    remittances: bool = False
    """True sends EHC^E15 of each day whose reconciliation balances to `reply_to`."""
    reply_constants: dict[str, str] = {}
    """Fields of MSH and MSA that a peer's program wants filled: `{"MSA-4" = "100"}`."""
    reply_segments: list[str] = []
    """Z segments added to acknowledgements: `ZMI` visit ids, `ZSL` settlement amounts."""


class PeerSettings(Section):
    """`[[peers]]`: a sender."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[^|]*$")]
    """Name in logs and the audit, and part of the key of its messages: it stays as it is."""
    institutions: list[str]
    """fixmedins_code of the institutions it may speak for."""
    applications: list[str] = []
    """HL7 v2: `MSH-3` or `MSH-3|MSH-4` values by which the peer is recognised."""
    token_sha256: list[str] = []
    """HTTP: SHA-256 hex digests of the bearer tokens it may present."""
    jwks_file: Path | None = None
    """HTTP: its public keys (JSON Web Key Set) for SMART backend services: it asks for tokens."""
    client_id: str = ""
    """Its `client_id` for SMART backend services; empty: its name."""
    certificate_sha256: list[str] = []
    """TLS: SHA-256 hex digests of the client certificates it has to show."""
    certificate_names: list[str] = []
    """TLS: names (common name, or DNS name, mail or URI of subjectAltName) of such certificates."""
    scopes: list[Scope] = []
    """SMART scopes (`system/Claim.cr`) it may have; then it speaks FHIR only. Empty: everything."""
    addresses: list[str] = []
    """Networks it may connect from; empty means any."""
    hl7v2: HL7Dialect = HL7Dialect()
    """Its HL7 v2 dialect."""
    limits: PeerLimits = PeerLimits()
    """Bounds of its HL7 v2."""
    map_overlay: Path | None = None
    """Folder of message maps laid over the standard ones."""
    defaults: dict[str, str] = {}
    """National field codes filled when the message states nothing: `{acct_used_flag = "1"}`."""
    settle_with_charges: bool = False
    """True settles when charge lines arrive, without waiting for a payment line."""
    presettle_with_charges: bool = False
    """True computes a pre-settlement when charge lines arrive."""
    check_entitlement: bool = False
    """True runs 2001 before a visit is opened."""
    subscription_origins: list[str] = []
    """FHIR: origins that its subscriptions may notify (`https://his.example:8443`)."""


class CodeSettings(Section):
    """`[codes]`: tables that translate local codes."""

    directories: list[Path] = []
    """Folders of CSV tables, later ones over earlier ones; the national lists are built in."""


class RegionSettings(Section):
    """`[regions]`: tables laid over the built-in region and pooling tables."""

    files: list[Path] = []
    """CSV files in the form of mappings/regions/pooling.csv."""


class UnknownPolicy(StrEnum):
    """What the gateway does by itself about an unknown money outcome."""

    HOLD = "hold"
    """Nothing: an operator decides."""
    REVERSE = "reverse"
    """Undo by 2601 where the profile allows it."""
    REVERSE_AND_SETTLE = "reverse-and-settle"
    """Undo by 2601 and, once that is certain, settle anew."""


class ResolverSettings(Section):
    """`[resolver]`: unknown outcomes."""

    policy: UnknownPolicy = UnknownPolicy.HOLD
    """What is done without an operator."""
    delay: float = 30.0
    """Seconds after an outcome became unknown before the first step."""
    interval: float = 5.0
    """Seconds between looks at what is open."""
    max_reversals: int = 1
    """2601 attempts for one transaction; a reversal of unknown outcome goes to the operator."""
    max_resettlements: int = 1
    """Settlements made anew for one message (`reverse-and-settle`); then the operator decides."""
    read_back: bool = True
    """Ask the platform for what proves an unknown outcome (5201, 5303, the centre's books)."""
    max_read_backs: Annotated[int, Field(ge=0, le=1000)] = 5
    """Times a proof is looked for; each waits four times longer than the one before, at most a
    day."""


class OperatorSettings(Section):
    """`[operator]`: who may decide about unknown outcomes over HTTP."""

    token_sha256: list[str] = []
    """SHA-256 hex digests of operators' bearer tokens; without one nobody may decide."""


class LimitSettings(Section):
    """`[limits]`: bounds of the pipeline."""

    max_messages_in_flight: int = 256
    """Messages worked on at a time; a further one is answered busy."""
    max_charge_lines: int = 2_000
    """Charge lines of a message."""
    amount_tolerance: str = "0.01"
    """Yuan by which cnt x pric may differ from the stated amount of a line."""
    fee_time_ahead: float = 600.0
    """Seconds by which the time of a charge line may lie ahead of the gateway's clock."""
