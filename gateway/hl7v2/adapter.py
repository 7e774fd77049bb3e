"""HL7 v2 to intents, and results to HL7 v2: the adapter that the pipeline works with.

A message is read in three steps: its bytes become text and segments (`read`), a map makes an
intent of them (`understand`), and a result becomes the acknowledgement that the sender's mode and
version ask for (`answer`). All maps are compiled when the adapter is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import mappings.messages
from gateway.clock import Clock
from gateway.crypto.sm import sm3
from gateway.errors import (
    ConfigurationError,
    InvalidError,
    MessageError,
    NotSentError,
    Problem,
)
from gateway.hl7v2 import acks, answers, correspondence, events, invoices, refine, replies
from gateway.hl7v2.batch import BATCH_KEYS, BatchFile, refuse_batch, write_batch
from gateway.hl7v2.beside import beside
from gateway.hl7v2.charset import codec_of_setting, decode, encode
from gateway.hl7v2.choosing import choose
from gateway.hl7v2.constants import check_constants, stated
from gateway.hl7v2.definitions import load_definitions
from gateway.hl7v2.facility import find_facility
from gateway.hl7v2.header import Header, Mode, header_of, lenient_header
from gateway.hl7v2.maps import maps_of_peers
from gateway.hl7v2.reader import Document, read_document
from gateway.hl7v2.tokens import TOKEN_TYPE, mask_tokens
from gateway.hl7v2.validation import as_warnings, validate
from gateway.intents import Answer, Intent, Message, Result, Status, Verb
from gateway.settings import EHCReply, HL7Dialect, PeerSettings, ReplyMode, Settings, Validation

MAPS = Path(mappings.messages.__file__).parent / "hl7v2"
CONTENT_TYPE = "application/hl7-v2"


class HL7Adapter:
    """The adapter of protocol `hl7v2`.

    Raises:
        ConfigurationError: a map, an overlay or a character set of the settings is wrong.
    """

    protocol = "hl7v2"

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        maps: Path = MAPS,
        *,
        kept: invoices.ResourceReader | None = None,
    ) -> None:
        """`kept` is what was answered before; without it nothing is known of earlier invoices."""
        self._settings = settings
        self._clock = clock
        self._kept = kept
        self._identity = acks.Identity(settings.application, settings.facility)
        self._dialects = {peer.name: peer.hl7v2 for peer in settings.peers}
        for peer in settings.peers:
            _check_dialect(peer)
        self._maps = maps_of_peers(settings.peers, maps)
        self._served = {
            peer: frozenset(name.partition(" ")[0] for name in maps.events())
            for peer, maps in self._maps.items()
        }
        if any(peer.hl7v2.validation is not Validation.OFF for peer in settings.peers):
            load_definitions()
        self._token_types = frozenset(
            {TOKEN_TYPE}.union(*(_token_types(peer.hl7v2) for peer in settings.peers))
        )

    async def read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        """Bytes to a message with control id and fingerprint.

        Raises:
            MessageError: the bytes are no message, or its header leads to no exchange.
        """
        return await beside(len(raw), self._read, raw, peer, meta)

    def _read(self, raw: bytes, peer: PeerSettings, meta: Mapping[str, str]) -> Message:
        dialect = peer.hl7v2
        text, codec = decode(raw, default=dialect.default_charset, aliases=dialect.charset_aliases)
        document = read_document(text, codec=codec, line_feeds=dialect.accept_line_feeds)
        header = header_of(document, document.segments[0].field(18))
        header = header.numbered(spoken=dialect.sequence_numbers)
        events.check_header(header, dialect.processing_ids)
        ignored = header.kind in dialect.ignored_events
        kind = header.kind if ignored else self._kind(header, peer)
        masked = mask_tokens(text, self._token_types)
        return Message(
            protocol=self.protocol,
            peer=peer.name,
            sender=f"{peer.name}|{header.sender}",
            control_id=document.segments[0].data(header.control_id),
            kind=kind,
            fingerprint=sm3(encode(masked, "utf-8")).hex(),
            context={
                "peer": peer.name,
                "key_place": "MSH[1]-10",
                "ignored": ignored,
                **{name: meta[name] for name in BATCH_KEYS if name in meta},
                "header": msgspec.to_builtins(header),
                "echo": {} if ignored else replies.echoed(kind, masked, dialect),
            },
            document=document,
        )

    async def understand(
        self, message: Message, peer: PeerSettings
    ) -> tuple[Intent, list[Problem]]:
        """A message to its intent, and the values that could not be taken.

        Raises:
            MessageError: the message lacks what every intent of its kind needs.
        """
        if message.context["ignored"]:
            return Intent(verb=Verb.IGNORE, place="MSH[1]-9"), []
        size = message.document.size
        findings = await beside(size, _checked, message, peer.hl7v2)
        kept = await self._kept_of(message, peer)
        findings += await correspondence.remarks(self._kept, message.kind, message.document, kept)
        intent, problems = await beside(size, self._understood, message, peer, kept)
        return intent, [] if intent.verb is Verb.IGNORE else [*findings, *problems]

    def _understood(
        self, message: Message, peer: PeerSettings, kept: invoices.Kept | None
    ) -> tuple[Intent, list[Problem]]:
        document: Document = message.document
        facility = find_facility(document, peer, self._settings)
        maps = self._maps[peer.name]
        most = self._settings.limits.max_charge_lines
        chosen = choose(message.kind, document, peer.hl7v2, maps.events(), most)
        document, lines = chosen.document, chosen.lines
        constants = {"fixmedins_code": facility.institution.fixmedins_code}
        if kept is not None:
            constants |= kept.constants()
        kind = replies.of_its_authorization(chosen.kind, kept)
        if kind not in maps.events():
            raise InvalidError([invoices.unknown_invoice("IVC[1]-1")])
        intent, problems = maps.understand(kind, document, constants)
        replies.carry_along(intent, message.kind, kept)
        intent.place = "MSH[1]-9"
        intent.check_entitlement = peer.check_entitlement
        institution = facility.institution
        refine.set_facility(
            intent, institution.fixmedins_code, institution.fixmedins_name, facility.place
        )
        if lines is not None:
            refine.choose_financial(intent, lines, peer)
        if refine.is_without_insurance(document, intent, peer.hl7v2):
            intent.verb = Verb.IGNORE
        if intent.verb is Verb.IGNORE:
            return intent, []
        return intent, [*problems, *refine.refined(intent, document, problems)]

    async def _kept_of(self, message: Message, peer: PeerSettings) -> invoices.Kept | None:
        """What is kept of the invoice that a message is about, once that was looked at.

        Raises:
            InvalidError: the message contradicts itself, or what is kept.
        """
        kept = None
        if self._kept is not None and message.kind in invoices.TYPES:
            of = correspondence.senders(message.kind, peer, self._settings.peers)
            kept = await invoices.find(self._kept, message.kind, of, message.document)
        check = invoices.CHECKS.get(message.kind)
        if check is not None and (problems := check(message.document, kept)):
            raise InvalidError(problems)
        return kept

    def answer(self, message_kind: str, context: dict[str, Any], result: Result) -> Answer:
        """A result as the answer in the sender's mode and version.

        The body is empty where MSH-16 wants no application acknowledgement for this outcome.
        """
        header = msgspec.convert(context["header"], Header)
        dialect = self._dialect(context)
        kind = "" if context.get("ignored") else message_kind
        echo, style, now = context.get("echo", {}), self._style(dialect), self._clock.now()
        write = replies.writer_of(kind)
        code, body = write(kind, header, echo, result, style=style, now=now)
        further: list[bytes] = []
        if replies.is_told_later(kind, result, dialect):
            further = [body]
            code, body = replies.acknowledge_invoice(header, style, now)
        return Answer(
            body=stated(body, dialect) if _application_wanted(header, dialect, code) else b"",
            further=[stated(each, dialect) for each in further],
            resources=replies.resources(kind, context, header, result, now),
            content_type=CONTENT_TYPE,
            outcome=result.status,
            final=result.status is not Status.UNKNOWN,
        )

    def refuse(
        self,
        raw: bytes,
        meta: Mapping[str, str],
        error: Exception,
        context: dict[str, Any] | None = None,
    ) -> Answer:
        """The answer to a message that came to no result.

        With `raw` the message is refused before it is accepted, and enhanced mode is answered CE
        or CR; without, it was accepted earlier and `context` is all there is: the answer is the
        application acknowledgement. The body is empty where no answer is due: to an
        acknowledgement, or by MSH-15 and MSH-16.
        """
        dialect = self._dialect(context or meta)
        if context is not None:
            header: Header | None = msgspec.convert(context["header"], Header)
        else:
            header = _lenient(raw, dialect)
        accepted = context is not None and not raw
        code = acks.code_of_error(error, started=accepted) if header else "AR"
        body = b""
        if header is None or not header.is_acknowledgement:
            due = self._due(header or Header(), dialect, code, accepted=accepted)
            if due:
                body = self._refusal(header or Header(), dialect, due, error, context)
        outcome = _status_of(error, code)
        return Answer(body=stated(body, dialect), content_type=CONTENT_TYPE, outcome=outcome)

    def acknowledge(
        self, header: Header, peer: PeerSettings, problems: Sequence[Problem], *, expected: str = ""
    ) -> bytes:
        """The answer to a message that is not worked on itself: a fragment, a sequence number.

        CA or CE in enhanced mode, as MSH-15 wants it, and AA or AE otherwise. `expected` is MSA-4.
        """
        header = header.numbered(expected, spoken=peer.hl7v2.sequence_numbers)
        code = "AE" if problems else "AA"
        if header.mode is Mode.ENHANCED and peer.hl7v2.reply_mode is not ReplyMode.SINGLE:
            if not acks.wanted(header.accept_ack, success=not problems):
                return b""
            code = acks.accept_code(code)
        return acks.acknowledgement(header, code, problems, self._identity, self._clock.now())

    def write_batch(self, file: BatchFile, answers: list[list[bytes]]) -> bytes:
        """The reply to a batch from the answers to its messages, batch by batch."""
        return write_batch(file, answers, self._identity, self._clock.now())

    def refuse_batch(self, raw: bytes, error: MessageError) -> bytes:
        """The answer to a batch of which no message was worked on."""
        return refuse_batch(raw, error.problems, self._identity, self._clock.now())

    def redact(self, raw: bytes) -> bytes:
        """The message with every e-voucher token masked; nothing else changes."""
        if not any(name.encode() in raw for name in self._token_types):
            return raw
        for codec in ("utf-8", "gb18030", "latin-1"):
            try:
                text = raw.decode(codec)
            except UnicodeDecodeError:
                continue
            if text.encode(codec) == raw:
                return mask_tokens(text, self._token_types).encode(codec)
        raise AssertionError("latin-1 fits any bytes")

    def meta(self, context: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: ARG002 - the bytes say all
        """Nothing: a message says everything about itself."""
        return {}

    def owns(self, context: Mapping[str, Any]) -> bool:
        """In enhanced mode the sender was told CA and waits for the application's word."""
        return bool(self.accept_answer(context))

    def accept_answer(self, context: Mapping[str, Any]) -> bytes:
        """CA for a message that is stored; empty where none is due.

        None is due in original mode, in reply mode `single`, and where MSH-15 does not ask for it.
        """
        header = msgspec.convert(context["header"], Header)
        single = self._dialect(context).reply_mode is ReplyMode.SINGLE
        if header.mode is Mode.ORIGINAL or single:
            return b""
        if not acks.wanted(header.accept_ack, success=True):
            return b""
        return acks.acknowledgement(header, "CA", (), self._identity, self._clock.now())

    def _due(self, header: Header, dialect: HL7Dialect, code: str, *, accepted: bool) -> str:
        """The code to be sent for a refusal; empty when the sender wants none."""
        if header.mode is Mode.ORIGINAL or dialect.reply_mode is ReplyMode.SINGLE:
            return code
        if not accepted and acks.wanted(header.accept_ack, success=False):
            return acks.accept_code(code)
        return code if acks.wanted(header.application_ack, success=False) else ""

    def _refusal(
        self,
        header: Header,
        dialect: HL7Dialect,
        code: str,
        error: Exception,
        context: dict[str, Any] | None,
    ) -> bytes:
        problems = acks.problems_of_error(error)
        now = self._clock.now()
        if context is not None and context.get("echo", {}).get("QPD"):
            return answers.refuse_query(
                header, code, problems, context["echo"], style=self._style(dialect), now=now
            )
        return acks.acknowledgement(
            header, code, problems, self._identity, now,
            asks_accept=self._style(dialect).asks_accept,
        )  # fmt: skip

    def _kind(self, header: Header, peer: PeerSettings) -> str:
        kind = peer.hl7v2.event_aliases.get(header.kind, header.kind)
        events.check_kind(header, kind, self._served[peer.name])
        return kind

    def _dialect(self, source: Mapping[str, Any]) -> HL7Dialect:
        return self._dialects.get(str(source.get("peer", "")), HL7Dialect())

    def _style(self, dialect: HL7Dialect) -> answers.Style:
        connects = dialect.reply_mode is ReplyMode.CONNECT
        return answers.Style(
            identity=self._identity,
            segments=dialect.reply_segments,
            asks_accept="AL" if connects else "NE",
        )


def _check_dialect(peer: PeerSettings) -> None:
    dialect = peer.hl7v2
    for name in filter(None, [dialect.default_charset, *dialect.charset_aliases.values()]):
        try:
            codec_of_setting(name)
        except ValueError as error:
            raise ConfigurationError(f"peer {peer.name}: {error}") from None
    check_constants(peer.name, dialect.reply_constants)
    if dialect.ehc_reply is EHCReply.ACK_THEN_E10 and not dialect.reply_to:
        raise ConfigurationError(f"peer {peer.name}: ehc_reply ack-then-e10 needs reply_to")
    if dialect.remittances and not dialect.reply_to:
        raise ConfigurationError(f"peer {peer.name}: remittances need reply_to")


def _token_types(dialect: HL7Dialect) -> set[str]:
    return {stated for stated, meant in dialect.identifier_aliases.items() if meant == TOKEN_TYPE}


def _checked(message: Message, dialect: HL7Dialect) -> list[Problem]:
    """What breaks the tables of the version, as strictly as the peer is taken.

    Raises:
        InvalidError: a segment is missing, or the message breaks the tables and the peer is taken
            strictly.
    """
    document, level = message.document, dialect.validation
    structure = events.check_segments(document, message.kind, dialect)
    if structure:
        raise InvalidError(structure)
    if level is Validation.OFF:
        return []
    header = msgspec.convert(message.context["header"], Header)
    findings = validate(document, events.structure_of(message.kind, header), header.version)
    if level is Validation.WARN:
        return as_warnings(findings)
    if any(finding.stops for finding in findings):
        raise InvalidError(findings)
    return findings


def _application_wanted(header: Header, dialect: HL7Dialect, code: str) -> bool:
    if header.mode is Mode.ORIGINAL or dialect.reply_mode is ReplyMode.SINGLE:
        return True
    return acks.wanted(header.application_ack, success=code == "AA")


def _lenient(raw: bytes, dialect: HL7Dialect) -> Header | None:
    try:
        codec = decode(raw, default=dialect.default_charset, aliases=dialect.charset_aliases).codec
    except MessageError:
        codec = ""
    header = lenient_header(raw, codec)
    return header.numbered(spoken=dialect.sequence_numbers) if header else None


def _status_of(error: Exception, code: str) -> Status:
    if isinstance(error, MessageError):
        return Status.INVALID
    return Status.NOT_SENT if isinstance(error, NotSentError) or code == "AR" else Status.UNKNOWN
