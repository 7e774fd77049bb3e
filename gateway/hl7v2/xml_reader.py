"""HL7 v2.xml to ER7: the same message in the encoding that everything behind works with.

Source: HL7 Version 2: XML Encoding Syntax. A message is an element of its structure (`ADT_A01`), in
it are groups (`ADT_A01.INSURANCE`), segments (`PID`), fields (`PID.5`), components (`XPN.1`) and
sub-components (`FN.1`). A repetition is a further element, an escape sequence that is no delimiter
is `<escape V=".br"/>`, null is `""`. Of the names only the numbers at their ends are read, so that
a sender's own data types do no harm, and groups may be there or not. Namespaces are not looked at.

The document is refused where it has a document type, an entity, text between elements, or is
beyond a limit; nothing is fetched from anywhere. MSH-18 becomes UTF-8, for the character set is
that of the XML. Linear in the length of the document.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from gateway.errors import Problem, ProblemCode, ProblemKind, UnreadableError
from gateway.hl7v2.escapes import Delimiters, escape
from gateway.hl7v2.header import version_key
from gateway.hl7v2.reader import NULL, unreadable

MAX_TAGS = 500_000
"""Marks of elements, the opening and the closing ones."""
MAX_DEPTH = 16
MAX_NUMBER = 999
"""Number of a field or component."""
CHARSETS = frozenset({"utf-8", "ascii", "gb18030", "gbk", "gb2312", "utf-16"})
"""Character sets of documents that are read, by their names in Python."""

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_NUMBERED = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}\.([1-9][0-9]{0,2})")
_ESCAPE = re.compile(r"[A-Za-z0-9.+-]{1,8192}")


def looks_like_xml(raw: bytes) -> bool:
    """True when the bytes begin as an XML document does, and no ER7 message ever."""
    return raw[:64].removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")[:1] == b"<" or raw[:2] in {
        codecs.BOM_UTF16_BE,
        codecs.BOM_UTF16_LE,
    }


def xml_to_er7(raw: bytes, charset: str = "") -> bytes:
    """A message of v2.xml as ER7 in UTF-8.

    `charset` is what the transport says, and goes before what the document declares.

    Raises:
        UnreadableError: it is no XML, no message, or is beyond a limit.
    """
    root = _parse(raw, charset)
    segments = [_Segment(node) for node in _segments(root, 1)]
    if not segments or segments[0].name != "MSH":
        raise unreadable("XML 报文不以 MSH 开头", "the XML message does not begin with MSH")
    marks = segments[0].delimiters()
    segments[0].set_charset(marks)
    return "".join(f"{segment.text(marks)}\r" for segment in segments).encode()


def _parse(raw: bytes, charset: str) -> etree._Element:
    if raw.count(b"<") > MAX_TAGS:
        raise unreadable("XML 的元素过多", "too many XML elements", code=ProblemCode.READ_LIMIT)
    if b"<!DOCTYPE" in raw:
        raise _doctype()
    try:
        parser = etree.XMLParser(
            encoding=_known(charset) if charset else None,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        root = etree.fromstring(raw.lstrip(b" \t\r\n"), parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        raise unreadable("XML 无法解析", "the XML is not well-formed") from None
    info: Any = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise _doctype()
    _known(info.encoding or "utf-8")
    return root


def _known(charset: str) -> str:
    """The character set, where it is read.

    Raises:
        UnreadableError: it is not.
    """
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        name = ""
    if name.removesuffix("-le").removesuffix("-be") not in CHARSETS:
        problem = Problem(
            kind=ProblemKind.VALUE,
            code=ProblemCode.READ_CHARSET,
            zh="XML 的字符集不支持",
            en="the character set of the XML is not supported",
        )
        raise UnreadableError([problem])
    return charset


def _segments(node: etree._Element, depth: int) -> Iterator[etree._Element]:
    """The segments below a message or group, in order."""
    if depth > MAX_DEPTH:
        raise unreadable(
            "XML 嵌套过深", "the XML is nested too deeply", code=ProblemCode.READ_LIMIT
        )
    _check_blank(node, "")
    for child in node:
        name = _name(child)
        if _SEGMENT.fullmatch(name):
            yield child
        elif "." in name:
            yield from _segments(child, depth + 1)
        else:
            raise unreadable("XML 中有不能识别的元素", "an XML element is no segment and no group")


class _Segment:
    """A segment: its fields by number, each a list of repetitions."""

    def __init__(self, node: etree._Element) -> None:
        self.name = _name(node)
        self._fields: dict[int, list[etree._Element]] = {}
        self._texts: dict[int, str] = {}
        _check_blank(node, f"{self.name}[1]")
        for child in node:
            self._fields.setdefault(_number(child, f"{self.name}[1]"), []).append(child)

    def delimiters(self) -> Delimiters:
        """Those of MSH.1 and MSH.2 where all are stated, else the usual ones."""
        stated = (self._plain(1) or "|") + (self._plain(2) or "^~\\&")
        fits = 5 <= len(stated) <= 6 and len(set(stated)) == len(stated)
        usable = all(it.isprintable() and not it.isalnum() and not it.isspace() for it in stated)
        return Delimiters(*stated) if fits and usable else Delimiters()

    def set_charset(self, marks: Delimiters) -> None:
        """MSH-18, as the version spells UTF-8."""
        text = self._text(12, marks)
        new = version_key(text.partition(marks.component)[0]) >= version_key("2.5")
        self._texts[18] = "UNICODE UTF-8" if new else "UNICODE"

    def text(self, marks: Delimiters) -> str:
        """The segment in ER7."""
        last = max([*self._fields, *self._texts], default=0)
        fields = [self._text(number, marks) for number in range(1, last + 1)]
        if self.name == "MSH":
            fields[:2] = [marks.encoding]
        return marks.field.join([self.name, *fields]).rstrip(marks.field)

    def _text(self, number: int, marks: Delimiters) -> str:
        if number in self._texts:
            return self._texts[number]
        if self.name == "MSH" and number <= 2:
            return ""
        place = f"{self.name}[1]-{number}"
        return marks.repetition.join(
            _field(node, marks, place) for node in self._fields.get(number, ())
        )

    def _plain(self, number: int) -> str:
        return "".join(node.text or "" for node in self._fields.get(number, ())[:1])


def _field(node: etree._Element, marks: Delimiters, place: str) -> str:
    return _parts(node, (marks.component, marks.subcomponent), marks, place)


def _parts(node: etree._Element, separators: tuple[str, ...], marks: Delimiters, place: str) -> str:
    """A field, component or sub-component: its text, or its numbered parts with separators."""
    if all(_name(child) == "escape" for child in node):
        return _leaf(node, marks, place)
    if not separators:
        raise unreadable("XML 嵌套过深", "the XML is nested deeper than ER7 can say", place=place)
    _check_blank(node, place)
    found: dict[int, str] = {}
    for child in node:
        number = _number(child, place)
        if number in found:
            raise unreadable("XML 组件重复", "a component is there twice", place=place)
        found[number] = _parts(child, separators[1:], marks, place)
    texts = [found.get(number, "") for number in range(1, max(found) + 1)]
    return separators[0].join(texts).rstrip(separators[0])


def _leaf(node: etree._Element, marks: Delimiters, place: str) -> str:
    text = node.text or ""
    if not len(node):
        return NULL if text == NULL else escape(text, marks)
    parts = [escape(text, marks)]
    for child in node:
        value = child.get("V", "")
        if not _ESCAPE.fullmatch(value) or len(child) or child.text:
            raise unreadable(
                "XML 的 escape 元素无效", "an escape element is not valid", place=place
            )
        parts += [marks.escape, value, marks.escape, escape(child.tail or "", marks)]
    return "".join(parts)


def _name(node: etree._Element) -> str:
    """The name without its namespace; empty for what is no element (an entity)."""
    tag: Any = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _number(node: etree._Element, place: str) -> int:
    match = _NUMBERED.fullmatch(_name(node))
    if match is None:
        raise unreadable("XML 元素名无效", "the name of an XML element has no number", place=place)
    return int(match[1])


def _check_blank(node: etree._Element, place: str) -> None:
    """Between elements stands nothing that would be lost."""
    texts = [node.text, *(child.tail for child in node)]
    if any(text and text.strip() for text in texts):
        raise unreadable("XML 元素之间有文字", "text stands between XML elements", place=place)


def _doctype() -> UnreadableError:
    return unreadable("XML 不得包含 DOCTYPE", "the XML must not have a document type")
