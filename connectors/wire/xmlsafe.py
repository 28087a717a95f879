"""XML from outside: one hardened parser, DOCTYPE refused, sizes capped (reference/packages.md §7.1)."""
from __future__ import annotations

import threading

from lxml import etree

#: Bytes of an element whose signature is checked: canonising it costs the square of the names that it declares, before any key
#: is looked at.
MAX_SIGNED = 64 * 1024


class _Parsers(threading.local):
    """Of one thread: a parser is made for many messages, and reads one at a time."""

    def __init__(self) -> None:
        self.with_comments, self.without = _hardened(comments=True), _hardened(comments=False)


def _hardened(*, comments: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False,
        remove_comments=not comments, remove_pis=not comments,
    )  # fmt: skip


_PARSERS = _Parsers()


class MalformedXml(ValueError):
    """Not well-formed, or over the size cap. The text names the line, never the content."""


class UnsafeXml(MalformedXml):
    """Carries a DOCTYPE: entities and external subsets are refused whatever they hold."""


def parse(data: bytes, *, max_bytes: int = 2 * 1024 * 1024, keep_comments: bool = False) -> etree._Element:
    """Parse hostile XML and return its root element.

    keep_comments  for trees whose signature uses canonicalisation with comments
    Raises MalformedXml or UnsafeXml.
    """
    if len(data) > max_bytes:
        raise MalformedXml(f"{len(data)} bytes, {max_bytes} allowed")
    try:
        root = etree.fromstring(data, _PARSERS.with_comments if keep_comments else _PARSERS.without)
    except etree.XMLSyntaxError as error:
        raise MalformedXml(f"not well-formed, line {error.lineno}") from None
    except ValueError as error:  # a str declaration, a NUL
        raise MalformedXml(type(error).__name__) from None
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise UnsafeXml("DOCTYPE")
    return root
