"""docs/reference/signing.md: every command runs, prints what the page says, and agrees with us."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.crypto.sm import SigningKey, VerifyKey, raw_from_der
from gateway.fsi.sealed import Account, Reason, SealedOptions, Sealer
from gateway.fsi.sealed_text import canonical_data
from gateway.fsi.wire import decode_json

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "signing.md").read_text("utf-8")
COMMANDS = "\n".join(re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PRINTED = [line.removeprefix("# ") for line in COMMANDS.splitlines() if line.startswith("# ")]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which all commands of the page were run in order, and what they printed."""
    if any(shutil.which(name) is None for name in ("bash", "openssl", "xxd", "base64")):
        pytest.skip("the page asks for bash, openssl, xxd and base64")
    folder = tmp_path_factory.mktemp("by-hand")
    done = subprocess.run(  # noqa: S603 - commands of our own page
        ["bash", "-euo", "pipefail", "-c", COMMANDS],  # noqa: S607 - found on the path above
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return folder, done.stdout


def test_every_command_prints_what_the_page_says(played: tuple[Path, str]) -> None:
    """Each comment below a command is a part of its output, in this order."""
    assert len(PRINTED) == 4
    at = 0
    for line in PRINTED:
        at = played[1].index(line, at) + len(line)


def test_the_signature_made_by_hand_is_one(played: tuple[Path, str]) -> None:
    """The 88 characters are r and s with their zeros, over the text of the page."""
    folder, _ = played
    raw = base64.b64decode((folder / "own.txt").read_text(), validate=True)
    assert raw == raw_from_der((folder / "own.der").read_bytes())
    key = SigningKey.from_pem((folder / "own.pem").read_bytes()).public_key()
    assert key.verify(raw, (folder / "sign.txt").read_bytes())


def test_the_message_checked_by_hand_opens_here(played: tuple[Path, str]) -> None:
    """The values of the page, put together again, and the data OpenSSL decrypted."""
    folder, _ = played
    named = dict(re.findall(r"^([A-Z_]+)=([A-Za-z0-9+/=]+)$", COMMANDS, re.MULTILINE))
    assert VerifyKey.from_pem((folder / "platform.pem").read_bytes()) == VerifyKey.from_raw(
        bytes.fromhex(named["POINT"])
    )
    sealer = Sealer(
        Account(named["APP_ID"], named["APP_SECRET"]),
        SealedOptions(),
        signing_key=SigningKey.generate(),
        verify_key=VerifyKey.from_raw(bytes.fromhex(named["POINT"])),
    )
    opened = sealer.open(
        {
            "appId": named["APP_ID"],
            "encType": "SM4",
            "signType": "SM2",
            "version": "2.0.1",
            "timestamp": "20260101000000",
            "encData": named["ENC_DATA"],
            "signData": named["SIGN_DATA"],
        }
    )
    assert opened.data == json.loads((folder / "data.json").read_text("utf-8"))


def test_the_worked_example_is_what_the_code_writes() -> None:
    """The three lines of the table, and the two forms of the `cainfo` example."""
    rows = dict(re.findall(r"^\| (given|scalars as \w+) \| `(.*)` \|$", PAGE, re.MULTILINE))
    given = decode_json(rows["given"])
    assert canonical_data(given, "json") == rows["scalars as JSON"]
    assert canonical_data(given, "text") == rows["scalars as strings"]
    (example,) = re.findall(r'^(\{"data": .*\})$', PAGE, re.MULTILINE)
    assert f"printf %s '{canonical_data(decode_json(example), 'json')}' > sign.txt" in COMMANDS


def test_every_reason_and_option_stands_on_the_page() -> None:
    """Whoever is refused, or sets up a platform, finds the word."""
    first_cells = set(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE))
    assert {str(reason) for reason in Reason} <= first_cells
    assert set(SealedOptions.__struct_fields__) <= first_cells
