"""From what a visitor typed to what is stored: clean text, small Markdown, sanitised HTML; once, at write.

nh3 is quadratic in nesting depth, so the length is capped before and Markdown's own nesting is bounded.
"""

from __future__ import annotations

import re
from html import escape, unescape

import nh3

from cackled.domain.errors import BadField, Unprocessable
from cackled.marks import normalised

# Raised when rendering changes, here and in `html_version()` of the database, so that older rows can be told apart.
HTML_VERSION = 3
MAX_NAME = 60
MAX_LINE = 2000

_TAGS = {"a", "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "span"}
# Line ends that are none of ours: NEL, those of Unicode, vertical tab, form feed, and ASCII's separators.
_LINE_ENDS = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
# Bidirectional overrides and isolates can turn the text of others around.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_VISIBLE = re.compile("[^" + _INVISIBLE.pattern[1:])
_BLANK_LINES = re.compile(r"\n{3,}")

# A link without a scheme would lead somewhere on the site that shows the comment.
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def clean_text(raw: str, max_length: int, *, bare: bool = False) -> str:
    """*raw* normalised: NFC, one kind of line end, no control characters, a bounded number of marks on a character.

    Outside of code there is at most one blank line in a row. *bare*: it may say nothing (pictures do), and is ``""``
    then.

    Raises:
        Unprocessable: nothing visible is left, or it is longer than *max_length* characters.
    """
    if len(raw) > 4 * max_length:
        raise Unprocessable(f"At most {max_length} characters.", field="text", slug="text-too-long")
    if raw.isascii() and raw.replace("\n", "").isprintable():
        text = raw
    else:
        text = normalised(_CONTROLS.sub("", _LINE_ENDS.sub("\n", raw.replace("\r\n", "\n"))))
    if "\n\n\n" in text and "```" not in text and "~~~" not in text:
        text = _BLANK_LINES.sub("\n\n", text)
    text = text.strip()
    if _VISIBLE.search(text) is None:
        if bare:
            return ""
        raise Unprocessable("Write something first.", field="text", slug="text-empty")
    if len(text) > max_length:
        raise Unprocessable(f"At most {max_length} characters.", field="text", slug="text-too-long")
    return text


def clean_line(raw: str, most: int = MAX_LINE) -> str:
    """*raw* as one line of at most *most* characters: NFC, marks bounded, no control characters.

    Line ends become spaces. What is longer is cut before anything is done with it, at a whole character.
    """
    if raw.isascii() and raw.isprintable():
        return raw[:most]
    text = normalised(_CONTROLS.sub("", _LINE_ENDS.sub(" ", raw[: 4 * most].replace("\r\n", " ")).replace("\n", " ")))
    return text[:most]


def clean_words(raw: str, most: int = MAX_LINE) -> str:
    """*raw* as `clean_line`, with single spaces and nothing that turns text around; ``""`` if nothing is visible."""
    words = " ".join(_BIDI.sub("", clean_line(raw, most)).split())
    return "" if _VISIBLE.search(words) is None else words


def _bad_name(words: str, reason: str) -> BadField:
    error = BadField(words, field="name")
    error.extra = {"reason": reason}
    return error


def clean_name(raw: str) -> str:
    """A display name: one line, no controls, 1 to 60 characters.

    Raises:
        BadField: nothing visible is left (``reason``: ``empty``), or it is longer (``too-long``).
    """
    if len(raw) > 16 * MAX_NAME:
        raise _bad_name(f"A name has at most {MAX_NAME} characters.", "too-long")
    name = clean_words(raw)
    if not name:
        raise _bad_name("A name is needed.", "empty")
    if len(name) > MAX_NAME:
        raise _bad_name(f"A name has at most {MAX_NAME} characters.", "too-long")
    return name


# What is hidden until somebody wants to see it, who is mentioned, and which language code is in.
_CLASSES = {
    "span": re.compile("spoiler|mention-[1-9][0-9]{0,18}"),
    "code": re.compile(r"language-[A-Za-z0-9_+#.-]{1,20}"),
}


def _keep(element: str, attribute: str, value: str) -> str | None:
    # nh3 lets some attributes through on every element.
    if attribute == "class":
        return value if _CLASSES[element].fullmatch(value) else None
    return value if attribute == "rel" or (attribute == "href" and _LINK.match(value)) else None


_cleaner = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href"}, "span": {"class"}, "code": {"class"}},
    attribute_filter=_keep,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow ugc noopener noreferrer",
)

# What Markdown or HTML could see more in than text: any of their characters, white space but spaces and line ends,
# addresses, and what may begin a list or ends a line. One class of characters, as alternatives cost a step for each
# character; the rest is looked for only in texts that have its rarest part.
_MARKUP = re.compile(r"[][*_~`<>&\\\0\t\r\x0b\x0c\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_MAIL = re.compile("mailto:", re.IGNORECASE)
_WEB = re.compile(r"www\.", re.IGNORECASE)
_BEGINS = frozenset("\n 0123456789+-")
_LINE_BEGINS = re.compile(r"\n[ 0-9+-]")
# Emphasis that means the same to everybody: a pair of stars or of double stars on one line, each beside a letter or a
# digit within, and beside a space, a line's end or common punctuation outside. Nothing within has a meaning.
_STARRED = re.compile(r"(?:(?<=[ \n(])|(?<=\A))(\*\*?)([^\W_](?:[^*\n]*[^\W_])?)\1(?=[ \n.,;:!?)]|\Z)")
# So many pairs are handled by hand: the long way counts marks, and stops at many.
_MOST_STARRED = 50


def _sanitised(html: str) -> str:
    return _cleaner.clean(html).strip()


def _starred(found: re.Match[str]) -> str:
    marks = _STRONG if len(found[1]) == 2 else _EM
    return f"{marks[0]}{found[2]}{marks[1]}"


# Stand-ins for elements while the rest of a text is looked at; cleaned text holds no such characters.
_EM, _STRONG = "\1\2", "\3\4"
_STAND_INS = re.compile("[\1-\4]")
_ELEMENTS = str.maketrans({"\1": "<em>", "\2": "</em>", "\3": "<strong>", "\4": "</strong>"})


def plain(text: str) -> str | None:
    """What `render` gives, at a hundredth of its cost, for text in which Markdown would see only paragraphs, line ends,
    and emphasis of whole words by stars.

    None for any other.
    """
    stars = text.count("*")
    if stars:
        if stars > 4 * _MOST_STARRED or _STAND_INS.search(text) is not None:
            return None
        text = _STARRED.sub(_starred, text)
    if "||" in text:
        return None
    if _MARKUP.search(text) is not None or _VISIBLE.search(text) is None or text[0] in _BEGINS or text[-1] in " \n":
        return None
    if (":" in text and _MAIL.search(text)) or ("." in text and _WEB.search(text)) or "//" in text:
        return None
    if "\n" in text and (" \n" in text or "\n\n\n" in text or _LINE_BEGINS.search(text)):
        return None
    if stars:
        text = text.translate(_ELEMENTS)
    return f"<p>{text}</p>".replace("\n\n", "</p>\0<p>").replace("\n", "<br>\n").replace("\0", "\n")


def render(text: str, *, math: bool = False, mentions: bool = False) -> str:
    """The HTML of cleaned *text*: Markdown without raw HTML or images, then an allow-list of elements.

    *math*: formulas between dollars become code in the language ``math``, which is shown as MathML.
    *mentions*: numbers of visitors that are mentioned stay in it.
    """
    if not text:
        return ""
    html = None if math and "$" in text else plain(text)
    return render_markdown(text, math=math, mentions=mentions) if html is None else html


def render_markdown(text: str, *, math: bool = False, mentions: bool = False) -> str:
    """As `render`, with the Markdown parser, for any text."""
    # Not at the start: the parser is some sixty modules, and most texts need none of it.
    from cackled.domain import markdown

    try:
        html = _sanitised(markdown.render(text, math=math, mentions=mentions))
    except markdown.TooMuch:
        return _as_typed(text)
    if _VISIBLE.search(unescape(_TAG.sub("", html))) is None:
        # Nested deeper than we follow, or all of it empty: show what was typed rather than nothing.
        return _as_typed(text)
    return html


def _as_typed(text: str) -> str:
    return _sanitised("<p>" + escape(text).replace("\n", "<br>\n") + "</p>")
