"""`gateway send`: give a message to a gateway and print the answer so that a person can read it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from gateway.cli.exits import Exit
from gateway.cli.output import complain, say, stop
from gateway.cli.sniffing import as_segments, bare, resource_type

START, END = b"\x0b", b"\x1c\r"

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer."""

_ACCEPTED = frozenset({"AA", "CA"})


def send(
    file: Annotated[Path, typer.Argument(help="Message: HL7 v2, FHIR JSON or national JSON.")],
    *,
    mllp: Annotated[str, typer.Option(help="HOST:PORT of an MLLP port.")] = "",
    fhir: Annotated[str, typer.Option(help="Base URL, such as http://host:8080/fhir/r4.")] = "",
    fsi: Annotated[
        str, typer.Option(help="URL of the national JSON, such as http://host/fsi.")
    ] = "",
    token: Annotated[str, typer.Option(envvar="GATEWAY_TOKEN", help="Bearer token.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 60.0,
) -> None:
    """Send a message and print the answer.

    Ends with 0 when it was accepted, 1 when it was refused, 4 when nobody answers and nothing
    was carried out, 5 when the outcome is not known.
    """
    if sum(map(bool, (mllp, fhir, fsi))) != 1:
        stop(Exit.UNREADABLE, "say where to: one of --mllp, --fhir, --fsi")
    try:
        raw = file.read_bytes()
    except OSError as error:
        stop(Exit.UNREADABLE, f"{file}: {error.strerror}")
    if mllp:
        code = asyncio.run(_over_mllp(as_segments(raw), mllp, timeout))
    else:
        url = _fhir_url(fhir, raw) if fhir else _fsi_url(fsi, raw)
        media = "application/fhir+json" if fhir else "application/json; charset=utf-8"
        code = asyncio.run(_over_http(bare(raw), url, media, token, timeout))
    raise typer.Exit(int(code))


# MLLP


async def _over_mllp(message: bytes, address: str, timeout: float) -> Exit:  # noqa: ASYNC109 - the deadline of the user's choice
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        stop(Exit.UNREADABLE, f"{address!r} is not HOST:PORT")
    try:
        async with asyncio.timeout(min(timeout, 10.0)):
            reader, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), limit=MAX_ANSWER
            )
    except (OSError, TimeoutError):
        complain(f"{address} cannot be reached; nothing was sent")
        return Exit.NOT_REACHED
    try:
        async with asyncio.timeout(timeout):
            writer.write(START + message + END)
            await writer.drain()
            return await _acknowledgements(reader, _awaits_application(message))
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        complain("no answer came: the outcome is not known, do not repeat it blindly")
        return Exit.UNKNOWN
    finally:
        writer.close()


def _awaits_application(message: bytes) -> bool:
    """True when the message asks for an application acknowledgement in every case (MSH-16 AL)."""
    fields = message.split(b"\r", 1)[0].split(message[3:4])
    return len(fields) > 15 and fields[15].strip() == b"AL"


async def _acknowledgements(reader: asyncio.StreamReader, awaits_application: bool) -> Exit:  # noqa: FBT001 - two modes of one protocol
    answer = await _one(reader)
    code, verdict = _verdict(answer)
    if verdict == "CA" and awaits_application:
        code, _ = _verdict(await _one(reader))
    return code


async def _one(reader: asyncio.StreamReader) -> str:
    framed = await reader.readuntil(END)
    text = _text(framed.strip(b"\x0b\x1c\r"))
    for segment in filter(None, text.split("\r")):
        say(segment)
    return text


def _verdict(answer: str) -> tuple[Exit, str]:
    segments = [segment.split("|") for segment in answer.split("\r") if segment]
    verdict = next((s[1] for s in segments if s[0] == "MSA" and len(s) > 1), "")
    errors = [s for s in segments if s[0] == "ERR"]
    if any("FSI-UNKNOWN" in field for error in errors for field in error):
        return Exit.UNKNOWN, verdict
    if any("FSI-NOTSENT" in field for error in errors for field in error):
        return Exit.NOT_REACHED, verdict
    return Exit.OK if verdict in _ACCEPTED else Exit.PROBLEMS, verdict


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


# HTTP


def _fhir_url(base: str, raw: bytes) -> str:
    kind = resource_type(raw)
    if not kind:
        stop(Exit.UNREADABLE, "the file holds no FHIR resource")
    return f"{base.rstrip('/')}/{'Claim/$submit' if kind == 'Bundle' else kind}"


def _fsi_url(base: str, raw: bytes) -> str:
    try:
        infno = json.loads(bare(raw)).get("infno")
    except (ValueError, AttributeError, RecursionError):
        infno = None
    return f"{base.rstrip('/')}/{infno}" if infno else base


async def _over_http(body: bytes, url: str, media: str, token: str, timeout: float) -> Exit:  # noqa: ASYNC109 - the deadline of the user's choice
    headers = {"Content-Type": media}
    if media.startswith("application/fhir"):
        headers["Accept"] = media
    if token:
        headers["Authorization"] = f"Bearer {token}"
    limit = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 10.0))
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(url, data=body, headers=headers) as response,
        ):
            status, answer = response.status, await response.read()
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
        complain(f"{url} cannot be reached; nothing was sent")
        return Exit.NOT_REACHED
    except (aiohttp.ClientError, TimeoutError):
        complain("no answer came: the outcome is not known, do not repeat it blindly")
        return Exit.UNKNOWN
    say(f"HTTP {status}")
    try:
        document = json.loads(answer, parse_float=str, parse_int=str)
    except ValueError:
        say(_text(answer))
        document = None
    else:
        say(json.dumps(document, ensure_ascii=False, indent=2))
    return _http_exit(status, document)


def _http_exit(status: int, document: Any) -> Exit:
    """What the answer means, by status and, for accepted requests, by the body's own verdict."""
    if status == 503:
        return Exit.NOT_REACHED
    if status in {202, 500, 502, 504}:
        return Exit.UNKNOWN
    if status >= 400:
        return Exit.PROBLEMS
    if not isinstance(document, dict):
        return Exit.OK
    if document.get("outcome") == "queued":
        return Exit.UNKNOWN
    refused = document.get("outcome") == "error" or document.get("infcode", "0") != "0"
    return Exit.PROBLEMS if refused else Exit.OK
