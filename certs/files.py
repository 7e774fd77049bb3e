"""Files that hold secrets: who may read them, and how they come into being whole.

A private file is made with mode 0600 and is never overwritten by accident. It is refused when
other users may read or change it, or its group may change it; a group may read it, because that
is how container platforms hand out secrets.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
_OPEN_TO_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
_LARGEST: Final = 1_048_576
"""Bytes of a key file at most; a larger one is no key."""


def mode_problem(path: Path) -> str:
    """What is wrong with who may use a private file; empty when nothing is.

    Raises:
        ConfigurationError: there is no such file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OPEN_TO_OTHERS:
        return f"is open to other users (mode {mode:04o}): set it to 0600"
    return ""


def read_private(path: Path) -> bytes:
    """The content of a private file.

    Raises:
        ConfigurationError: it cannot be read, is open to other users, or is no key by its size.
    """
    problem = mode_problem(path)
    if problem:
        raise ConfigurationError(problem, file=str(path))
    content = read_public(path)
    if not content.strip():
        raise ConfigurationError("is empty", file=str(path))
    return content


def read_public(path: Path) -> bytes:
    """The content of a file that need not be private.

    Raises:
        ConfigurationError: it cannot be read, or is larger than a key ever is.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if len(content) > _LARGEST:
        raise ConfigurationError("is larger than any key", file=str(path))
    return content


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file that only its owner may read; it appears whole or not at all.

    Raises:
        ConfigurationError: it exists and `replace` is false, or it cannot be written.
    """
    _write(path, content, PRIVATE_MODE, replace=replace)


def write_public(path: Path, content: bytes, *, replace: bool = False) -> None:
    """The same for a file that everybody may read."""
    _write(path, content, PUBLIC_MODE, replace=replace)


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if replace:
                draft.replace(path)
            else:
                path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigurationError("exists and is not overwritten", file=str(path)) from None
    except OSError as error:
        raise ConfigurationError(f"cannot be written: {error.strerror}", file=str(path)) from error
