"""What somebody wrote in a letter that answers one of ours: its words, without what they answer to."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import blake2b
from html.parser import HTMLParser
from typing import Any

from msgspec import Struct

from cackled.domain.quoting import cleaned

# Names of files that are told of, and characters of each.
MOST_NAMES, MOST_NAME = 10, 100
# Where what was answered to begins, as mail programs write it: a line, or the heads of the letter, of which there are
# some in a row. A line that begins with "From:" alone may be anybody's.
_LINE = re.compile(r"-{5,}\s*\S[^\n]{2,60}\S\s*-{5,}\s*|_{10,}\s*")
_FIRST = re.compile(
    r"\*?(from|von|de|da|od|från|fra|van|от|від|kimden|gönderen|差出人|发件人|寄件者|מאת|من)\*?\s?[:：].*",
    re.IGNORECASE,
)
_HEAD = re.compile(r"\*?[^\W\d_][^:：\n]{0,24}\*?\s?[:：]\s*\S.*")
HEADS = 3


class Letter(Struct, frozen=True):
    """``words`` as written, a ``key`` that is the same for the same letter, and names of ``files`` with it."""

    words: str
    key: str
    files: tuple[str, ...] = ()


def read_letter(raw: bytes) -> Letter | None:
    """What somebody wrote; None: a machine did (RFC 3834), or it can't be read."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    try:
        automatic = str(message.get("Auto-Submitted", "no")).strip().lower()
        precedence = str(message.get("Precedence", "")).strip().lower()
        if not automatic.startswith("no") or precedence in ("bulk", "junk", "list", "auto_reply"):
            return None
        if any(message.get(name) is not None for name in ("List-Id", "X-Autoreply", "X-Autorespond")):
            return None
        if message.get_content_type() == "multipart/report":
            return None
        number = str(message.get("Message-ID", "")).strip()
        body = message.get_body(("plain", "html"))
        words = "" if body is None else str(body.get_content())
        if body is not None and body.get_content_type() == "text/html":
            words = _plain(words)
        files = tuple(_files(message))
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        # The library gives up on some malformed letters with whatever comes.
        return None
    digest = blake2b(number.encode("utf-8", "replace") or raw, digest_size=15).hexdigest()
    return Letter(without_quotes(words), f"mail:{digest}", files)


def _files(message: EmailMessage) -> list[str]:
    """Names of what is attached; pictures that stand in the text are a signature's more often than not."""
    if not message.is_multipart():
        return []
    names = []
    for part in message.iter_attachments():
        if part.get("Content-ID") is None or part.get_content_disposition() == "attachment":
            names.append(cleaned(part.get_filename() or part.get_content_type())[:MOST_NAME])
    return names[:MOST_NAMES]


def without_quotes(words: str) -> str:
    """*words* without the letter that they answer to."""
    lines = [line.rstrip() for line in words.replace("\r\n", "\n").split("\n")]
    end = next((n for n in range(len(lines)) if _begins(lines, n)), len(lines))
    top = lines[:end]
    if end < len(lines):
        while top and not top[-1]:
            top.pop()
        # "On Monday Ann wrote:", in one line or two.
        if top and top[-1].endswith((":", "：")):
            top.pop()
            if top and top[-1] and (len(top) == 1 or not top[-2]) and len(top) > 1:
                top.pop()
    signature = next((n for n, line in enumerate(top) if line in ("--", "-- ")), len(top))
    kept = "\n".join(top[:signature]).strip()
    if kept or end == len(lines) or not lines[end].startswith(">"):
        return kept
    # Who answers below or between has nothing above.
    return "\n".join(line for line in lines[end:] if line and not line.startswith(">")).strip()


def _begins(lines: list[str], at: int) -> bool:
    line = lines[at]
    if line.startswith(">") or _LINE.fullmatch(line):
        return True
    if _FIRST.fullmatch(line) is None:
        return False
    heads = [one for one in lines[at : at + 2 * HEADS] if one][:HEADS]
    return len(heads) == HEADS and all(_HEAD.fullmatch(one) for one in heads)


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """A tag begins."""
        if tag == "blockquote" and not self._skipped:
            # What stands before it names whoever is quoted.
            self.parts.append("\n>\n")
        if tag in ("script", "style", "head", "blockquote"):
            self._skipped += 1
        elif tag in ("br", "p", "div", "li", "tr"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in ("script", "style", "head", "blockquote"):
            self._skipped = max(0, self._skipped - 1)

    def handle_data(self, data: str) -> None:
        """A text."""
        if not self._skipped:
            self.parts.append(data)


def _plain(html: str) -> str:
    reader = _Plain()
    reader.feed(html)
    return re.sub(r"\n{3,}", "\n\n", "".join(reader.parts))
