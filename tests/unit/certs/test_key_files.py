from pathlib import Path

import pytest

from certs import read_private, write_private, write_public
from gateway.errors import ConfigurationError


def mode(path: Path) -> int:
    """The permission bits."""
    return path.stat().st_mode & 0o777


def test_a_private_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, in a folder that is made with mode 0700."""
    path = tmp_path / "keys" / "a.key"
    write_private(path, b"secret")
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert read_private(path) == b"secret"


def test_a_public_file_may_be_read_by_all(tmp_path: Path) -> None:
    """The other side gets it anyway."""
    write_public(tmp_path / "a.pub", b"x")
    assert mode(tmp_path / "a.pub") == 0o644


@pytest.mark.parametrize("bits", [0o604, 0o644, 0o606, 0o620, 0o660, 0o777])
def test_a_private_file_that_others_can_reach_is_refused(tmp_path: Path, bits: int) -> None:
    """Readable by the world, or writable by the group, is an error that names file and mode."""
    path = tmp_path / "a.key"
    write_private(path, b"secret")
    path.chmod(bits)
    with pytest.raises(ConfigurationError, match=f"{bits:04o}") as caught:
        read_private(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("bits", [0o600, 0o400, 0o640, 0o440])
def test_a_private_file_that_its_group_may_read_is_taken(tmp_path: Path, bits: int) -> None:
    """Container platforms hand out secrets like that."""
    path = tmp_path / "a.key"
    write_private(path, b"secret")
    path.chmod(bits)
    assert read_private(path) == b"secret"


def test_a_private_file_is_not_overwritten(tmp_path: Path) -> None:
    """A key that is lost cannot be made again; no draft is left behind either."""
    path = tmp_path / "a.key"
    write_private(path, b"first")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        write_private(path, b"second")
    write_private(path, b"third", replace=True)
    assert path.read_bytes() == b"third"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.key"]


def test_what_is_no_key_file_is_refused(tmp_path: Path) -> None:
    """Absent, empty, a folder, or far too large."""
    write_private(tmp_path / "empty", b"\n")
    write_private(tmp_path / "large", b"x" * 1_048_577)
    (tmp_path / "folder").mkdir()
    for name in ("absent", "empty", "folder", "large"):
        with pytest.raises(ConfigurationError):
            read_private(tmp_path / name)
