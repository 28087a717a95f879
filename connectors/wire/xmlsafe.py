"""XML from outside: one hardened parser, DOCTYPE refused, sizes capped (reference/packages.md §7.1)."""
from __future__ import annotations

from lxml import etree


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
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False,
        remove_comments=not keep_comments, remove_pis=not keep_comments,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedXml(f"not well-formed, line {error.lineno}") from None
    except ValueError as error:  # a str declaration, a NUL
        raise MalformedXml(type(error).__name__) from None
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        raise UnsafeXml("DOCTYPE")
    return root
