"""The structs of the definition files."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FieldType = Literal["string", "number", "date", "datetime", "json"]
Kind = Literal["submit", "query", "cancel", "download", "session"]


class FieldChange(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How one edition differs in a field; None leaves the base as it is."""

    required: bool | None = None
    present: bool = True
    code: str = ""
    type: FieldType | None = None
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    since: str = ""
    rule: str = ""
    doubtful: str = ""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One member of a node.

    `max_length` counts characters. `precision` is the total of digits of a number and `scale` how
    many of them stand behind the point; None means the source states no limit. `dictionary` names
    the value set; `coded` says that the source speaks of one which is not known. `aliases` are
    other spellings met in replies.
    """

    code: str
    name: str
    type: FieldType
    max_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    dictionary: str = ""
    coded: bool = False
    required: bool = False
    aliases: tuple[str, ...] = ()
    note: str = ""
    doubtful: str = ""
    editions: dict[str, FieldChange] = {}

    @property
    def label(self) -> str:
        """The Chinese name, or the code where no name is known."""
        return self.name or self.code


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An object of the input or output, or a list of them when it `repeats`.

    `parent` is the node it lies in, None directly in the input or output. The name "" stands for
    the input or output itself, whose fields then lie in it without a node.
    """

    name: str
    fields: tuple[Field, ...]
    parent: str | None = None
    repeats: bool = False
    required: bool = False
    note: str = ""
    doubtful: str = ""

    def field(self, code: str) -> Field | None:
        """The field of this code."""
        return next((field for field in self.fields if field.code == code), None)


class ExtensionNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node that only some editions have."""

    name: str
    fields: tuple[Field, ...]
    parent: str | None = None
    repeats: bool = False


class Extension(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the editions of `seen_in` add: fields of a node, a node, or members of exp_content."""

    seen_in: tuple[str, ...]
    side: Literal["input", "output"]
    in_node: str = ""
    fields: tuple[Field, ...] = ()
    node: ExtensionNode | None = None
    inside: str = ""
    members: tuple[str, ...] = ()
    note: str = ""
    doubtful: str = ""


class FileColumns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns of a file that goes with a transaction."""

    name: str
    columns: tuple[Field, ...]
    format: str = ""
    note: str = ""


class TransactionChange(msgspec.Struct, forbid_unknown_fields=True):
    """How one edition differs in a whole transaction."""

    cancels: tuple[str, ...] = ()


class Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One transaction (交易).

    `cancels` are the transactions whose effect it takes back. `reply` says so when the reply is
    not the JSON envelope. `file_layout` describes the file of a catalogue download.
    """

    infno: str
    name: str
    kind: Kind
    input: tuple[Node, ...]
    output: tuple[Node, ...]
    edition: str = ""
    cancels: tuple[str, ...] = ()
    editions: dict[str, TransactionChange] = {}
    extensions: tuple[Extension, ...] = ()
    files: tuple[FileColumns, ...] = ()
    file_layout: dict[str, Any] = {}
    pagination: str = ""
    inferred: str = ""
    reply: str = ""
    sources: tuple[str, ...] = ()
    agreement: str = ""

    def node(self, name: str, side: Literal["input", "output"] = "input") -> Node | None:
        """The node of this name on this side."""
        nodes = self.input if side == "input" else self.output
        return next((node for node in nodes if node.name == name), None)


class EnvelopeExtension(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the envelope that only some editions have."""

    code: str
    side: Literal["request", "response"]
    seen_in: tuple[str, ...]


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outer message of every transaction."""

    title: str
    transport: str
    request: tuple[Field, ...]
    response: tuple[Field, ...]
    formats: dict[str, str]
    extensions: tuple[EnvelopeExtension, ...]
    sources: tuple[str, ...]
    agreement: str


class Dictionary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value set: `values` of the base edition, `regional` ones seen elsewhere, code to label."""

    name: str
    values: dict[str, str]
    regional: dict[str, str] = {}
    regional_sources: dict[str, str] = {}
    seen_in: dict[str, list[str]] = {}
    extension_candidates: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()
    appendix_values: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    note: str = ""


class Dictionaries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of value sets; `legend` explains the marks of its sources."""

    legend: dict[str, str]
    note: str
    dictionaries: dict[str, Dictionary]
