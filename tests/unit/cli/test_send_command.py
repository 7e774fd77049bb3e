"""`send`: the exit code says what is certain about the message."""

from __future__ import annotations

import http.server
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]

MESSAGE = b"MSH|^~\\&|HIS|H|||20260301||ADT^A04|M1|P|2.5.1\nPID|1\n"
HEAD = b"MSH|^~\\&|GW|G|HIS|H|20260301||ACK^A04|R1|P|2.5.1\r"


class Listener:
    """A port that takes one framed message a connection and answers as told."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.received = b""
        self.address = ""

    def serve(self, connection: socket.socket) -> None:
        """Read to the end of the frame, then write the answers."""
        while not self.received.endswith(b"\x1c\r"):
            data = connection.recv(4096)
            if not data:
                return
            self.received += data
        for answer in self.answers:
            connection.sendall(b"\x0b" + answer + b"\x1c\r")


@contextmanager
def listening(*answers: bytes) -> Iterator[Listener]:
    """A listener on a free port."""
    listener = Listener(*answers)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            listener.serve(self.request)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        listener.address = f"127.0.0.1:{server.server_address[1]}"
        yield listener
        server.shutdown()
        thread.join()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, bytes, str]]]]:
    """An HTTP server that gives one answer, and what it was asked."""
    asked: list[tuple[str, bytes, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, content, self.headers.get("Authorization", "")))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An HL7 message as an editor saves it."""
    path = tmp_path / "message.hl7"
    path.write_bytes(MESSAGE)
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (b"MSA|AA|M1\r", 0),
        (b"MSA|AE|M1\rERR||PID^1|101^x^HL70357|E|FIELD-REQUIRED\r", 1),
        (b"MSA|AR|M1\r", 1),
        (b"MSA|AR|M1\rERR|||207|E|FSI-NOTSENT\r", 4),
        (b"MSA|AE|M1\rERR|||207|E|FSI-UNKNOWN^x\r", 5),
    ],
    ids=["accepted", "refused", "rejected", "not sent", "unknown"],
)
def test_the_acknowledgement_decides_the_exit_code(
    run: Run, file: Path, segments: bytes, expected: int
) -> None:
    """Accepted 0, refused 1, not sent 4, unknown 5; every segment is printed."""
    with listening(HEAD + segments) as listener:
        code, out, _ = run("send", file, "--mllp", listener.address)
    assert code == expected
    assert out.splitlines()[1:] == segments.decode().rstrip("\r").split("\r")


def test_line_feeds_of_a_file_become_segment_ends(run: Run, file: Path) -> None:
    """The frame holds the message with CR, as the protocol wants it."""
    with listening(HEAD + b"MSA|AA|M1\r") as listener:
        run("send", file, "--mllp", listener.address)
    assert listener.received == b"\x0b" + MESSAGE.replace(b"\n", b"\r") + b"\x1c\r"


def test_the_application_acknowledgement_is_awaited_in_enhanced_mode(
    run: Run, tmp_path: Path
) -> None:
    """CA says only that the message arrived; the second message says what became of it."""
    path = tmp_path / "enhanced.hl7"
    path.write_bytes(b"MSH|^~\\&|HIS|H|||20260301||ADT^A04|M1|P|2.5.1|||AL|AL\r")
    with listening(HEAD + b"MSA|CA|M1\r", HEAD + b"MSA|AE|M1\r") as listener:
        code, out, _ = run("send", path, "--mllp", listener.address)
    assert code == 1
    assert "MSA|CA|M1" in out
    assert "MSA|AE|M1" in out


def test_an_answer_in_gb18030_is_readable(run: Run, file: Path) -> None:
    """Chinese error texts are printed as text."""
    with listening(HEAD + "MSA|AE|M1\rERR||||E|||请勿重复\r".encode("gb18030")) as listener:
        _, out, _ = run("send", file, "--mllp", listener.address)
    assert "请勿重复" in out


def test_a_port_that_nobody_listens_on_was_sent_nothing(run: Run, file: Path) -> None:
    """Exit code 4: try again later."""
    code, _, err = run("send", file, "--mllp", f"127.0.0.1:{free_port()}")
    assert code == 4
    assert "nothing was sent" in err


def test_a_connection_that_closes_without_answer_leaves_the_outcome_unknown(
    run: Run, file: Path
) -> None:
    """Exit code 5: the message may have been carried out."""
    with listening() as listener:
        code, _, err = run("send", file, "--mllp", listener.address)
    assert code == 5
    assert "do not repeat" in err


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"infcode": 0, "output": {"a": 12.50}}', 0),
        (200, '{"infcode": -1, "err_msg": "人员已停保"}'.encode(), 1),
        (422, b'{"infcode": -1}', 1),
        (409, b'{"infcode": -1}', 1),
        (503, b'{"infcode": -1}', 4),
        (504, b'{"infcode": -1}', 5),
        (500, b"oops", 5),
    ],
)
def test_the_reply_of_the_national_json_decides_the_exit_code(
    run: Run, tmp_path: Path, status: int, body: bytes, expected: int
) -> None:
    """Status and infcode together; the transaction of the envelope goes into the path."""
    path = tmp_path / "envelope.json"
    path.write_text('{"infno": "1101", "msgid": "x"}')
    with answering(status, body) as (url, asked):
        code, out, _ = run("send", path, "--fsi", f"{url}/fsi", "--token", "secret")
    assert code == expected
    assert out.startswith(f"HTTP {status}\n")
    assert asked == [("/fsi/1101", path.read_bytes(), "Bearer secret")]


def test_amounts_in_an_answer_are_printed_as_they_were_sent(run: Run, tmp_path: Path) -> None:
    """12.50 stays 12.50."""
    path = tmp_path / "envelope.json"
    path.write_text('{"infno": "1101"}')
    with answering(200, b'{"infcode": 0, "output": {"balc": 12.50}}') as (url, _):
        _, out, _ = run("send", path, "--fsi", url)
    assert '"balc": "12.50"' in out


@pytest.mark.parametrize(
    ("kind", "target"),
    [("Claim", "/fhir/r4/Claim"), ("Bundle", "/fhir/r4/Claim/$submit"), ("Task", "/fhir/r4/Task")],
)
def test_a_fhir_resource_goes_to_its_type(run: Run, tmp_path: Path, kind: str, target: str) -> None:
    """A Bundle is submitted."""
    path = tmp_path / "resource.json"
    path.write_text(f'{{"resourceType": "{kind}"}}')
    body = b'{"resourceType": "ClaimResponse", "outcome": "complete"}'
    with answering(201, body) as (url, asked):
        code, _, _ = run("send", path, "--fhir", f"{url}/fhir/r4")
    assert code == 0
    assert asked[0][0] == target


@pytest.mark.parametrize(
    ("status", "outcome", "expected"), [(201, "error", 1), (201, "queued", 5), (202, "queued", 5)]
)
def test_the_outcome_of_a_claim_response_decides(
    run: Run, tmp_path: Path, status: int, outcome: str, expected: int
) -> None:
    """Refused is 1; queued is not known yet."""
    path = tmp_path / "resource.json"
    path.write_text('{"resourceType": "Claim"}')
    with answering(status, f'{{"outcome": "{outcome}"}}'.encode()) as (url, _):
        assert run("send", path, "--fhir", url)[0] == expected


def test_exactly_one_target_is_needed(run: Run, file: Path) -> None:
    """None and two are usage errors, as is an address without port."""
    assert run("send", file)[0] == 2
    assert run("send", file, "--mllp", "h:1", "--fhir", "http://h")[0] == 2
    assert run("send", file, "--mllp", "localhost")[0] == 2
    assert run("send", file, "--fhir", "http://h")[0] == 2
