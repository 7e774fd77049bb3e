"""`gateway keys client` and `gateway keys assertion`."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import jwt

from gateway.inbound.smart import read_keys

Run = Callable[..., tuple[int, str, str]]
AUDIENCE = "https://gateway.example/oauth/token"


def test_the_keys_of_a_client_sign_what_the_gateway_checks(run: Run, tmp_path: Path) -> None:
    """The private file is the owner's; the public one is a key set that the gateway takes."""
    code, out, _ = run("keys", "client", tmp_path / "keys", "--name", "app")
    private, public = tmp_path / "keys" / "app.client.key", tmp_path / "keys" / "app.jwks.json"
    assert code == 0
    assert str(private) in out
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "d" not in json.loads(public.read_text("utf-8"))["keys"][0]

    code, out, _ = run("keys", "assertion", private, "--client", "app", "--audience", AUDIENCE)
    signed = out.strip()
    key = read_keys(public)[jwt.get_unverified_header(signed)["kid"]]
    claims = jwt.decode(signed, key, algorithms=["ES384"], audience=AUDIENCE)
    assert code == 0
    assert (claims["iss"], claims["sub"]) == ("app", "app")


def test_keys_of_a_client_are_never_overwritten(run: Run, tmp_path: Path) -> None:
    """A second time is an error that names the file."""
    run("keys", "client", tmp_path)
    before = (tmp_path / "client.client.key").read_bytes()
    code, _, err = run("keys", "client", tmp_path)
    assert code == 2
    assert "client.client.key" in err
    assert (tmp_path / "client.client.key").read_bytes() == before


def test_another_file_signs_nothing(run: Run, tmp_path: Path) -> None:
    """What is no P-384 key is said with its name."""
    path = tmp_path / "x.client.key"
    path.write_text("no key", "utf-8")
    path.chmod(0o600)
    code, out, err = run("keys", "assertion", path, "--client", "a", "--audience", AUDIENCE)
    assert (code, out) == (2, "")
    assert "x.client.key" in err


def test_settings_with_a_key_set_that_is_no_good_are_refused(run: Run, config: Path) -> None:
    """`check-config` reads what `serve` would read, and wants to know the URL of the port."""
    (config.parent / "app.jwks.json").write_text('{"keys": []}', "utf-8")
    text = config.read_text("utf-8") + 'jwks_file = "app.jwks.json"\n'
    config.write_text(text, "utf-8")
    code, _, err = run("check-config", "--config", config)
    assert code == 3
    assert "app.jwks.json: holds no key" in err

    run("keys", "client", config.parent, "--name", "lis")
    public = text.replace("app.jwks", "lis.jwks") + '[http]\nhost = "::"\n'
    config.write_text(public, "utf-8")
    assert "public_url" in run("check-config", "--config", config)[2]
