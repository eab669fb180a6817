"""TeX formulas as MathML: the converter's tree is rebuilt from known elements and attributes, within bounds."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape, unescape
from xml.etree.ElementTree import Element

# Characters of one formula.
MOST_TEX = 2_000
# Characters of the MathML of one formula, and how deep its elements may lie in each other.
MOST_MATHML = 20_000
MOST_DEPTH = 60

_KEPT = frozenset((
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "ms", "mfrac", "msqrt", "mroot", "mstyle", "msub", "msup",
    "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd",
    "mphantom", "mpadded",
))  # fmt: skip
_LENGTH = re.compile(r"-?(\d{1,2}(\.\d{1,4})?|\.\d{1,4})(em|ex|px|pt)?")
_WORD = re.compile(r"[a-z-]{1,24}")
_WORDS = re.compile(r"[a-z]{1,8}( [a-z]{1,8}){0,31}")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}")
_ATTRIBUTES = {
    **dict.fromkeys(("width", "height", "depth", "lspace", "rspace", "linethickness", "minsize", "maxsize"), _LENGTH),
    **dict.fromkeys(
        ("mathvariant", "stretchy", "fence", "separator", "form", "accent", "accentunder", "symmetric", "largeop",
         "movablelimits", "displaystyle"), _WORD),
    **dict.fromkeys(("columnalign", "rowalign", "columnlines", "rowlines"), _WORDS),
    "mathcolor": _COLOR,
    "scriptlevel": re.compile(r"[+-]?\d"),
}  # fmt: skip


class _NotShown(Exception):
    """This can't be shown as a formula."""


def mathml(tex: str, *, block: bool = False) -> str | None:
    """The MathML of *tex*; None where it is no formula that can be shown: then it is shown as it was typed.

    *block*: on a line of its own.
    """
    tex = tex.strip()
    if not tex or len(tex) > MOST_TEX:
        return None
    return _made(tex, block)


@lru_cache(maxsize=500)
def _made(tex: str, block: bool) -> str | None:
    # Not at the start: it reads tables of all signs, and most sites have no formulas.
    from latex2mathml.converter import convert_to_element

    try:
        tree = convert_to_element(tex, display="block" if block else "inline")
        parts: list[str] = []
        _write(tree, parts, 0)
    except Exception:
        # The converter raises what it happens to meet: errors of its own, IndexError, RecursionError.
        return None
    made = "".join(parts)
    return made if len(made) <= MOST_MATHML else None


def _write(node: Element, parts: list[str], depth: int) -> None:
    if depth > MOST_DEPTH:
        raise _NotShown
    name = node.tag if node.tag in _KEPT else "mrow"
    given = "".join(
        f' {key}="{value}"' for key, value in node.attrib.items()
        if key in _ATTRIBUTES and _ATTRIBUTES[key].fullmatch(value)
    )  # fmt: skip
    if name == "math":
        given = ' display="block"' if node.get("display") == "block" else ""
    parts.append(f"<{name}{given}>")
    text = unescape(node.text or "")
    if text.strip("\n"):
        if name != "mtext" and "\\" in text and len(text) > 1:
            # A command that the converter does not know.
            raise _NotShown
        parts.append(escape(text))
    for child in node:
        _write(child, parts, depth + 1)
    parts.append(f"</{name}>")


_CODE = re.compile(r'<code class="language-math(-display)?">([^<]*)</code>')
_PRE = re.compile(r'<pre><code class="language-math(?:-display)?">([^<]*)</code></pre>')


def with_formulas(html: str, most: int) -> tuple[str, int]:
    """Sanitised *html* with its formulas as MathML, of at most *most* characters of TeX; others stay as typed.

    Also gives how many characters of that are left.
    """
    left = [most]

    def shown(tex: str, block: bool, found: re.Match[str]) -> str:
        tex = unescape(tex)
        left[0] -= len(tex)
        return (mathml(tex, block=block) if left[0] >= 0 else None) or found[0]

    html = _PRE.sub(lambda found: shown(found[1], True, found), html)
    html = _CODE.sub(lambda found: shown(found[2], found[1] is not None, found), html)
    return html, max(0, left[0])
