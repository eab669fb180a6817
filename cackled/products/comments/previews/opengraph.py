"""What a page says of itself: Open Graph (https://ogp.me/), Twitter's cards, else its title and description.

A stranger's page: it is looked through once from its beginning, in time linear in its length, and nothing is run.
"""

from __future__ import annotations

import codecs
import re
from urllib.parse import urljoin

from msgspec import Struct

from cackled.domain import links
from cackled.domain.entities import read_entities
from cackled.domain.text import clean_words
from cackled.marks import cut

TYPES = ("text/html", "application/xhtml+xml")
# Bytes that are looked through, tags, those of them that may say something, and characters of one.
MOST_BYTES = 262_144
MOST_TAGS = 4_000
MOST_METAS = 150
LONGEST_TAG = 8_192
# Characters that are shown.
TITLE, TEXT, SITE = 150, 300, 60

# Encodings of pages, as browsers know them (https://encoding.spec.whatwg.org/); any other name is taken for UTF-8.
_ENCODINGS = re.compile(
    r"utf-?8|utf-?16(-?[lb]e)?|(iso-?8859|windows|cp)-?\d{1,4}|latin-?1|koi8-[ru]|gbk|gb2312|gb18030|big5|euc-(jp|kr)|"
    r"shift_jis|iso-2022-jp|macintosh|tis-620",
    re.IGNORECASE | re.ASCII,
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NEXT = re.compile(r"<(!--|/?[a-zA-Z][a-zA-Z0-9-]{0,20})")
_TAG = re.compile(r"(?:[^\"'>]|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(
    r"(?<![\w:.-])([a-zA-Z][\w:.-]{0,40}+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))", re.ASCII
)
# What is within these is no markup of the page's head.
_RAW = frozenset(("script", "style", "noscript", "template", "svg", "textarea", "iframe", "object", "xmp"))
_WANTED = {
    "og:title": "title", "twitter:title": "title", "og:description": "text", "twitter:description": "text",
    "description": "text", "og:site_name": "site", "og:image": "picture", "og:image:url": "picture",
    "og:image:secure_url": "picture", "twitter:image": "picture", "twitter:image:src": "picture",
}  # fmt: skip
# Which of two counts: what stands first here.
_ORDER = tuple(_WANTED)


class Facts(Struct, frozen=True):
    """What is shown of a page; ``picture`` is an address, or ``""``."""

    title: str
    text: str = ""
    site: str = ""
    picture: str = ""


def facts_of(body: bytes, content_type: str, url: str) -> Facts | None:
    """What the page at *url* says of itself; None: it has no title, or is no page."""
    if content_type.partition(";")[0].strip().lower() not in TYPES:
        return None
    found, title = _scan(_decoded(body[:MOST_BYTES], content_type))

    def first(kind: str, most: int) -> str:
        for name in _ORDER:
            if _WANTED[name] == kind and name in found:
                words = _short(found[name], most)
                if words:
                    return words
        return ""

    heading = first("title", TITLE) or _short(title, TITLE)
    if not heading:
        return None
    return Facts(heading, first("text", TEXT), first("site", SITE) or links.host_of(url), _picture(found, url))


def _short(raw: str, most: int) -> str:
    words = clean_words(read_entities(raw), 4 * most)
    return words if len(words) <= most else cut(words, most - 1).rstrip() + "…"


def _picture(found: dict[str, str], url: str) -> str:
    for name in _ORDER:
        if _WANTED[name] == "picture" and name in found:
            try:
                address = links.target(urljoin(url, read_entities(found[name]).strip()))
            except ValueError:
                continue
            if address and address.startswith("http"):
                return address
    return ""


def _decoded(body: bytes, content_type: str) -> str:
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    said = _CHARSET.search(content_type) or _CHARSET.search(body[:2048].decode("latin-1"))
    name = said[1] if said else "utf-8"
    if _ENCODINGS.fullmatch(name) is None:
        name = "utf-8"
    # As browsers do.
    name = "windows-1252" if re.fullmatch(r"(iso-?8859-?1|latin-?1)", name, re.IGNORECASE) else name
    try:
        return body.decode(name, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _scan(page: str) -> tuple[dict[str, str], str]:
    """The first value of each wanted name, and the text of the first title."""
    found: dict[str, str] = {}
    title = ""
    at = metas = 0
    for _ in range(MOST_TAGS):
        tag = _NEXT.search(page, at)
        if tag is None:
            break
        name, at = tag[1].lower(), tag.end()
        if name == "!--":
            end = page.find("-->", at)
            at = len(page) if end < 0 else end + 3
        elif name in ("/head", "body"):
            break
        elif name == "meta":
            metas += 1
            if metas > MOST_METAS:
                break
            whole = _TAG.match(page, at, at + LONGEST_TAG)
            if whole is None:
                continue
            given = {one[1].lower(): one[2] or one[3] or one[4] or "" for one in _ATTRIBUTE.finditer(whole[0])}
            said = (given.get("property") or given.get("name") or "").strip().lower()
            if said in _WANTED and given.get("content", "").strip():
                found.setdefault(said, given["content"])
            at = whole.end()
        elif name == "title" or name in _RAW:
            begin = page.find(">", at)
            end = -1 if begin < 0 else _end_of(name, page, begin)
            if name == "title" and not title and end >= 0:
                title = page[begin + 1 : min(end, begin + 1 + LONGEST_TAG)]
            at = len(page) if end < 0 else end
    return found, title


_ENDS = {name: re.compile(rf"</{name}[\s>/]", re.IGNORECASE) for name in (*_RAW, "title")}


def _end_of(name: str, page: str, begin: int) -> int:
    end = _ENDS[name].search(page, begin)
    return -1 if end is None else end.start()
