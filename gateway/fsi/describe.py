"""The interface in words: a page for each transaction, the dictionaries and the envelope.

`python -m gateway.fsi.describe docs/reference` writes the pages; a test fails while a committed
page differs from what is rendered here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from gateway.fsi.definitions import Definitions, Extension, Field, Node, Transaction
from gateway.fsi.profiles import Profile, load_profile
from gateway.fsi.rules import RULES
from gateway.fsi.rules.statements import rules_page
from gateway.fsi.samples import sample_input
from gateway.fsi.wire import encode_json

_EXAMPLE_CHARACTERS = 4_000
"""Longer examples help nobody."""


def pages() -> Iterator[tuple[str, str]]:
    """Every rendered page: its path below docs/reference, and its text."""
    definitions = Definitions.load()
    profile = load_profile("generic")
    yield "rules.md", rules_page()
    yield "transactions/index.md", index_page(definitions)
    yield "transactions/dictionaries.md", dictionaries_page(definitions)
    yield "transactions/envelope.md", envelope_page(definitions)
    for infno in definitions.infnos():
        yield f"transactions/{infno}.md", transaction_page(definitions, profile, infno)


def write(folder: Path) -> None:
    """Write every rendered page below this folder."""
    (folder / "transactions").mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")


def index_page(definitions: Definitions) -> str:
    """All transactions, with what they are for."""
    lines = [
        "# Transactions",
        "",
        "Every transaction of the interface as the gateway knows it.",
        "The pages are made by `python -m gateway.fsi.describe docs/reference`.",
        "Beside them: the [envelope](envelope.md), the [dictionaries](dictionaries.md) and the",
        "[rules](../rules.md).",
        "",
        "| number | name | kind | cancels |",
        "|---|---|---|---|",
    ]
    for infno in definitions.infnos():
        found = definitions.transaction(infno)
        cancels = ", ".join(found.cancels)
        lines.append(f"| [{infno}]({infno}.md) | {_cell(found.name)} | {found.kind} | {cancels} |")
    return _joined(lines)


def dictionaries_page(definitions: Definitions) -> str:
    """All value sets, code and label, with what regions add."""
    lines = [
        "# Dictionaries",
        "",
        "Values of the base text; behind them those met in other regions.",
        "A profile lists under `open_dictionaries` the sets in which it takes any value.",
    ]
    for name in definitions.dictionaries():
        found = definitions.value_set(name)
        lines += ["", f"## {name}", ""]
        if found.name:
            lines += [f"{_cell(found.name)}", ""]
        lines += ["| code | label | where |", "|---|---|---|"]
        for code, label in found.values.items():
            lines.append(f"| `{code}` | {_cell(label)} | |")
        for code, label in found.regional.items():
            where = _cell(found.regional_sources.get(code, "")) or "other regions"
            lines.append(f"| `{code}` | {_cell(label)} | {where} |")
        lines += [line for text in (found.note, *found.disagreements) for line in _remark(text)]
    return _joined(lines)


def envelope_page(definitions: Definitions) -> str:
    """The members around every input and output."""
    envelope = definitions.envelope
    lines = ["# Envelope", "", f"{_cell(envelope.transport)}."]
    for title, fields in (("Request", envelope.request), ("Reply", envelope.response)):
        lines += ["", f"## {title}", "", *_table(fields)]
    lines += ["", "## Forms", ""]
    lines += [f"- {name}: {_cell(form)}" for name, form in envelope.formats.items()]
    lines += ["", "## Members of some regions", ""]
    lines += [
        f"- `{member.code}` ({member.side}): {', '.join(member.seen_in)}"
        for member in envelope.extensions
    ]
    return _joined([*lines, *_sources(envelope.sources, envelope.agreement)])


def transaction_page(definitions: Definitions, profile: Profile, infno: str) -> str:
    """One transaction: fields, rules, regional differences, an example, and sources."""
    found = definitions.transaction(infno)
    lines = [f"# {infno} {_cell(found.name)}", "", *_facts(definitions, found)]
    lines += _sides(found, "")
    for variant in definitions.variants(infno):
        lines += ["", f"## In edition {variant.edition}", "", "This edition has its own table."]
        lines += _sides(variant, f" ({variant.edition})")
    lines += _rules_of(found)
    lines += _regional(found)
    lines += _files(found)
    lines += _example(definitions, profile, infno)
    return _joined([*lines, *_sources(found.sources, found.agreement)])


def _facts(definitions: Definitions, found: Transaction) -> Iterator[str]:
    yield f"Kind: {found.kind}."
    if found.cancels:
        yield f"Takes back: {_links(found.cancels)}."
    undone = [i for i in definitions.infnos() if found.infno in definitions.transaction(i).cancels]
    if undone:
        yield f"Taken back by: {_links(undone)}."
    for text in (found.reply, found.pagination, found.inferred):
        if text:
            yield f"{_cell(text)}."


def _links(infnos: Sequence[str]) -> str:
    return ", ".join(f"[{infno}]({infno}.md)" for infno in infnos)


def _sides(found: Transaction, suffix: str) -> Iterator[str]:
    for title, nodes in (("Input", found.input), ("Output", found.output)):
        yield from ("", f"## {title}{suffix}", "")
        if not nodes:
            yield "Nothing."
        for at, node in enumerate(nodes):
            if at:
                yield ""
            yield from (_node_title(node), "")
            yield from _table(node.fields)


def _node_title(node: Node) -> str:
    name = f"`{node.name}`" if node.name else "Without a node"
    facts = ["several rows" if node.repeats else "one row"]
    facts += ["required"] if node.required else []
    facts += [f"inside `{node.parent}`"] if node.parent else []
    facts += [_cell(text) for text in (node.note, node.doubtful and f"doubtful: {node.doubtful}")]
    return f"**{name}**: {', '.join(fact for fact in facts if fact)}."


def _table(fields: Sequence[Field]) -> Iterator[str]:
    yield "| field | name | type | required | dictionary | remark |"
    yield "|---|---|---|---|---|---|"
    for field in fields:
        yield (
            f"| `{field.code}` | {_cell(field.name)} | {_type(field)} | {_required(field)} "
            f"| {_dictionary(field)} | {field_remark(field)} |"
        )


def _type(field: Field) -> str:
    if field.precision is not None:
        scale = "" if field.scale is None else f",{field.scale}"
        return f"{field.type} {field.precision}{scale}"
    return field.type if field.max_length is None else f"{field.type} {field.max_length}"


def _required(field: Field) -> str:
    if not field.required:
        return ""
    return "doubtful" if field.doubtful else "yes"


def _dictionary(field: Field) -> str:
    if field.dictionary:
        return f"[{field.dictionary}](dictionaries.md#{field.dictionary.lower()})"
    return "coded, not known" if field.coded else ""


def field_remark(field: Field) -> str:
    """What is to be known of a field beside its type: note, other spellings, doubts."""
    aliases = ", ".join(f"`{alias}`" for alias in field.aliases)
    parts = [
        _cell(field.note),
        f"also spelt {aliases}" if aliases else "",
        f"doubtful: {_cell(field.doubtful)}" if field.doubtful else "",
    ]
    return "; ".join(part for part in parts if part)


def _rules_of(found: Transaction) -> Iterator[str]:
    rules = [
        rule
        for rule in RULES
        if rule.needs or rule.only
        if rule.applies_whole(found.infno, found.input)
        or any(rule.applies(found.infno, node) for node in found.input)
    ]
    if rules:
        yield from ("", "## Rules", "")
    for rule in rules:
        doubtful = rule.level == "doubtful" or found.infno in rule.doubtful_in
        yield f"- `{rule.name}`{' (doubtful)' if doubtful else ''}: {rule.text}"


def _regional(found: Transaction) -> Iterator[str]:
    lines = list(regional_differences(found))
    if lines:
        yield from ("", "## Regional differences", "", *lines)


def regional_differences(found: Transaction) -> Iterator[str]:
    """A line for each thing in which an edition differs."""
    yield from _changed_fields(found)
    yield from map(_extension, found.extensions)
    for edition, change in found.editions.items():
        yield f"- {edition}: takes back {', '.join(change.cancels)}"


def _changed_fields(found: Transaction) -> Iterator[str]:
    for side, nodes in (("input", found.input), ("output", found.output)):
        for node in nodes:
            for field in node.fields:
                for edition, change in field.editions.items():
                    facts = msgspec.to_builtins(change)
                    listed = ", ".join(f"{key} {_cell(str(v))}" for key, v in facts.items())
                    yield f"- {edition}: {side} `{_path(node, field)}`: {listed}"


def _extension(extension: Extension) -> str:
    parts = [f"`{field.code}`" for field in extension.fields]
    if extension.node is not None:
        parts.append(f"node `{extension.node.name}`")
    parts += [f"`{member}` inside `{extension.inside}`" for member in extension.members]
    where = f" in `{extension.in_node}`" if extension.in_node else ""
    remark = "; ".join(filter(None, [extension.note, extension.doubtful]))
    tail = f" ({_cell(remark)})" if remark else ""
    seen = ", ".join(extension.seen_in)
    return f"- {seen}: {extension.side}{where} has {', '.join(parts)}{tail}"


def _files(found: Transaction) -> Iterator[str]:
    for file in found.files:
        yield from ("", f"## File {_cell(file.name)}", "")
        for text in (file.format, file.note):
            if text:
                yield f"{_cell(text)}."
        yield from ("", *_table(file.columns))
    columns = found.file_layout.get("columns")
    if isinstance(columns, list):
        layout = _cell(str(found.file_layout.get("format", "")))
        yield from ("", "## Columns of the file", "", layout, "")
        for at, column in enumerate(columns, 1):
            yield f"{at}. {_cell(_column(column))}"


def _column(column: object) -> str:
    if isinstance(column, dict):
        return " ".join(str(column[key]) for key in ("code", "name", "note") if column.get(key))
    return str(column)


def _example(definitions: Definitions, profile: Profile, infno: str) -> Iterator[str]:
    content = sample_input(definitions, profile, infno, rows=1, required_only=True)
    text = msgspec.json.format(encode_json(content), indent=2).decode()
    if len(text) <= _EXAMPLE_CHARACTERS:
        yield from ("", "## Example", "", "The required fields of an input, with made-up values.")
        yield from ("", "```json", *text.splitlines(), "```")


def _sources(sources: Sequence[str], agreement: str) -> Iterator[str]:
    if sources:
        yield from ("", "## Sources", "")
        yield from (f"- {_cell(source)}" for source in sources)
    if agreement:
        yield from ("", _cell(agreement))


def _remark(text: str) -> tuple[str, ...]:
    return ("", _cell(text)) if text else ()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _path(node: Node, field: Field) -> str:
    return f"{node.name}.{field.code}" if node.name else field.code


if __name__ == "__main__":
    write(Path(sys.argv[1]))
