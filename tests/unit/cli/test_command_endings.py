"""Exit codes by the class of what went wrong, and what a terminal shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.cli import commands
from gateway.cli.output import show_problems, show_table
from gateway.errors import (
    ConfigurationError,
    JournalError,
    NotSentError,
    Problem,
    ProblemCode,
    ProblemKind,
    Severity,
    UnknownOutcomeError,
    UnreadableError,
)

Run = Callable[..., tuple[int, str, str]]

UNMAPPED = Problem(
    kind=ProblemKind.NO_CODE,
    code=ProblemCode.MAP_NO_CODE,
    zh="没有对应的国家编码",
    en="no national code",
    place="FT1[1]-7[1].1",
    remedy_zh="请补充对照",
    remedy_en="add a row",
    severity=Severity.ERROR,
)


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (ConfigurationError("no such port", file="gateway.toml", line=3), 3, "gateway.toml:3"),
        (NotSentError("no connection"), 4, "no connection"),
        (UnknownOutcomeError("no reply"), 5, "no reply"),
        (JournalError("disk full"), 2, "disk full"),
        (UnreadableError([UNMAPPED]), 2, "FT1[1]-7[1].1"),
    ],
    ids=["configuration", "not sent", "unknown", "journal", "unreadable"],
)
def test_the_class_of_an_error_is_its_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: int, said: str
) -> None:
    """One line that says what, and a code that says what is certain."""

    def fail(_text: str) -> None:
        raise error

    monkeypatch.setattr(commands, "say", fail)
    code, out, err = run("version")
    assert code == expected
    assert said in out + err
    assert "Traceback" not in out + err


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Values set apart by tabs; a tab or line end inside a value cannot make a new one. What to do
    stands there in both languages.
    """
    show_table(("a", "b"), [("1", "x\ty\nz")])
    show_problems([UNMAPPED])
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["a\tb", "1\tx y z"]
    assert out[2].split("\t") == [
        "error",
        "MAP-NO-CODE",
        "FT1[1]-7[1].1: 没有对应的国家编码（请补充对照）",
        "no national code (add a row)",
    ]


def test_a_terminal_gets_a_table_and_brackets_stay_brackets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`FT1[1]-7` is a place and no markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show_table(("a",), [("feedetail[0].cnt",)], title="t")
    show_problems([UNMAPPED])
    out = capsys.readouterr().out
    assert "feedetail[0].cnt" in out
    assert "FT1[1]-7[1].1" in out
    assert "请补充对照" in out
    assert "add a row" in out
    assert "\x1b[" in out
