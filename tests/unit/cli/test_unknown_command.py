"""`gateway unknown` against a port that answers as the gateway does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]

OPEN = {
    "msgid": "H43010000001202603010905070001",
    "infno": "2207",
    "since": "2026-03-01 09:05:07.123",
    "exchange_id": "e1",
    "peer": "his",
    "kind": "DFT^P03",
    "control_id": "C1",
    "decisions": ["nothing", "reverse"],
}


class Port:
    """Answers one status and body, and keeps what was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, {"unknown": [OPEN]}
        self.asked: list[tuple[str, str, str, Any]] = []
        port = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                token = self.headers.get("Authorization", "")
                port.asked.append((self.command, self.path, token, body))
                content = json.dumps(port.body).encode()
                self.send_response(port.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the names of the standard library

            def log_message(self, *_: object) -> None:
                """No line."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def port() -> Iterator[Port]:
    """A port in a thread."""
    opened = Port()
    thread = threading.Thread(target=opened.server.serve_forever)
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with an operator's token."""
    path = tmp_path / "operator.token"
    path.write_text("o-token\n")
    return path


def test_what_is_unknown_is_listed_and_ends_with_five(run: Run, port: Port, token: Path) -> None:
    """A script sees by the exit code that something waits."""
    code, out, _ = run("unknown", "list", "--url", port.url, "--token-file", token)
    assert code == 5
    assert OPEN["msgid"] in out
    assert port.asked == [("GET", "/operator/unknown", "Bearer o-token", None)]


def test_nothing_unknown_ends_with_zero(run: Run, port: Port, token: Path) -> None:
    """The good case."""
    port.body = {"unknown": []}
    code, out, _ = run("unknown", "list", "--url", port.url, "--token-file", token)
    assert (code, out) == (0, "every outcome is known\n")


def test_one_is_shown_with_its_history(run: Run, port: Port, token: Path) -> None:
    """What a decision needs, and everything that happened to the message."""
    step = {"time": "2026-03-01 09:05:07.100", "station": "send", "detail": {"outcome": "unknown"}}
    port.body = {"unknown": {**OPEN, "needs": ["setl_id"]}, "history": [step]}  # type: ignore[dict-item]  # one case
    code, out, _ = run("unknown", "show", OPEN["msgid"], "--url", port.url, "--token-file", token)
    assert code == 0
    assert port.asked[0][:2] == ("GET", f"/operator/unknown/{OPEN['msgid']}")
    for text in (OPEN["msgid"], "setl_id", "outcome=unknown", "2026-03-01 09:05:07.100"):
        assert text in out


def test_a_refusal_is_told_in_both_languages(run: Run, port: Port, token: Path) -> None:
    """The operator reads Chinese, the log of a script English."""
    port.status = 409
    port.body = {"error": "needs the setl_id", "error_zh": "需要setl_id"}  # type: ignore[dict-item]  # an error has a text
    arguments = ("unknown", "resolve", OPEN["msgid"], "confirm", "--operator", "o", "--note", "n")
    _, _, err = run(*arguments, "--url", port.url, "--token-file", token)
    assert "需要setl_id" in err
    assert "needs the setl_id" in err


def test_a_decision_names_who_and_why(run: Run, port: Port, token: Path) -> None:
    """Both go to the gateway with the decision."""
    port.body = {"unknown": None}
    arguments = ("unknown", "resolve", OPEN["msgid"], "confirm", "--setl-id", "S1")
    who = ("--operator", "王主任", "--note", "bureau", "--url", port.url, "--token-file", token)
    code, out, _ = run(*arguments, *who)
    assert (code, out) == (0, f"{OPEN['msgid']} is resolved: confirm\n")
    body = {"decision": "confirm", "operator": "王主任", "note": "bureau", "setl_id": "S1"}
    body |= {"mdtrt_id": "", "medfee_sumamt": "", "trt_dcla_detl_sn": ""}
    assert port.asked[0][1:] == (f"/operator/unknown/{OPEN['msgid']}", "Bearer o-token", body)


@pytest.mark.parametrize(("status", "expected"), [(409, 1), (401, 3)])
def test_a_refused_decision_has_its_exit_code(
    run: Run, port: Port, token: Path, status: int, expected: int
) -> None:
    """409: the platform does not bear it out; 401: the token is nobody's."""
    port.status, port.body = status, {"error": "another message"}  # type: ignore[dict-item]  # an error has a text
    arguments = ("unknown", "resolve", OPEN["msgid"], "nothing", "--operator", "o", "--note", "n")
    code, _, err = run(*arguments, "--url", port.url, "--token-file", token)
    assert code == expected
    assert err


def test_without_a_token_nothing_is_asked(
    run: Run, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token comes from a file or the environment."""
    monkeypatch.delenv("GATEWAY_OPERATOR_TOKEN", raising=False)
    code, _, err = run("unknown", "list", "--url", port.url)
    assert code == 3
    assert "GATEWAY_OPERATOR_TOKEN" in err
    assert port.asked == []


def test_a_gateway_that_does_not_answer_ends_with_four(run: Run, token: Path) -> None:
    """Nothing listens there."""
    code, _, _ = run("unknown", "list", "--url", "http://127.0.0.1:1", "--token-file", token)
    assert code == 4
