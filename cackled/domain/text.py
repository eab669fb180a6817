"""From what a visitor typed to what is stored: clean text, small Markdown, sanitised HTML; once, at write.

nh3 is quadratic in nesting depth, so the length is capped before and Markdown's own nesting is bounded.
"""

from __future__ import annotations

import re
from html import escape, unescape

import nh3

from cackled.domain import markdown
from cackled.domain.errors import BadField, Unprocessable
from cackled.marks import normalised

# Raised when rendering changes, here and in `html_version()` of the database, so that older rows can be told apart.
HTML_VERSION = 2
MAX_NAME = 60
MAX_LINE = 2000

_TAGS = {"a", "p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li"}
# Line ends that are none of ours: NEL, those of Unicode, vertical tab, form feed, and ASCII's separators.
_LINE_ENDS = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
# Bidirectional overrides and isolates can turn the text of others around.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_BLANK_LINES = re.compile(r"\n{3,}")

# A link without a scheme would lead somewhere on the site that shows the comment.
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def clean_text(raw: str, max_length: int) -> str:
    """*raw* normalised: NFC, one kind of line end, no control characters, a bounded number of marks on a character.

    Outside of code there is at most one blank line in a row.

    Raises:
        Unprocessable: nothing visible is left, or it is longer than *max_length* characters.
    """
    if len(raw) > 4 * max_length:
        raise Unprocessable(f"At most {max_length} characters.", field="text", slug="text-too-long")
    text = normalised(_CONTROLS.sub("", _LINE_ENDS.sub("\n", raw.replace("\r\n", "\n"))))
    if "```" not in text and "~~~" not in text:
        text = _BLANK_LINES.sub("\n\n", text)
    text = text.strip()
    if not _INVISIBLE.sub("", text):
        raise Unprocessable("Write something first.", field="text", slug="text-empty")
    if len(text) > max_length:
        raise Unprocessable(f"At most {max_length} characters.", field="text", slug="text-too-long")
    return text


def clean_line(raw: str, most: int = MAX_LINE) -> str:
    """*raw* as one line of at most *most* characters: NFC, marks bounded, no control characters.

    Line ends become spaces. What is longer is cut before anything is done with it, at a whole character.
    """
    text = normalised(_CONTROLS.sub("", _LINE_ENDS.sub(" ", raw[: 4 * most].replace("\r\n", " ")).replace("\n", " ")))
    return text[:most]


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
    name = " ".join(_BIDI.sub("", clean_line(raw)).split())
    if not _INVISIBLE.sub("", name):
        raise _bad_name("A name is needed.", "empty")
    if len(name) > MAX_NAME:
        raise _bad_name(f"A name has at most {MAX_NAME} characters.", "too-long")
    return name


def _keep(element: str, attribute: str, value: str) -> str | None:
    # nh3 lets some attributes through on every element.
    return value if attribute == "rel" or (attribute == "href" and _LINK.match(value)) else None


_cleaner = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href"}},
    attribute_filter=_keep,
    url_schemes={"http", "https", "mailto"},
    link_rel="nofollow ugc noopener noreferrer",
)

# What Markdown or HTML could see more in than text: any of their characters, links, other white space than single line
# ends and spaces within a line, what may begin a list, and what a serialiser writes as an entity.
_MARKUP = re.compile(
    r"[][*_~`<>&\\\0]|//|mailto:|www\.|[^\S \n]|\A\n|(?:\A|\n)[ 0-9+-]| \n|[ \n]\Z|\n\n\n", re.IGNORECASE
)
_VISIBLE = re.compile("[^" + _INVISIBLE.pattern[1:])


def _sanitised(html: str) -> str:
    return _cleaner.clean(html).strip()


def plain(text: str) -> str | None:
    """What `render` gives, at a hundredth of its cost, for text in which Markdown would see paragraphs and line ends.

    None for any other.
    """
    if _MARKUP.search(text) is not None or _VISIBLE.search(text) is None:
        return None
    return f"<p>{text}</p>".replace("\n\n", "</p>\0<p>").replace("\n", "<br>\n").replace("\0", "\n")


def render(text: str) -> str:
    """The HTML of cleaned *text*: Markdown without raw HTML or images, then an allow-list of elements."""
    html = plain(text)
    return render_markdown(text) if html is None else html


def render_markdown(text: str) -> str:
    """As `render`, with all the machinery for any text."""
    try:
        html = _sanitised(markdown.render(text))
    except markdown.TooMuch:
        return _as_typed(text)
    if not _INVISIBLE.sub("", unescape(_TAG.sub("", html))):
        # Nested deeper than we follow, or all of it empty: show what was typed rather than nothing.
        return _as_typed(text)
    return html


def _as_typed(text: str) -> str:
    return _sanitised("<p>" + escape(text).replace("\n", "<br>\n") + "</p>")
