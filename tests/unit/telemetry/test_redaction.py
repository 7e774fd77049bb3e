"""Log lines identify exchanges, never patients."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from gateway.settings import LogFormat, LogSettings
from gateway.telemetry import Metrics, configure_logging, exchange_scope, get_logger, station
from gateway.telemetry.redaction import MASK, SHAPES, mask

NAME = "张伟示"
IDENTITY = "430199198001010019"
CARD = "A12345678"
TOKEN = "ec0f9b1d7a3344e2b8c1ZxYw"
CANARIES = (NAME, IDENTITY, CARD, TOKEN)


@pytest.fixture
def restored() -> Iterator[None]:
    """Undo what setting the logs up changes in the process."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    sys.excepthook, threading.excepthook = before[2], before[3]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def output(restored: None) -> io.StringIO:
    """The log stream of a process set up as in production."""
    stream = io.StringIO()
    configure_logging(LogSettings(level="DEBUG"), stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The lines written, parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_clean(stream: io.StringIO) -> None:
    """Something was written and none of the canaries is in it."""
    text = stream.getvalue()
    assert text
    for canary in CANARIES:
        assert canary not in text


@pytest.mark.parametrize("key", sorted(SHAPES.keys() - {"timestamp", "level"}))
def test_no_known_key_lets_an_identity_number_through(output: io.StringIO, key: str) -> None:
    """A certificate number has the shape of no key."""
    get_logger().info(**{"event": "x", key: IDENTITY})
    assert IDENTITY not in output.getvalue()


@pytest.mark.parametrize("key", sorted(SHAPES.keys() - {"timestamp", "level", "peer"}))
def test_no_known_key_lets_a_chinese_name_through(output: io.StringIO, key: str) -> None:
    """Only the peer, which the settings name, may be Chinese."""
    get_logger().info(**{"event": "x", key: NAME})
    assert NAME not in output.getvalue()


@pytest.mark.usefixtures("restored")
def test_an_unknown_key_is_dropped_and_counted() -> None:
    """A key that is not on the list never appears; the line and the metric say how many."""
    stream, metrics = io.StringIO(), Metrics()
    configure_logging(LogSettings(), stream=stream, on_drop=metrics.dropped)
    get_logger().info("registered", psn_name=NAME, certno=IDENTITY, infno="2201")
    (line,) = lines(stream)
    assert line["infno"] == "2201"
    assert line["dropped"] == 2
    assert "psn_name" not in line
    assert metrics.registry.get_sample_value("gateway_log_values_dropped_total") == 2.0
    assert_clean(stream)


@pytest.mark.usefixtures("restored")
def test_values_taken_out_of_a_list_are_counted() -> None:
    """A list of places with one name in it has lost one value."""
    stream, metrics = io.StringIO(), Metrics()
    configure_logging(LogSettings(), stream=stream, on_drop=metrics.dropped)
    get_logger().info("checked", places=["PID-5", NAME])
    (line,) = lines(stream)
    assert line["places"] == ["PID-5", MASK]
    assert line["dropped"] == 1
    assert metrics.registry.get_sample_value("gateway_log_values_dropped_total") == 1.0


def test_free_text_loses_identity_numbers_cards_tokens_and_names(output: io.StringIO) -> None:
    """The second net catches what somebody formatted into the event."""
    get_logger().warning(f"person {NAME} {IDENTITY} card {CARD} token {TOKEN}")
    assert_clean(output)
    assert lines(output)[0]["event"] == f"person {MASK} {MASK} card {MASK} token {MASK}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("43019919800101001X", MASK),
        ("6222 0210 0111 2233 445", MASK),
        ("12 lines, 3 calls", "12 lines, 3 calls"),
        ("settled", "settled"),
        ("㐂龘𠮷", MASK),
    ],
)
def test_the_second_net_masks_long_digits_and_leaves_counts(text: str, masked: str) -> None:
    """Counts stay readable; rare characters beyond the basic plane are caught too."""
    assert mask(text) == masked


def test_an_exception_is_its_type_and_line_without_message_or_locals(
    output: io.StringIO,
) -> None:
    """Messages and locals of an exception may quote the patient, so neither is written."""

    def fail() -> None:
        certno = IDENTITY
        raise ValueError(f"{NAME} has no insurance: {certno} {TOKEN}")

    try:
        fail()
    except ValueError:
        get_logger().exception("station")
    (line,) = lines(output)
    assert line["error"] == "ValueError"
    assert str(line["where"]).endswith("fail")
    assert_clean(output)


def test_the_cause_of_an_exception_is_named_by_type_only(output: io.StringIO) -> None:
    """A chained exception adds its type, not its text."""
    try:
        try:
            raise KeyError(IDENTITY)
        except KeyError as error:
            raise RuntimeError(NAME) from error
    except RuntimeError as error:
        get_logger().error("station", exc_info=error)
    assert lines(output)[0]["cause"] == "KeyError"
    assert_clean(output)


def test_lines_of_libraries_keep_their_place_and_lose_their_text(output: io.StringIO) -> None:
    """Arguments, formatted text and exceptions of the standard logging are left out."""
    library = logging.getLogger("some.library")
    library.warning("cannot read %s", IDENTITY)
    library.error(f"person {NAME} {CARD}")
    try:
        raise OSError(TOKEN)
    except OSError:
        library.exception("failed")
    found = lines(output)
    assert [line["event"] for line in found] == ["library"] * 3
    assert found[0]["logger"] == "some.library"
    assert "test_redaction" in str(found[0]["where"])
    assert found[2]["error"] == "OSError"
    assert_clean(output)


async def test_an_exception_nobody_awaited_is_written_without_its_text(
    output: io.StringIO,
) -> None:
    """The loop logs a lost exception; its repr would hold the message."""
    loop = asyncio.get_running_loop()
    loop.call_exception_handler(
        {"message": f"lost {NAME}", "exception": ValueError(f"{IDENTITY} {CARD} {TOKEN}")}
    )
    assert lines(output)[0]["error"] == "ValueError"
    assert_clean(output)


def test_uncaught_exceptions_of_main_and_threads_leave_no_traceback(
    output: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hooks of the interpreter are ours, so that no message reaches standard error."""
    error = ValueError(f"{NAME} {IDENTITY} {CARD} {TOKEN}")
    sys.excepthook(ValueError, error, None)
    threading.excepthook(
        threading.ExceptHookArgs((ValueError, error, None, threading.current_thread()))
    )
    assert [line["error"] for line in lines(output)] == ["ValueError", "ValueError"]
    assert_clean(output)
    assert capsys.readouterr().err == ""


def test_a_station_writes_one_line_with_exchange_outcome_and_seconds(
    output: io.StringIO,
) -> None:
    """The promise of the log: one line a station, found by its exchange."""
    ticks = iter([10.0, 10.25])
    metrics = Metrics()
    with (
        exchange_scope("00d1e2f3a4b5c6d7", peer="HIS", protocol="hl7v2"),
        station(
            get_logger(), "send", metrics=metrics, clock=lambda: next(ticks), infno="2207"
        ) as line,
    ):
        line.note(outcome="accepted")
    (written,) = lines(output)
    assert written["exchange"] == "00d1e2f3a4b5c6d7"
    assert (written["station"], written["infno"]) == ("send", "2207")
    assert (written["outcome"], written["seconds"]) == ("accepted", 0.25)
    seconds = metrics.registry.get_sample_value("gateway_station_seconds_sum", {"station": "send"})
    assert seconds == 0.25


def test_a_station_that_fails_says_so_and_lets_the_exception_pass(output: io.StringIO) -> None:
    """A failing station is one line too, and the caller still sees the failure."""
    with pytest.raises(ValueError, match="张"), station(get_logger(), "read"):
        raise ValueError(NAME)
    (line,) = lines(output)
    assert (line["outcome"], line["error"]) == ("failed", "ValueError")
    assert_clean(output)


def test_msgids_pass_and_identity_numbers_in_their_place_do_not(output: io.StringIO) -> None:
    """The shape of a message id tells it from a certificate number."""
    get_logger().info("send", msgid="H43010000001202603010905070001")
    get_logger().info("send", msgid=IDENTITY)
    first, second = lines(output)
    assert first["msgid"] == "H43010000001202603010905070001"
    assert second["msgid"] == MASK


def test_an_exchange_id_of_digits_only_stays_readable(output: io.StringIO) -> None:
    """Sixteen random hex digits are sometimes sixteen decimal ones; a line must still be found."""
    get_logger().info("station", exchange="1234567890123456")
    assert lines(output)[0]["exchange"] == "1234567890123456"


@pytest.mark.usefixtures("restored")
def test_console_lines_pass_the_same_nets() -> None:
    """The form for people is redacted like the form for machines."""
    stream = io.StringIO()
    configure_logging(LogSettings(format=LogFormat.CONSOLE), stream=stream)
    get_logger().info(f"person {NAME}", certno=IDENTITY, infno="1101")
    assert "1101" in stream.getvalue()
    assert_clean(stream)
