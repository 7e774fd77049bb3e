"""A made-up hospital's settings, and a way to run the command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.crypto.sm import SigningKey
from gateway.demo.sandbox import TABLES

CONFIG = """
[journal]
path = "journal.db"

[codes]
directories = ["{tables}"]

[[institutions]]
fixmedins_code = "H43010000001"
fixmedins_name = "长沙示范医院"
mdtrtarea_admvs = "430100"
channel = "changsha"

[[channels]]
name = "changsha"
url = "http://127.0.0.1:1/430100"
profile = "hunan"
signing_key_file = "our.pem"
platform_public_key_file = "platform.pem"

[[peers]]
name = "HIS"
institutions = ["H43010000001"]
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with usable keys beside it."""
    key = SigningKey.generate()
    secret = tmp_path / "our.pem"
    secret.write_bytes(key.to_pem())
    secret.chmod(0o600)
    (tmp_path / "platform.pem").write_bytes(key.public_key().to_pem())
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(tables=TABLES), "utf-8")
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `gateway ARGUMENTS`: exit code, standard output, standard error."""

    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        output = capsys.readouterr()
        code = ended.value.code
        return int(code or 0), output.out, output.err

    return run_command
