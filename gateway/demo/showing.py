"""Prints the demonstration: question, calls, answer, and whether each step held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.intents import CallReport
from gateway.journal import SendRow

WIDTH = 108
"""Columns when the output is no terminal."""

_COLOURS = {"accepted": "green", "rejected": "red", "unknown": "yellow", "not-sent": "yellow"}


class Show:
    """The screen, and the count of what held and what did not."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console = Console(
                file=self.console.file, highlight=False, width=WIDTH, no_color=True
            )
        self.held = 0
        self.broken: list[str] = []

    def scene(self, number: int, title: str, story: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.rule(f"[bold]{number}  {title}[/bold]")
        self.console.print(Text(story, style="italic"))

    def question(self, title: str, lines: Iterable[str]) -> None:
        """What the hospital sent."""
        self._panel(f"→ {title}", lines, "cyan")

    def answer(self, title: str, lines: Iterable[str]) -> None:
        """What it got back."""
        self._panel(f"← {title}", lines, "magenta")

    def calls(self, sends: Sequence[SendRow | CallReport]) -> None:
        """The transactions that were made for it."""
        if not sends:
            self.console.print("  no transaction was sent", style="dim")
            return
        table = Table(box=None, padding=(0, 2), show_header=True, header_style="dim")
        for column in ("infno", "outcome", "pooling region", "msgid", "platform's id"):
            table.add_column(column)
        for send in sends:
            outcome = send.state.value if isinstance(send, SendRow) else send.outcome
            table.add_row(
                send.infno,
                Text(outcome, style=_COLOURS.get(outcome, "")),
                send.pooling_region,
                send.msgid,
                send.inf_refmsgid,
            )
        self.console.print(table)

    def check(self, what: str, *, holds: bool) -> None:
        """One claim, held or not."""
        mark, style = ("✓", "green") if holds else ("✗", "bold red")
        self.console.print(Text(f"  {mark} {what}", style=style))
        if holds:
            self.held += 1
        else:
            self.broken.append(what)

    def equal(self, what: str, expected: object, actual: object) -> None:
        """A claim that something is what was worked out by hand."""
        if expected == actual:
            self.check(f"{what}: {actual}", holds=True)
        else:
            self.check(f"{what}: expected {expected}, got {actual}", holds=False)

    def summary(self, seconds: float) -> int:
        """The end: exit code 0 only if every step held."""
        self.console.print()
        if self.broken:
            self.console.rule(f"[bold red]{len(self.broken)} did not hold[/bold red]")
            for what in self.broken:
                self.console.print(f"  ✗ {what}", style="red")
            return 1
        self.console.rule(
            f"[bold green]all {self.held} checks held in {seconds:.1f} seconds[/bold green]"
        )
        return 0

    def _panel(self, title: str, lines: Iterable[str], style: str) -> None:
        text = Text("\n".join(lines), overflow="ellipsis", no_wrap=True)
        self.console.print(
            Panel(text, title=title, title_align="left", border_style=style, padding=(0, 1))
        )
