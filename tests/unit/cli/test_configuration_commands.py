"""`check-config`, `keys`, and how the command ends when something is wrong."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import commands
from gateway.crypto.sm import SigningKey, VerifyKey

Run = Callable[..., tuple[int, str, str]]


def test_the_version_is_printed(run: Run) -> None:
    """As a command and as an option."""
    code, out, _ = run("version")
    assert (code, out.count(".")) == (0, 2)
    assert run("--version")[1] == out


def test_an_unknown_command_or_option_is_a_usage_error(run: Run) -> None:
    """Exit code 2, as shells expect."""
    assert run("no-such-command")[0] == 2
    assert run("version", "--no-such-option")[0] == 2


def test_good_settings_are_summed_up(run: Run, config: Path) -> None:
    """Ports, institutions, channels with profiles, peers; nothing is started."""
    code, out, _ = run("check-config", "--config", config)
    assert code == 0
    assert "changsha (hunan)" in out
    assert out.endswith("ok\n")
    assert not (config.parent / "journal.db").exists()


def test_good_settings_as_json(run: Run, config: Path) -> None:
    """For deployment scripts."""
    code, out, _ = run("check-config", "--json", "-c", config)
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_missing_settings_end_with_the_configuration_code(run: Run, tmp_path: Path) -> None:
    """Exit code 3 and the name of the file."""
    code, _, err = run("check-config", "--config", tmp_path / "none.toml")
    assert code == 3
    assert "none.toml" in err


def test_every_wrong_key_is_named(run: Run, config: Path) -> None:
    """Two mistakes are two lines, so that one run finds both."""
    with config.open("a", encoding="utf-8") as file:
        file.write('colour = "red"\n[http]\nport = 70000\n')
    code, _, err = run("check-config", "--config", config)
    assert code == 3
    assert "peers.0.colour: unknown key" in err
    assert "http.port" in err


def test_an_unknown_log_level_is_found_before_the_start(run: Run, config: Path) -> None:
    """The levels are listed."""
    config.write_text('[log]\nlevel = "LOUD"\n' + config.read_text("utf-8"), "utf-8")
    for command in ("check-config", "serve"):
        code, _, err = run(command, "--config", config)
        assert code == 3
        assert "WARNING" in err


def test_a_key_file_that_is_none_is_found_before_the_start(run: Run, config: Path) -> None:
    """A certificate in place of the key would otherwise fail at the first call."""
    (config.parent / "our.pem").write_text("no key")
    code, _, err = run("check-config", "--config", config)
    assert code == 3
    assert "channel changsha" in err


def test_a_key_pair_is_made_once_and_its_secret_is_the_owners_alone(
    run: Run, tmp_path: Path
) -> None:
    """Mode 600; a second run overwrites nothing and says so."""
    code, out, _ = run("keys", "init", tmp_path / "keys", "--json")
    assert code == 0
    secret, public = tmp_path / "keys/gateway.sm2.key", tmp_path / "keys/gateway.sm2.pub"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    key = SigningKey.from_pem(secret.read_bytes())
    assert VerifyKey.from_pem(public.read_bytes()) == key.public_key()
    assert json.loads(out)["raw"] == key.public_key().to_raw().hex()
    before = secret.read_bytes()
    code, _, err = run("keys", "init", tmp_path / "keys")
    assert code == 2
    assert "not overwritten" in err
    assert secret.read_bytes() == before


def test_the_keys_of_the_channels_are_listed(run: Run, config: Path) -> None:
    """Ours and the platform's; 0 when all are good."""
    code, out, _ = run("keys", "list", "--config", config)
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines()[1:]]
    assert [(row[1], row[4]) for row in rows] == [("our key", "ok"), ("platform's key", "ok")]
    assert rows[0][3] == rows[1][3]


def test_a_secret_that_others_may_read_is_refused_everywhere(run: Run, config: Path) -> None:
    """The list says what to do, and the check refuses what the start would refuse."""
    (config.parent / "our.pem").chmod(0o644)
    code, out, _ = run("keys", "list", "--json", "--config", config)
    assert code == 1
    assert "0600" in json.loads(out)[0]["state"]
    assert run("check-config", "--config", config)[0] == 3


def test_a_defect_prints_type_and_place_and_no_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of an exception may quote a message; it is not printed."""

    def broken(_text: str) -> None:
        raise ValueError("43019919800101001X")

    monkeypatch.setattr(commands, "say", broken)
    code, out, err = run("version")
    assert code == 70
    assert err.startswith("defect: ValueError at gateway.cli.commands:")
    assert "43019919800101001X" not in out + err
