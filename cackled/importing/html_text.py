"""HTML of other systems as the Markdown of ours: what it looked like stays, what it could do goes.

The HTML is sanitised first, so that what is read here is well formed and of few elements.
"""

from __future__ import annotations

import re
from html import unescape

import nh3

from cackled.importing.pictures import FoundPicture, picture_mark, shows_picture

# Longer HTML is cut before anything is done with it.
MOST_HTML = 200_000
# What lies in more elements than that is read as if the inner ones were not there: each takes as long as its text.
DEEPEST = 12
# Open elements at a time; HTML is cut before there are more: cleaning takes as long as their square.
MOST_OPEN = 2_000
_TAGS = {
    "a", "p", "br", "em", "i", "b", "strong", "s", "del", "strike", "code", "pre", "blockquote", "ul", "ol", "li",
    "img", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "div", "tr", "iframe", "tt", "kbd",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}, "iframe": {"src"}}
_cleaner = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"script", "style", "noscript", "template", "svg", "math", "title", "textarea", "select"},
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
)
_PIECE = re.compile(r'<(/?)([a-z0-9]+)((?:\s+[a-z-]+="[^"]*")*)\s*/?>')
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LINE_SPACES = re.compile(r"[ \t\r\f]+")
_MARKS = re.compile(r"[*_~`\[\]<]")
_LINE_MARK = re.compile(r"(?m)^( *)([>-])(?=\s)")
_MANY_LINES = re.compile(r"\n{3,}")
# A run of spaces is looked at once, however long it is.
_ENDS_OF_LINES = re.compile(r"(?<![ \t])[ \t]++(?=\n)|(?<=\n) (?! )")
_CUT_SHORT = re.compile(r"(\.\.\.|…)\Z")
_FENCE = re.compile("`{3,}")
_TAG = re.compile(r"<(/?)(?!(?:br|hr|img|p|li|input|meta|link)\b)[a-z]", re.IGNORECASE)
_EMPHASIS = {"em": "*", "i": "*", "b": "**", "strong": "**", "s": "~~", "del": "~~", "strike": "~~"}
_CODE = {"code", "tt", "kbd"}
_BLOCKS = {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "tr"}
_SAFE_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s<>()\[\]\"'`*_\\]+\Z", re.IGNORECASE)


class _Open:
    """An element that is not closed yet, and what is in it so far: of one that lies too deep, in that around it."""

    def __init__(self, tag: str, attributes: dict[str, str], around: _Open | None = None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parts: list[str] = [] if around is None else around.parts
        self.flat = around is not None
        self.count = 0


def to_markdown(html: str, *, lines: bool = False, pictures: list[FoundPicture] | None = None) -> str:
    """*html* as Markdown. *lines*: an end of a line in the text is one that was meant, as WordPress has it.

    Pictures become links; *pictures* is given what is known of each.
    """
    if "<" not in html and "&" not in html:
        return _text(html, lines)
    clean = _cleaner.clean(_shallow(html[:MOST_HTML]))
    stack = [_Open("", {})]
    at = 0
    in_code = 0
    for found in _PIECE.finditer(clean):
        _add_text(stack[-1], unescape(clean[at : found.start()]), lines, in_code)
        at = found.end()
        closing, tag, given = found[1], found[2], found[3]
        if not closing:
            if tag in ("br", "hr", "img"):
                stack[-1].parts.append(_void(tag, _attributes(given), in_code, pictures))
                continue
            in_code += tag in _CODE or tag == "pre"
            stack.append(_Open(tag, _attributes(given), stack[-1] if len(stack) > DEEPEST else None))
            continue
        # The sanitiser closes what it opens, in order.
        while len(stack) > 1:
            one = stack.pop()
            in_code -= one.tag in _CODE or one.tag == "pre"
            if not one.flat:
                stack[-1].parts.append(_closed(one, stack[-1], in_code, pictures))
            if one.tag == tag:
                break
    _add_text(stack[-1], unescape(clean[at:]), lines, in_code)
    while len(stack) > 1:
        one = stack.pop()
        if not one.flat:
            stack[-1].parts.append(_closed(one, stack[-1], 0, pictures))
    return _tidied("".join(stack[0].parts))


def _shallow(html: str) -> str:
    if html.count("<") <= MOST_OPEN:
        return html
    still_open = 0
    for found in _TAG.finditer(html):
        still_open += -1 if found[1] else 1
        if still_open > MOST_OPEN:
            return html[: found.start()]
    return html


def _attributes(given: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _ATTRIBUTE.findall(given)}


def _text(text: str, lines: bool) -> str:
    text = _LINE_SPACES.sub(" ", text.replace("\r\n", "\n")) if lines else _SPACES.sub(" ", text)
    return _tidied(_escaped(text))


def _escaped(text: str) -> str:
    if "_" not in text and "*" not in text and "[" not in text and _MARKS.search(text) is None:
        return _LINE_MARK.sub(r"\1\\\2", text)
    # An address is a link as it stands, with whatever is in it.
    words = re.split(r"(\s+)", text)
    made = "".join(
        word if word.startswith(("http://", "https://", "www.")) else _MARKS.sub(r"\\\g<0>", word) for word in words
    )
    return _LINE_MARK.sub(r"\1\\\2", made)


def _add_text(where: _Open, text: str, lines: bool, in_code: int) -> None:
    if not text:
        return
    if in_code:
        where.parts.append(text)
        return
    where.parts.append(_escaped(_LINE_SPACES.sub(" ", text.replace("\r\n", "\n")) if lines else _SPACES.sub(" ", text)))


def _void(tag: str, attributes: dict[str, str], in_code: int, pictures: list[FoundPicture] | None) -> str:
    if tag == "br":
        return "\n"
    if tag == "hr":
        return "\n\n"
    if in_code:
        return ""
    source, words = attributes.get("src", ""), attributes.get("alt", "")
    made = _link(source, _escaped(_SPACES.sub(" ", words)))
    return made if pictures is None else _noted(pictures, made, source, words)


def _noted(pictures: list[FoundPicture], made: str, address: str, alt: str) -> str:
    """What stands for a picture in the text: *made*, in such a way that it is found again."""
    if not address.startswith(("http://", "https://")):
        return made
    mark = made if made.endswith(">)") else picture_mark(address)
    pictures.append(FoundPicture(mark, address, " ".join(alt.split())))
    return mark


def _link(address: str, words: str) -> str:
    words = words.strip()
    if not address:
        return words
    plain = words.replace("\\", "")
    short = _CUT_SHORT.sub("", plain)
    bare = address.removeprefix("https://").removeprefix("http://").removeprefix("mailto:")
    same = not plain or plain in (address, bare) or (
        short != plain and (address.startswith(short) or bare.startswith(short.removeprefix("www.")))
    )  # fmt: skip
    if same:
        # A bare address is a link by itself.
        return address.removeprefix("mailto:") if _SAFE_ADDRESS.match(address) else f"<{_escape_address(address)}>"
    # A link can't go over an empty line, nor hold another.
    return f"[{' '.join(words.split())}](<{_escape_address(address)}>)"


def _escape_address(address: str) -> str:
    return address.replace("<", "%3C").replace(">", "%3E").replace("\n", "").replace(" ", "%20").replace("\\", "%5C")


def _closed(one: _Open, above: _Open, in_code: int, pictures: list[FoundPicture] | None) -> str:
    inner = "".join(one.parts)
    tag = one.tag
    if in_code:
        return inner
    if tag in _EMPHASIS:
        return _wrapped(inner, _EMPHASIS[tag])
    if tag in _CODE:
        return _inline_code(inner)
    if tag == "pre":
        return _fenced(inner)
    if tag in ("a", "iframe"):
        address = one.attributes.get("href") or one.attributes.get("src") or ""
        return _link(address, inner) if pictures is None or tag != "a" else _anchor(address, inner, pictures)
    if tag in _BLOCKS:
        return f"\n\n{inner.strip()}\n\n"
    if tag == "blockquote":
        body = _tidied(inner)
        return "\n\n" + "\n".join(f"> {line}".rstrip() for line in body.split("\n")) + "\n\n" if body else ""
    if tag in ("ul", "ol"):
        return f"\n\n{inner.strip(chr(10))}\n\n"
    if tag == "li":
        above.count += 1
        mark = f"{above.count}. " if above.tag == "ol" else "- "
        body = _tidied(inner).replace("\n\n", "\n").replace("\n", "\n" + " " * len(mark))
        return f"{mark}{body}\n" if body else ""
    return inner


def _anchor(address: str, inner: str, pictures: list[FoundPicture]) -> str:
    """A link, which may be a picture: a small one that leads to the large one, or what the source has for uploads."""
    if pictures and inner.strip() == pictures[-1].mark:
        small = pictures.pop()
        if shows_picture(address):
            return _noted(pictures, _link(address, _escaped(small.alt)), address, small.alt)
        pictures.append(small)
        return f"{small.mark} {_link(address, '')}" if address else inner
    made = _link(address, inner)
    return _noted(pictures, made, address, "") if shows_picture(address, uploads=True) else made


def _wrapped(inner: str, mark: str) -> str:
    """Marks stand at words, on each line by itself."""
    made = []
    for line in inner.split("\n"):
        words = line.strip()
        lead, tail = line[: len(line) - len(line.lstrip())], line[len(line.rstrip()) :]
        made.append(f"{lead}{mark}{words}{mark}{tail}" if words and not words.startswith(mark) else line)
    return "\n".join(made)


def _inline_code(inner: str) -> str:
    words = inner.strip()
    if not words:
        return inner
    if "\n" in words:
        return _fenced(inner)
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    marks = "`" * (longest + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{marks}{pad}{words}{pad}{marks}"


def _fenced(inner: str) -> str:
    body = inner.strip("\n").rstrip()
    longest = max((len(run) for run in _FENCE.findall(body)), default=2)
    marks = "`" * (longest + 1)
    return f"\n\n{marks}\n{body}\n{marks}\n\n" if body.strip() else ""


def _tidied(text: str) -> str:
    """No empty lines in a row, no spaces at ends of lines; what is in a fence stays as it is."""
    if "```" in text:
        parts = re.split(r"(?ms)^((`{3,})\n.*?\n\2$)", text)
        made, n = [], 0
        while n < len(parts):
            made.append(_MANY_LINES.sub("\n\n", _trim_lines(parts[n])))
            if n + 1 < len(parts):
                made.append(parts[n + 1])
            n += 3
        return "".join(made).strip()
    return _MANY_LINES.sub("\n\n", _trim_lines(text)).strip()


def _trim_lines(text: str) -> str:
    # What a list or a quote indents keeps that: only ends of lines are trimmed, and single spaces at their beginning.
    return _ENDS_OF_LINES.sub("", text)
