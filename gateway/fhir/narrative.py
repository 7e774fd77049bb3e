"""Narratives: the XHTML of `text.div` (https://hl7.org/fhir/R4/narrative.html).

It is one `div` of XHTML that says something, without whatever could run, fetch or ask in the
browser of a reader. HTML's names of characters (`&nbsp;`), which XML does not know, are taken as
the characters that they name.
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import Final

from lxml import etree

XHTML: Final = "http://www.w3.org/1999/xhtml"
DIV: Final = f"{{{XHTML}}}div"
IMAGE: Final = f"{{{XHTML}}}img"
ACTIVE: Final = frozenset(
    {"applet", "base", "body", "button", "embed", "form", "frame", "frameset", "head", "html"}
    | {"iframe", "input", "link", "meta", "object", "script", "select", "style", "textarea"}
)
"""Elements that a narrative may not have."""

_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_NAMES = frozenset({"amp", "apos", "gt", "lt", "quot"})
_SCRIPT = re.compile(r"\s*(javascript|vbscript|data:text)", re.IGNORECASE)
_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
)


def is_narrative(value: object) -> bool:
    """Whether a value may stand as `div`."""
    element = narrative(value) if isinstance(value, str) else None
    if element is None or element.tag != DIV:
        return False
    if any(_is_active(one) for one in element.iter()):
        return False
    says = any(text.strip() for text in element.itertext())
    return says or element.find(f".//{IMAGE}") is not None


def narrative(text: str) -> etree._Element | None:
    """The element that a text is; None when it is not well formed."""
    if "<!" in text and "<!DOCTYPE" in text:
        return None
    try:
        return etree.fromstring(_NAMED.sub(_character, text), _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _character(name: re.Match[str]) -> str:
    """The character of a name of HTML; the five of XML stay as they are."""
    if name[1] in _XML_NAMES or name[1] not in name2codepoint:
        return name[0]
    return chr(name2codepoint[name[1]])


def _is_active(element: etree._Element) -> bool:
    """Whether an element runs, fetches or asks something, or is of no known language."""
    tag: object = element.tag
    if not isinstance(tag, str):
        return tag is not etree.Comment
    name = etree.QName(element)
    if name.namespace != XHTML or name.localname.lower() in ACTIVE:
        return True
    return any(
        str(attribute).lower().startswith("on") or _SCRIPT.match(str(value)) is not None
        for attribute, value in element.attrib.items()
    )
