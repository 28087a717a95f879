"""What a FETCH asks for (RFC 3501 §6.4.5). Pure."""
from __future__ import annotations

from dataclasses import dataclass

from mocks.mssante.imap_reading import BadCommand, Cursor

_MAX_ITEMS = 100
_MACROS = {
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
_PLAIN = frozenset({"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "UID"})


@dataclass(frozen=True, slots=True)
class Section:
    """part   numbers from the outside in, none for the message itself
    text   "", HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME
    """

    part: tuple[int, ...] = ()
    text: str = ""
    fields: tuple[str, ...] = ()

    def label(self) -> str:
        named = f"{self.text} ({' '.join(self.fields)})" if self.fields else self.text
        return ".".join([*map(str, self.part), *([named] if named else [])])


@dataclass(frozen=True, slots=True)
class Item:
    """label    as the answer names it
    section  None for what is no bytes of the message
    peek     \\Seen stays as it is
    partial  first byte, and how many
    """

    label: str
    section: Section | None = None
    peek: bool = True
    partial: tuple[int, int] | None = None


_OLD = {
    "RFC822": Item("RFC822", Section(), peek=False), "RFC822.HEADER": Item("RFC822.HEADER", Section(text="HEADER")),
    "RFC822.TEXT": Item("RFC822.TEXT", Section(text="TEXT"), peek=False),
}  # fmt: skip


def read_items(cursor: Cursor) -> tuple[Item, ...]:
    """One item, a list of them, or a macro. Raises BadCommand."""
    if cursor.sees(b"("):
        items = cursor.listed(lambda: _item(cursor))
        if len(items) > _MAX_ITEMS:
            raise BadCommand("Too many items")
        return tuple(items)
    for macro, names in _MACROS.items():
        if cursor.skips(macro.encode("ascii")):
            return tuple(Item(name) for name in names)
    return (_item(cursor),)


def _item(cursor: Cursor) -> Item:
    name = cursor.item()
    if cursor.skips(b"["):
        if name not in ("BODY", "BODY.PEEK"):
            raise BadCommand("Unknown item")
        return _body(cursor, peek=name == "BODY.PEEK")
    if name in _OLD:
        return _OLD[name]
    if name not in _PLAIN:
        raise BadCommand("Unknown item")
    return Item(name)


def _body(cursor: Cursor, *, peek: bool) -> Item:
    section = _section(cursor)
    cursor.expect(b"]")
    label, partial = f"BODY[{section.label()}]", None
    if cursor.skips(b"<"):
        first = cursor.number()
        cursor.expect(b".")
        partial = (first, cursor.number())
        cursor.expect(b">")
        if partial[1] == 0:
            raise BadCommand("Expected a length above zero")
        label += f"<{first}>"
    return Item(label, section, peek, partial)


def _section(cursor: Cursor) -> Section:
    part: list[int] = []
    while cursor.sees_digit():
        part.append(cursor.number())
        if part[-1] == 0 or len(part) > _MAX_ITEMS:
            raise BadCommand("Expected a part number")
        if not cursor.skips(b"."):
            return Section(tuple(part))
    if not part and cursor.sees(b"]"):
        return Section()
    for text in ("HEADER.FIELDS.NOT", "HEADER.FIELDS", "HEADER", "TEXT", "MIME"):
        if cursor.skips(text.encode("ascii")):
            if text == "MIME" and not part:
                raise BadCommand("Expected a part number before MIME")
            return Section(tuple(part), text, _field_names(cursor) if "FIELDS" in text else ())
    raise BadCommand("Unknown section")


def _field_names(cursor: Cursor) -> tuple[str, ...]:
    cursor.space()
    names = tuple(name.decode("latin-1").upper() for name in cursor.listed(cursor.astring))
    if any(not name.isascii() or not name.isprintable() or set(name) & set(' :()"\\{') for name in names):
        raise BadCommand("Expected names of headers")
    return names
