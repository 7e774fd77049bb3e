"""What commands print: tables for people, plain lines for pipes, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli.exits import Exit
from gateway.errors import Problem, Severity

_COLOURS = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFORMATION: "cyan",
}


def screen() -> Console:
    """Standard output; colours and tables only when it is a terminal."""
    return Console(highlight=False, soft_wrap=True)


_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def say(text: str = "") -> None:
    """One line on standard output, as it is."""
    screen().print(text, markup=False)


def complain(text: str) -> None:
    """One line on standard error, as it is."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


def stop(code: Exit, text: str = "") -> NoReturn:
    """End the command."""
    if text:
        complain(text)
    raise typer.Exit(int(code))


def show_json(content: Any) -> None:
    """One JSON document; exact amounts stay exact."""
    encoded = _encode(content)
    typer.echo(msgspec.json.format(encoded, indent=2).decode())


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table on a terminal; otherwise lines of values set apart by tabs, under a head line."""
    console = screen()
    if not console.is_terminal:
        for row in (columns, *rows):
            typer.echo("\t".join(_one_line(value) for value in row))
        return
    table = Table(*columns, title=title or None, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*(escape(_one_line(value)) for value in row))
    console.print(table)


def show_problems(problems: Sequence[Problem]) -> None:
    """Every finding with its place, code, and both texts, each with its remedy."""
    console = screen()
    for problem in problems:
        place = f"{problem.place}: " if problem.place else ""
        if not console.is_terminal:
            zh = f"{problem.zh}（{problem.remedy_zh}）" if problem.remedy_zh else problem.zh
            en = f"{problem.en} ({problem.remedy_en})" if problem.remedy_en else problem.en
            typer.echo(f"{problem.severity}\t{problem.code}\t{place}{zh}\t{en}")
            continue
        colour = _COLOURS[problem.severity]
        console.print(f"[{colour}]{problem.code}[/] [bold]{escape(place)}[/]{escape(problem.zh)}")
        console.print(f"  [dim]{escape(problem.en)}[/]")
        if problem.remedy_zh:
            console.print(f"  [green]→[/] {escape(problem.remedy_zh)}")
        if problem.remedy_en:
            console.print(f"  [green]→[/] [dim]{escape(problem.remedy_en)}[/]")


def _one_line(value: str) -> str:
    return value.replace("\t", " ").replace("\r", " ").replace("\n", " ")
