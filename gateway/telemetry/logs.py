"""Set-up of the log lines: one stream, one shape, whoever writes.

structlog writes our own lines. Lines of libraries come through the standard library's `logging`
and are turned into ours: logger, place in the source and, for an exception, its type and line.
Their text is left out on purpose, because a library may quote whatever it was given.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog

from gateway.errors import ConfigurationError
from gateway.settings import LogFormat, LogSettings
from gateway.telemetry.redaction import EventDict, Redactor, describe_exception

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

LIBRARY_EVENT = "library"
"""Event of a line that a library wrote."""

Logger = structlog.typing.FilteringBoundLogger

_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logging(
    settings: LogSettings,
    *,
    stream: TextIO | None = None,
    on_drop: Callable[[int], None] = lambda _count: None,
) -> None:
    """Send every line of the process through the redaction to `stream` (standard error).

    Replaces the handlers of the root logger. Uncaught exceptions of the main thread and of other
    threads become lines too, so that no traceback with its message reaches the stream.

    Raises:
        ConfigurationError: the settings name no level.
    """
    target = sys.stderr if stream is None else stream
    level = level_of(settings)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            describe_exception,
            Redactor(on_drop),
            _renderer(settings.format, target),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LibraryHandler):
            root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    root.setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def level_of(settings: LogSettings) -> int:
    """The level of the settings as `logging` counts it.

    Raises:
        ConfigurationError: there is no such level.
    """
    if settings.level.upper() not in LEVELS:
        raise ConfigurationError(f"[log] level {settings.level!r}: one of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[settings.level.upper()]


def get_logger() -> Logger:
    """The logger of the process."""
    logger: Logger = structlog.get_logger()
    return logger


class LibraryHandler(logging.Handler):
    """Turns a record of the standard library into a line of ours, without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; a failure here never reaches the code that logged."""
        fields: dict[str, Any] = {
            "logger": record.name,
            "where": f"{record.module}:{record.lineno} {record.funcName}",
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["exc_info"] = record.exc_info
        with suppress(Exception):
            get_logger().log(min(record.levelno, logging.CRITICAL), LIBRARY_EVENT, **fields)


def _renderer(form: LogFormat, target: TextIO) -> Callable[[Any, str, EventDict], str]:
    if form is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(colors=target.isatty(), pad_event_to=0)

    def render(_logger: Any, _method: str, event: EventDict) -> str:
        return _encode(event).decode()

    return render


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger().critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
