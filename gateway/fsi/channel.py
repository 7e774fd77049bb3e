"""A platform that transactions are sent to: scheme, keys, limits, breaker, and the four outcomes.

==============================================  ================================
what happened                                   outcome
==============================================  ================================
reply read, trusted, `infcode` 0                `Accepted`
reply read, trusted, another `infcode`          `Rejected`
no connection, breaker open, no free place,     `NotSent`
refused by the outer gateway (code 401)
everything else: no reply in time, broken       `Unknown`
connection, HTTP 5xx, unreadable reply,
signature that does not verify
==============================================  ================================
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from certs import load_signing_key, load_verify_key, read_private
from gateway.clock import Clock
from gateway.crypto.sm import sign_async, verify_async
from gateway.errors import ConfigurationError, NotSentError, UnknownOutcomeError
from gateway.fsi import schemes
from gateway.fsi.breaker import Breaker
from gateway.fsi.definitions import Definitions
from gateway.fsi.envelope import (
    build_request,
    signature_bytes,
    signature_text,
    signed_bytes,
    text_to_sign,
)
from gateway.fsi.late import LateReplies
from gateway.fsi.profiles import Profile
from gateway.fsi.replies import ReplyEnvelope, read_reply
from gateway.fsi.transport import Listen, Reply, StreamedReply, Transport
from gateway.intents import Accepted, Call, NotSent, Outcome, Rejected, Unknown
from gateway.intents import Reply as AnswerOfPlatform
from gateway.settings import ChannelSettings

FILE_DOWNLOAD = "9102"
ZIP = b"PK\x03\x04"
"""How the file begins that 9102 answers in place of an envelope; it has no signature."""


def _nonce() -> str:
    return secrets.token_hex(16)


def endpoint(base: str, profile: Profile, infno: str) -> str:
    """The URL of a transaction.

    >>> from gateway.fsi.profiles import load_profile
    >>> endpoint("http://hsa.example/hgs/", load_profile("guangdong"), "2207")
    'http://hsa.example/hgs/2207'

    Raises:
        NotSentError: the profile has no path for it.
    """
    if profile.url_form == "append-infno":
        return f"{base.rstrip('/')}/{infno}"
    if profile.url_form == "service-path":
        path = profile.service_paths.get(infno)
        if path is None:
            raise NotSentError(f"profile {profile.name} has no path for {infno}")
        return base.rstrip("/") + path
    return base


class Channel:
    """Sends calls to one platform and says what became of them."""

    def __init__(
        self,
        settings: ChannelSettings,
        profile: Profile,
        transport: Transport,
        clock: Clock,
        *,
        nonce: Callable[[], str] = _nonce,
        late: LateReplies | None = None,
    ) -> None:
        """Read the secret and the keys; `late` listens for replies that do not come in time.

        Raises:
            ConfigurationError: a file cannot be read or holds something else, or the profile
                signs and there is no key.
        """
        self.name = settings.name
        self.profile = profile
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._nonce = nonce
        self._late = late
        self._definitions = Definitions.load(profile.edition)
        secret, signing = settings.secret_file, settings.signing_key_file
        platform = settings.platform_public_key_file
        self._secret = read_private(secret).decode().strip() if secret else ""
        self._signer = load_signing_key(signing) if signing else None
        self._platform = load_verify_key(platform) if platform else None
        if profile.cainfo != "none" and self._signer is None:
            raise ConfigurationError(
                f"channel {settings.name}: profile {profile.name} signs, and there is no"
                " signing_key_file"
            )
        self._places = asyncio.Semaphore(settings.max_connections)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_seconds, clock)

    @property
    def breaker_open(self) -> bool:
        """True while calls are not tried."""
        return self._breaker.is_open

    async def send(self, call: Call, *, msgid: str, sign_no: str, listen: bool = False) -> Outcome:
        """Send once, and say what became of it; nothing that happens on the way is raised.

        With `listen`, and for money in any case, the reply is listened for after its time is over.
        """
        if not self._breaker.allows():
            seconds = self._breaker.seconds_left()
            return NotSent(f"channel {self.name} is paused for {seconds} s after failures")
        try:
            return await self._send_in_turn(call, msgid, sign_no, listen=listen)
        except NotSentError as error:
            return NotSent(error.reason)
        except UnknownOutcomeError as error:
            return Unknown(str(error))
        except Exception as error:  # noqa: BLE001 - what nobody foresaw may have happened after the send
            return Unknown(f"unexpected: {type(error).__name__}")
        finally:
            self._breaker.abandoned()

    @asynccontextmanager
    async def stream(
        self, call: Call, *, msgid: str, sign_no: str, headers: Mapping[str, str]
    ) -> AsyncIterator[StreamedReply]:
        """Send once, and give the reply while it arrives: for files, never for money.

        `headers` are sent beside those of the scheme (`Range`).

        Raises:
            NotSentError: nothing left.
            UnknownOutcomeError: no head of a reply.
        """
        if not self._breaker.allows():
            seconds = self._breaker.seconds_left()
            raise NotSentError(f"channel {self.name} is paused for {seconds} s after failures")
        trying = False
        try:
            async with self._place():
                url, own, body = await self._prepare(call, msgid, sign_no)
                trying = True
                async with self._transport.stream(
                    url,
                    {**own, **headers},
                    body,
                    connect_timeout=self._settings.connect_timeout,
                    timeout=self._settings.timeout,
                ) as reply:
                    trying = False
                    self._breaker.reached()
                    yield reply
        except NotSentError:
            if trying:
                self._breaker.failed()
            raise
        except UnknownOutcomeError:
            self._breaker.reached()
            raise
        finally:
            self._breaker.abandoned()

    async def outcome(self, infno: str, reply: Reply) -> Outcome:
        """What a reply that was read elsewhere says; nothing is raised."""
        try:
            return await self._outcome(infno, reply)
        except NotSentError as error:
            return NotSent(error.reason)
        except UnknownOutcomeError as error:
            return Unknown(str(error))

    async def close(self) -> None:
        """Nothing is kept open here; the transport is closed by whoever made it."""

    async def _send_in_turn(self, call: Call, msgid: str, sign_no: str, *, listen: bool) -> Outcome:
        async with self._place():
            request = await self._prepare(call, msgid, sign_no)
            fresh = self._is_money(call)
            listener = self._listener(call.infno, msgid, fresh=fresh) if fresh or listen else None
            reply = await self._post(*request, fresh=fresh, listen=listener)
        return await self._outcome(call.infno, reply)

    def as_first_told(self, outcome: Outcome) -> Outcome:
        """A refusal because the msgid is known says that it came twice, not what the first did."""
        if not isinstance(outcome, Rejected):
            return outcome
        known = self.profile.classify(outcome.reply.err_msg) == "duplicate-msgid"
        return Unknown("the platform has this message id already") if known else outcome

    def _listener(self, infno: str, msgid: str, *, fresh: bool) -> Listen | None:
        """Who listens for a reply that does not come in time; money (`fresh`) goes before others.

        A refusal for the sign-in comes before the message id is looked at: where the request came
        twice, it says nothing of the first copy.
        """
        if self._late is None or self._settings.late_reply <= 0:
            return None

        async def read(reply: Reply) -> Outcome:
            outcome = self.as_first_told(await self.outcome(infno, reply))
            expired = isinstance(outcome, Rejected) and (
                self.profile.classify(outcome.reply.err_msg) == "sign-in-expired"
            )
            return Unknown("it may be of a second copy") if expired else outcome

        seconds = self._settings.late_reply
        return self._late.listener(msgid, infno, seconds=seconds, read=read, first=fresh)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await self._places.acquire()
        except TimeoutError:
            raise NotSentError(f"channel {self.name} is busy") from None
        try:
            yield
        finally:
            self._places.release()

    def _is_money(self, call: Call) -> bool:
        return call.money or call.infno in self.profile.money

    async def _prepare(
        self, call: Call, msgid: str, sign_no: str
    ) -> tuple[str, dict[str, str], bytes]:
        try:
            return await self._request(call, msgid, sign_no)
        except NotSentError:
            raise
        except Exception as error:
            reason = f"the request cannot be written: {type(error).__name__}"
            raise NotSentError(reason) from error

    async def _request(
        self, call: Call, msgid: str, sign_no: str
    ) -> tuple[str, dict[str, str], bytes]:
        now = self._clock.now()
        url = endpoint(self._settings.url, self.profile, call.infno)
        cainfo = ""
        text = text_to_sign(call, self.profile)
        if self._signer is not None and text is not None:
            cainfo = signature_text(await sign_async(self._signer, text))
        body = build_request(
            call, msgid=msgid, sign_no=sign_no, now=now, profile=self.profile, cainfo=cainfo
        )
        headers = schemes.headers(
            self.profile,
            call.infno,
            account=self._settings.account,
            secret=self._secret,
            now=now,
            nonce=self._nonce(),
        )
        kind = {"Content-Type": self.profile.content_type}
        return url, {**kind, **self.profile.http_headers, **headers}, body

    async def _post(
        self,
        url: str,
        headers: dict[str, str],
        body: bytes,
        *,
        fresh: bool,
        listen: Listen | None,
    ) -> Reply:
        try:
            reply = await self._transport.post(
                url,
                headers,
                body,
                connect_timeout=self._settings.connect_timeout,
                timeout=self._settings.timeout,
                fresh=fresh,
                listen=listen,
            )
        except NotSentError:
            self._breaker.failed()
            raise
        except UnknownOutcomeError:
            self._breaker.reached()
            raise
        self._breaker.reached()
        return reply

    async def _outcome(self, infno: str, reply: Reply) -> Outcome:
        if reply.status >= 500:
            raise UnknownOutcomeError(f"HTTP {reply.status}")
        transaction = self._definitions.transaction(infno) if infno in self._definitions else None
        if infno == FILE_DOWNLOAD and reply.status == 200 and reply.body.startswith(ZIP):
            return Accepted(AnswerOfPlatform(infcode="0", content=reply.body))
        envelope = read_reply(reply.body, transaction)
        if not await self._trusted(envelope):
            raise UnknownOutcomeError("the signature of the reply does not verify")
        return Accepted(envelope.reply) if envelope.accepted else Rejected(envelope.reply)

    async def _trusted(self, envelope: ReplyEnvelope) -> bool:
        if self._platform is None:
            return True
        signature = signature_bytes(envelope.cainfo)
        return await verify_async(self._platform, signature, signed_bytes(envelope.output))
