"""Which format a file is of, guessed from its head; whoever uploads it may say another."""

from __future__ import annotations

import re
import zlib

from cackled.importing.source import Source, wide

# Bytes of the head that are looked at, once it is unpacked.
HEAD = 65_536
_GZIP = b"\x1f\x8b"
# What a head holds, in order: the first that fits counts. All patterns of a line must be found.
_SIGNS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("yandex-market", (rb'"feedbackId"\s*:',)),
    ("disqus", (rb"<disqus[\s>]",)),
    ("wxr", (rb"<rss[\s>]", rb"wordpress\.org/export|<wp:")),
    ("isso", (rb"^SQLite format 3\x00", rb"(?i)create table\s+[\"'`]?threads")),
    ("cusdis", (rb"^SQLite format 3\x00",)),
    ("reviews-jsonl", (rb'^\s*\{"type":"export"', rb'^[^\n]{0,200}"product":"reviews"')),
    ("polls-jsonl", (rb'^\s*\{"type":"export"', rb'^[^\n]{0,200}"product":"polls"')),
    ("follows-jsonl", (rb'^\s*\{"type":"export"', rb'^[^\n]{0,200}"product":"follows"')),
    ("jsonl", (rb'^\s*\{"type":"export"',)),
    ("remark42", (rb'^\s*\{\s*"version"', rb'"users"\s*:', rb'"posts"\s*:')),
    ("waline", (rb'"type"\s*:\s*"waline"',)),
    ("artalk", (rb'"page_key"\s*:', rb'"rid"\s*:')),
    ("comentario", (rb'"version"\s*:\s*3', rb'"(?:commenters|domainPages|pages)"\s*:')),
    ("commento", (rb'"version"\s*:\s*1', rb'"commenters"\s*:')),
    ("hyvor", (rb'"(?:body_html|website_id|page_identifier|hyvor)"',)),
    ("fastcomments", (rb'(?i)"?(?:urlId|commentHTML|commenterName)"?',)),
    ("cusdis", (rb'"(?:projects|pages)"\s*:', rb'"(?:by_nickname|byNickname)"|"slug"')),
    ("cackle-reviews", (rb'"reviews"\s*:', rb'"(?:star|pros|cons)"\s*:')),
    ("cackle", (rb'"(?:comments|chan|channel)"\s*:', rb'"(?:chan|message)"\s*:')),
    ("valine", (rb'"(?:objectId|_id)"\s*:', rb'"(?:comment|nick)"\s*:')),
    ("isso", (rb'"(?:id|title)"\s*:', rb'"comments"\s*:', rb'"author"\s*:')),
)
NAMES = frozenset((*(name for name, _ in _SIGNS), "reviews"))


def unpacked(head: bytes) -> bytes:
    """The head of what a packed file holds; another's as it is."""
    if not head.startswith(_GZIP):
        return head[:HEAD]
    try:
        return zlib.decompressobj(31).decompress(head, HEAD)
    except zlib.error:
        return b""


def another(source: Source, format: str) -> str:
    """The name of the format that a file looks like, where that is not *format*; ``""`` otherwise."""
    with source.open() as file:
        found = guess(file.read(HEAD), NAMES)
    return "" if found == format else found


def guess(head: bytes, formats: frozenset[str]) -> str:
    """The name of the format, one of *formats*; ``""`` where it can't be told."""
    text = unpacked(head)
    encoding = wide(text)
    if encoding is not None:
        text = text.decode(encoding, "replace").encode()
    text = text.removeprefix(b"\xef\xbb\xbf")
    for name, signs in _SIGNS:
        if name in formats and all(re.search(sign, text) for sign in signs):
            return name
    first = text.partition(b"\n")[0].decode("utf-8", "replace").lower()
    rated = {"rating", "review score"} & {one.strip().strip('"') for one in re.split(r"[,;\t]", first)}
    return "reviews" if rated and "reviews" in formats else ""
