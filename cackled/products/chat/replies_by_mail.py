"""Visitors answer a letter, and that continues their conversation: a small SMTP server takes such mail.

The operator's own mail server delivers to it what comes for ``[mail] replies`` (``chat+MARK@example.org``). A mark
names site and conversation and can't be guessed. Mail of machines (RFC 3834) is taken and thrown away, so that no loop
begins; the same message twice is said once.
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import blake2b
from html.parser import HTMLParser
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from cackled.database.errors import DatabaseError, QueryFailed
from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain import text
from cackled.domain.errors import Refused
from cackled.domain.signed_links import SignedLinks
from cackled.domain.sites import SiteDirectory
from cackled.products.chat import queries
from cackled.products.chat.settings import ChatSettings

log = Logger()
# Bytes of a letter, letters at once, seconds of silence.
MOST_BYTES = 1_000_000
MOST_OPEN = 50
SILENCE = 60
_MARK = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,19})\.([a-z2-7]{16})", re.ASCII)
# Where what was answered to begins, as mail programs write it.
_BEGINS = re.compile(
    r"(-{2,}\s*(original message|ursprüngliche nachricht|исходное сообщение|message d'origine|mensaje original)\s*-{2,}"
    r"|_{10,}|from:\s.*|von:\s.*|от:\s.*|de\s?:\s.*)\s*",
    re.IGNORECASE,
)


def mark_text(site: int, chat: int, tokens: int) -> str:
    """What a mark is made of."""
    return f"chat-mail {site} {chat} {tokens}"


async def reply_address(links: SignedLinks, replies: str, site: int, chat: int, tokens: int) -> str:
    """Where an answer to a letter about a conversation goes; ``""`` where none are taken."""
    if not replies:
        return ""
    user, _, host = replies.rpartition("@")
    return f"{user}+{site}.{chat}.{await links.mark(mark_text(site, chat, tokens))}@{host}"


def said_in(raw: bytes) -> tuple[str, str] | None:
    """What somebody wrote in a letter, without what they answer to, and the letter's id; None: a machine wrote it."""
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
    except (ValueError, LookupError, TypeError, AttributeError, IndexError):
        # The library gives up on some malformed letters with whatever comes.
        return None
    digest = blake2b(number.encode("utf-8", "replace") or raw, digest_size=15).hexdigest()
    return without_quotes(words), f"mail:{digest}"


def without_quotes(words: str) -> str:
    """*words* without the letter that they answer to."""
    lines = [line.rstrip() for line in words.replace("\r\n", "\n").split("\n")]
    end = next((n for n, line in enumerate(lines) if line.startswith(">") or _BEGINS.fullmatch(line)), len(lines))
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
    # Who answers below or between has nothing above.
    return kept or "\n".join(line for line in lines[end:] if line and not line.startswith(">")
                             and not _BEGINS.fullmatch(line)).strip()  # fmt: skip


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """A tag begins."""
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


class MailReplies:
    """Takes letters at *port* of *interface* (0: none); *replies* is the address that marks are added to."""

    def __init__(
        self, sites: SiteDirectory, database: Database, links: SignedLinks, reactor: Any, replies: str, interface: str,
        port: int,
    ) -> None:  # fmt: skip
        self._sites = sites
        self._database = database
        self._links = links
        self._reactor = reactor
        self._where = (interface, port)
        self._user, _, self._host = replies.lower().rpartition("@")
        self.listening: Any = None

    def start(self) -> None:
        """Listen, where that is configured."""
        interface, port = self._where
        if port and self._host:
            # Imported here, because the import of smtp installs a reactor and ours is chosen when the daemon starts.
            from cackled.products.chat.smtp_replies import make_factory

            self.listening = self._reactor.listenTCP(port, make_factory(self), interface=interface)

    def stop(self) -> None:
        """No more."""
        if self.listening is not None:
            maybeDeferred(self.listening.stopListening)
            self.listening = None

    async def find(self, user: str, host: str) -> tuple[int, int] | None:
        """The site and conversation that an address is about; None: there is none."""
        base, plus, mark = user.lower().partition("+")
        found = _MARK.fullmatch(mark)
        if base != self._user or host.lower() != self._host or not plus or found is None:
            return None
        site, chat = int(found[1]), int(found[2])
        if self._sites.find(site) is None or chat >= 2**63:
            return None
        rows = await self._database.site(site).read(
            queries.SELECT_CHAT, site, chat, preference=ReadPreference.PRIMARY
        )
        if not rows.rows or await self._links.mark(mark_text(site, chat, rows.rows[0][7])) != found[3]:
            return None
        return site, chat

    async def say(self, where: tuple[int, int], raw: bytes) -> None:
        """Say in a conversation what its visitor wrote in a letter. A closed one is opened again.

        Raises:
            ValueError: it can't be said, and trying again does not help.
            OSError: not now.
        """
        found = said_in(raw)
        site = self._sites.find(where[0])
        if found is None or site is None or not found[0]:
            return
        settings = site.product(ChatSettings)
        words, key = found
        try:
            database = self._database.site(site.id)
            chat = (await database.read(queries.SELECT_CHAT, *where, preference=ReadPreference.PRIMARY)).rows[0]
            clean = text.clean_text(words[: settings.max_length], settings.max_length)
            said = (*where, "visitor", chat[3], None, chat[4], None, key, clean, text.render(clean), None, False)
            if chat[5] == "closed" and not (await database.read(
                queries.SELECT_SAID, *where, "visitor", key, preference=ReadPreference.PRIMARY
            )).rows:  # fmt: skip
                await database.write(queries.REOPEN_CHAT, *where)
            await database.write(queries.SAY, *said, "[]", [])
        except QueryFailed as error:
            raise ValueError(error.message) from None
        except DatabaseError as error:
            raise OSError(str(error)) from None
        except Refused as error:
            raise ValueError(error.detail) from None


def later(work: Any) -> Deferred[Any]:
    """A Deferred of *work*."""
    return Deferred.fromCoroutine(work)
