"""A hospital's side of the interface: gateway headers, envelope, signature, session.

For trying a platform from outside, with nothing of the gateway in between. It retries nothing
and hides nothing: what came back is what is given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp

from conformance.platform import wire
from conformance.platform.call import STAMP, TIME
from conformance.platform.config import RegionConfig
from gateway.crypto.sm import SigningKey, VerifyKey

HTTP_BAD_REQUEST = 400


class Client:
    """One institution at one centre.

    `url` is the platform's (`http://host:port`), `region` the centre as it is configured, `key`
    the institution's, `platform_key` the centre's when its replies are to be verified. `clock`
    gives China Standard Time. `sign_no` and `last_msgid` are what was used last.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        region: RegionConfig,
        *,
        key: SigningKey,
        platform_key: VerifyKey | None,
        clock: Callable[[], datetime],
        admin_token: str = "",
    ) -> None:
        self.session = session
        self.url = url
        self.region = region.code
        self.config = region
        self.institution = region.institutions[0]
        self.clock = clock
        self.admin_token = admin_token
        self.sign_no = ""
        self.last_msgid = ""
        self._key = key
        self._platform_key = platform_key
        self._serial = 0

    def new_msgid(self) -> str:
        """A message id that this client has not used."""
        self._serial += 1
        stamp = self.clock().strftime(STAMP)
        return f"{self.institution.fixmedins_code}{stamp}{self._serial:04d}"

    def first_serial(self, serial: int) -> None:
        """Number message ids from here: another client may have used those before."""
        self._serial = serial

    def headers(self, infno: str) -> dict[str, str]:
        """The headers of the region's service gateway, made now."""
        now, account, secret = self.clock().timestamp(), self.config.account, self.config.secret
        if self.config.scheme == wire.X_TIF:
            seconds, nonce = str(int(now)), secrets.token_hex(8)
            text = f"{seconds}{secret}{nonce}{seconds}"
            return {
                "x-tif-paasid": account,
                "x-tif-timestamp": seconds,
                "x-tif-nonce": nonce,
                "x-tif-signature": hashlib.sha256(text.encode()).hexdigest(),
            }
        if self.config.scheme == wire.APIKEY:
            return {"apikey": secret}
        if self.config.scheme == wire.OPEN:
            return {}
        headers = {
            "_api_access_key": account,
            "_api_name": infno,
            "_api_timestamp": str(int(now * (1000 if self.config.milliseconds else 1))),
            "_api_version": "1.0.0",
        }
        text = "&".join(f"{name}={value}" for name, value in headers.items())
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
        return {**headers, "_api_signature": base64.b64encode(digest).decode()}

    def envelope(self, infno: str, content: Any, /, *, insuplc: str = "", **changes: Any) -> bytes:
        """A request, signed over its input; `changes` replace members of the envelope."""
        self.last_msgid = changes.pop("msgid", "") or self.new_msgid()
        signature = self._key.sign(wire.canonical_text(content).encode())
        return wire.encode(
            {
                "infno": infno,
                "msgid": self.last_msgid,
                "mdtrtarea_admvs": self.region,
                "insuplc_admdvs": insuplc,
                "recer_sys_code": "99",
                "cainfo": base64.b64encode(signature).decode(),
                "signtype": "SM2",
                "infver": "1.0.0",
                "opter_type": "1",
                "opter": "001",
                "opter_name": "收费员",
                "inf_time": self.clock().strftime(TIME),
                "fixmedins_code": self.institution.fixmedins_code,
                "fixmedins_name": self.institution.fixmedins_name,
                "sign_no": self.sign_no,
                "input": content,
                **changes,
            }
        )

    async def post(
        self, infno: str, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """The status and body that come back.

        Raises:
            aiohttp.ClientError: the connection failed.
        """
        tail = f"/{infno}" if self.config.scheme == wire.X_TIF else ""
        async with self.session.post(
            f"{self.url}/{self.region}{tail}",
            data=body,
            headers=self.headers(infno) if headers is None else headers,
        ) as response:
            return response.status, await response.read()

    async def send(
        self, infno: str, content: Any, /, *, insuplc: str = "", **changes: Any
    ) -> dict[str, Any]:
        """The reply, its signature verified where a key is known.

        Raises:
            aiohttp.ClientError: the connection failed.
            ValueError: what came back is no reply, or is not signed by the centre.
        """
        body = self.envelope(infno, content, insuplc=insuplc, **changes)
        status, answer = await self.post(infno, body)
        reply = wire.decode(answer)
        if status != 200 or not isinstance(reply, dict):
            raise ValueError(f"no reply: HTTP {status}")
        if not self.verifies(reply):
            raise ValueError("the reply is not signed by the centre")
        return reply

    def verifies(self, reply: dict[str, Any]) -> bool:
        """True when the centre signed this output, or no key is known to ask."""
        if self._platform_key is None:
            return True
        signature = base64.b64decode(reply.get("cainfo") or "")
        text = wire.canonical_text(reply.get("output"))
        return self._platform_key.verify(signature, text.encode())

    async def sign_in(self, opter_no: str = "001") -> None:
        """9001: later requests carry its number.

        Raises:
            ValueError: it was refused.
        """
        content = {"signIn": {"opter_no": opter_no, "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}}
        reply = await self.send("9001", content)
        if str(reply["infcode"]) != "0":
            raise ValueError(reply["err_msg"])
        self.sign_no = reply["output"]["signinoutb"]["sign_no"]

    # The admin paths ----------------------------------------------------------------------------

    async def admin(self, method: str, path: str, document: Any = None) -> Any:
        """What an admin path answers (see `admin`).

        Raises:
            ValueError: it refused.
        """
        async with self.session.request(
            method,
            f"{self.url}/admin/{path}",
            data=None if document is None else wire.encode(document),
            headers={"Authorization": f"Bearer {self.admin_token}"},
        ) as response:
            answer = wire.decode(await response.read())
            if response.status >= HTTP_BAD_REQUEST:
                raise ValueError(f"HTTP {response.status}: {answer}")
            return answer

    async def fault(self, kind: str, infno: str, **members: Any) -> None:
        """Order a fault for this region and transaction (see `faults`)."""
        fault = {"kind": kind, "region": self.region, "infno": infno, **members}
        await self.admin("POST", "faults", fault)

    async def settlements(self, state: str = "settled") -> list[dict[str, Any]]:
        """The settlements in a state, of every region."""
        rows = await self.admin("GET", f"settlements?state={state}")
        assert isinstance(rows, list)
        return rows
