"""What bad luck or bad will makes of an XML message: bytes replaced, elements lost, doubled, moved, emptied or renamed."""
from __future__ import annotations

from hypothesis import strategies as st
from lxml import etree

_TEXTS = st.sampled_from(["", " ", "0", "I", "2009-02-30", "é", "A" * 300, "\u2028", "109076322083489", "-1", "{}"])


@st.composite
def damaged(draw: st.DrawFn, messages: list[bytes]) -> bytes:
    """One of ``messages`` with something wrong in it; most stay well-formed."""
    whole = draw(st.sampled_from(messages))
    return draw(st.one_of(_cut(whole), _changed(whole), _changed(whole)))


@st.composite
def _cut(draw: st.DrawFn, whole: bytes) -> bytes:
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(start + 60, len(whole))))
    return whole[:start] + draw(st.binary(max_size=20)) + whole[end:]


@st.composite
def _changed(draw: st.DrawFn, whole: bytes) -> bytes:
    root = etree.fromstring(whole)
    for _ in range(draw(st.integers(1, 3))):
        elements = [one for one in root.iter() if one is not root]
        if not elements:
            break
        _change(draw, draw(st.sampled_from(elements)), draw(st.sampled_from(elements)))
    return etree.tostring(root)


def _change(draw: st.DrawFn, element: etree._Element, other: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    match draw(st.sampled_from(["remove", "double", "move", "text", "rename", "attribute", "empty"])):
        case "remove":
            parent.remove(element)
        case "double":
            parent.append(etree.fromstring(etree.tostring(element, with_tail=False)))
        case "move" if other not in element.iter() and element is not other:
            other.append(element)
        case "text":
            element.text = draw(_TEXTS)
        case "rename":
            element.tag = other.tag
        case "attribute":
            element.set(draw(st.sampled_from(["Id", "ID", "Version", "R", "Algorithm", "URI", "Name"])), draw(_TEXTS))
        case "empty":
            element[:] = []
