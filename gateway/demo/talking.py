"""The other ends of the demonstration: an HL7 sender, a FHIR client, the platform's admin paths."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import msgspec

from gateway.inbound.mllp_client import MLLPClient

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class HL7Answer(NamedTuple):
    """An acknowledgement, split for looking at."""

    code: str
    control_id: str
    segments: list[list[str]]

    def segment(self, name: str) -> list[str]:
        """The first segment of this name, empty when there is none."""
        return next((segment for segment in self.segments if segment[0] == name), [])

    def field(self, name: str, number: int) -> str:
        """A field of the first segment of this name."""
        segment = self.segment(name)
        return segment[number] if number < len(segment) else ""

    def lines(self) -> list[str]:
        """The segments as text."""
        return ["|".join(segment) for segment in self.segments]


class HL7Sender:
    """Sends over a real MLLP connection; `encoding` is how its bytes are read back."""

    def __init__(self, host: str, port: int, encoding: str) -> None:
        self._client = MLLPClient(host, port, timeout=30.0)
        self._encoding = encoding

    async def send(self, message: bytes) -> HL7Answer:
        """Send one message; its application acknowledgement."""
        reply = (await self._client.send(message))[-1]
        text = reply.body.decode(self._encoding)
        segments = [line.split("|") for line in text.split("\r") if line]
        return HL7Answer(reply.code, reply.control_id, segments)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


class FHIRAnswer(NamedTuple):
    """An HTTP answer with its resource; numbers in it are `Decimal` or `int`."""

    status: int
    resource: dict[str, Any]

    @property
    def kind(self) -> str:
        """The resource type."""
        return str(self.resource.get("resourceType", ""))

    def total(self, code: str) -> Decimal | None:
        """The amount of a total by its category code."""
        for total in self.resource.get("total", []):
            if any(c.get("code") == code for c in total["category"]["coding"]):
                return Decimal(total["amount"]["value"])
        return None


class FHIRSender:
    """Posts to and reads from the FHIR side over HTTP."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/fhir+json",
                "Content-Type": "application/fhir+json",
            }
        )

    async def post(self, path: str, resource: dict[str, Any]) -> FHIRAnswer:
        """Post a resource."""
        async with self._session.post(f"{self._base}/{path}", data=_encode(resource)) as response:
            return FHIRAnswer(response.status, _decode(await response.read()))

    async def get(self, path: str) -> FHIRAnswer:
        """Read or search."""
        async with self._session.get(f"{self._base}/{path}") as response:
            return FHIRAnswer(response.status, _decode(await response.read()))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


class PlatformAdmin:
    """Looks into the reference platform and orders faults."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})

    async def rows(self, name: str, **wanted: str) -> list[dict[str, Any]]:
        """Rows of `settlements`, `visits`, `requests`, `ledger` or `accounts`."""
        async with self._session.get(f"{self._base}/{name}", params=wanted) as response:
            response.raise_for_status()
            rows: list[dict[str, Any]] = _decode(await response.read())
            return rows

    async def fault(self, kind: str, infno: str, **more: Any) -> None:
        """Order a fault for the next request of a transaction."""
        body = _encode({"kind": kind, "infno": infno, **more})
        async with self._session.post(f"{self._base}/faults", data=body) as response:
            response.raise_for_status()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
