"""The `gateway` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway.cli.commands import app
from gateway.cli.exits import Exit
from gateway.cli.output import complain, show_problems
from gateway.errors import (
    ConfigurationError,
    GatewayError,
    MessageError,
    NotSentError,
    UnknownOutcomeError,
)
from gateway.telemetry.redaction import location

__all__ = ["Exit", "app", "main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit code.

    An error of ours ends with the code of its class and one line; a defect with its type and
    place. A traceback is never printed: it may quote the message.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="gateway")
    except BrokenPipeError:
        # The reader of the pipe has seen enough; keep the interpreter from flushing into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.OK)
    except MessageError as error:
        show_problems(error.problems)
        sys.exit(Exit.UNREADABLE)
    except GatewayError as error:
        complain(str(error))
        sys.exit(_code(error))
    except Exception as error:  # noqa: BLE001 - the last line says what broke, without its text
        complain(f"defect: {type(error).__name__} at {location(error.__traceback__)}")
        sys.exit(Exit.DEFECT)
    sys.exit(Exit.OK)


def _code(error: GatewayError) -> Exit:
    if isinstance(error, ConfigurationError):
        return Exit.CONFIGURATION
    if isinstance(error, NotSentError):
        return Exit.NOT_REACHED
    if isinstance(error, UnknownOutcomeError):
        return Exit.UNKNOWN
    return Exit.UNREADABLE
