"""Shared secrets (gateway schemes, bearer tokens) made for development."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from certs.files import read_private, write_private

SUFFIX: Final = ".secret"
_BYTES: Final = 32


def ensure_secret(folder: Path, name: str) -> Path:
    """The file `<name>.secret` with a random text; made when it is not there.

    Raises:
        ConfigurationError: it cannot be written, or is open to other users.
    """
    path = folder / f"{name}{SUFFIX}"
    if path.exists():
        read_private(path)
    else:
        write_private(path, f"{secrets.token_urlsafe(_BYTES)}\n".encode())
    return path
