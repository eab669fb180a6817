"""Pictures in texts of other systems: where they are named, and what stands for each in ours until it is here."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from msgspec import Struct

from cackled.domain import links
from cackled.domain.page_facts import page_url

# Of one comment.
MOST_PICTURES = 8
MOST_ALT = 1_500
# Systems that put uploads into texts as bare links.
UPLOAD_HOSTS = frozenset(("uploads.disquscdn.com",))
_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".jfif")
# Code, in which nothing is a picture; a picture in Markdown; one in HTML; one as boards and FastComments write it.
_NAMED = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(?P<ticks>`++)[^`\n]+(?P=ticks))"
    r"|!\[(?P<alt>(?:[^\]\[\\\n]|\\.){0,500})\]"
    r"\(\s*<?(?P<link>https?://[^\s<>()]{1,2000}(?:\([^\s<>()]{0,200}\)[^\s<>()]{0,200})?)>?"
    r"(?:\s+\"[^\"\n]{0,500}\"|\s+'[^'\n]{0,500}')?\s*\)"
    r"|<img\b(?P<img>(?:[^<>\"']++|\"[^\"]{0,2500}\"|'[^']{0,2500}')*+)>"
    r"|\[img\]\s*(?P<board>https?://[^\s\[\]]{1,2000})\s*\[/img\]",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""\b(src|alt)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_MARKS = re.compile(r"[*_~`\[\]<>\\]")
# What is left of a line that had a picture alone: marks of a list or a quote.
_LEFT = re.compile(r"[\s>*-]*(?:\d{1,9}[.)])?[\s>*-]*")
_MANY_LINES = re.compile(r"\n{3,}")


class FoundPicture(Struct, frozen=True):
    """A picture of a text: what stands for it there, its address, the words for those who don't see it."""

    mark: str
    link: str
    alt: str = ""


def picture_mark(address: str, alt: str = "") -> str:
    """A link to a picture, in Markdown, in a form that no other text has."""
    safe = address.replace("<", "%3C").replace(">", "%3E").replace("\n", "").replace(" ", "%20").replace("\\", "%5C")
    words = " ".join(_MARKS.sub(r"\\\g<0>", alt).split())
    return f"[{words}](<{safe}>)" if words else f"<{safe}>"


def shows_picture(address: str, *, uploads: bool = False) -> bool:
    """Whether an address is that of a picture, as far as it says; *uploads*: one of those that a system keeps."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.path.lower().endswith(_ENDINGS) and (not uploads or parts.hostname in UPLOAD_HOSTS)


def linked_pictures(text: str) -> tuple[str, list[FoundPicture]]:
    """Markdown with links in place of its pictures, however they are written, and what is known of each."""
    if "![" not in text and "<img" not in (low := text.lower()) and "[img]" not in low:
        return text, []
    found: list[FoundPicture] = []

    def made(one: re.Match[str]) -> str:
        if one["code"]:
            return one[0]
        address, alt = one["link"] or one["board"] or "", re.sub(r"\\(.)", r"\1", one["alt"] or "")
        if one["img"]:
            given = {name.lower(): unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(one["img"])}
            address, alt = given.get("src", ""), given.get("alt", "")
        if not address.startswith(("http://", "https://")):
            return one[0]
        picture = FoundPicture(picture_mark(address, alt), address, " ".join(alt.split()))
        found.append(picture)
        return picture.mark

    return _NAMED.sub(made, text), found


def wished(source: str, found: list[FoundPicture]) -> list[dict[str, str]]:
    """Those that *source*, as it is stored, still has and that can be asked for, as the database takes them."""
    made: dict[str, dict[str, str]] = {}
    for one in found:
        address = web_address(one.link)
        if address and one.mark in source:
            made.setdefault(address, {"link": address, "alt": one.alt[:MOST_ALT], "mark": one.mark})
    return list(made.values())[:MOST_PICTURES]


def web_address(address: str) -> str:
    """An address as it is asked for, in ASCII; ``""`` where that can't be done."""
    try:
        made = links.target(page_url(address)) or ""
    except ValueError:
        return ""
    return made.partition("#")[0] if made.startswith("http") and len(made) <= 2_000 else ""


def without_mark(source: str, mark: str) -> str:
    """*source* without what stands for a picture, and without the lines that had nothing else."""
    lines = []
    for line in source.split("\n"):
        if mark in line:
            line = line.replace(mark, "").rstrip()
            if _LEFT.fullmatch(line):
                continue
        lines.append(line)
    return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
