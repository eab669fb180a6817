"""Visitors answer a letter, and that continues their conversation: a small SMTP server takes such mail.

The operator's own mail server delivers to it what comes for ``[mail] replies`` (``chat+MARK@example.org``). A mark
names site and conversation and can't be guessed. Mail of machines (RFC 3834) is taken and thrown away, so that no loop
begins; the same message twice is said once.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from cackled.database.errors import DatabaseError, QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain import text
from cackled.domain.errors import Refused
from cackled.domain.signed_links import SignedLinks
from cackled.domain.sites import SiteDirectory
from cackled.products.chat import queries
from cackled.products.chat.letters_read import read_letter
from cackled.products.chat.mail_words import WORDS
from cackled.products.chat.settings import ChatSettings

log = Logger()
# Bytes of a letter, letters at once, seconds of silence.
MOST_BYTES = 1_000_000
MOST_OPEN = 50
SILENCE = 60
_MARK = re.compile(r"([1-9][0-9]{0,9})\.([1-9][0-9]{0,19})\.([a-z2-7]{16})", re.ASCII)
# Letters of one conversation in an hour; more are told to come later. Two machines that answer each other are slowed.
HOURLY = 30
# Messages of one letter.
MOST_PIECES = 10

COUNT_LETTERS = Query(
    "count_chat_letters",
    """
    select count(*)::int from chat_message
    where site_id = $1 and chat_id = $2 and sender = 'visitor' and key like 'mail:%'
      and created_at > now() - interval '1 hour'
    """,
    ("int", "bigint"),
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

        A long letter becomes several messages. Of files with it only the names are said.

        Raises:
            ValueError: it can't be said, and trying again does not help.
            OSError: not now.
        """
        letter = read_letter(raw)
        site = self._sites.find(where[0])
        if letter is None or site is None or not (letter.words or letter.files):
            return
        pieces = _pieces(letter.words, site.product(ChatSettings).max_length)
        if letter.files:
            pieces.append(WORDS.words(site.settings.language)("dropped", names=", ".join(letter.files)))
        try:
            await self._say(where, letter.key, pieces)
        except QueryFailed as error:
            raise ValueError(error.message) from None
        except DatabaseError as error:
            raise OSError(str(error)) from None
        except Refused as error:
            raise ValueError(error.detail) from None

    async def _say(self, where: tuple[int, int], key: str, pieces: list[str]) -> None:
        database, primary = self._database.site(where[0]), ReadPreference.PRIMARY
        found = (await database.read(queries.SELECT_CHAT, *where, preference=primary)).rows
        if not found:
            raise ValueError("there is no such conversation any more")
        chat = found[0]
        clean = [text.clean_text(one, MOST_BYTES) for one in pieces]
        if not (await database.read(queries.SELECT_SAID, *where, "visitor", key, preference=primary)).rows:
            if (await database.read(COUNT_LETTERS, *where, preference=primary)).rows[0][0] >= HOURLY:
                raise OSError("too many letters in an hour")
            if chat[5] == "closed":
                await database.write(queries.REOPEN_CHAT, *where)
        for number, one in enumerate(clean):
            # What was said before a fault is not said twice.
            own = f"{key}.{number}" if number else key
            said = (*where, "visitor", chat[3], None, chat[4], None, own, one, text.render(one), None, False)
            await database.write(queries.SAY, *said, "[]", [])


def _pieces(words: str, most: int) -> list[str]:
    """*words* in parts of at most *most* characters, each of them whole lines or whole words where that can be.

    Raises:
        ValueError: there are more than a letter has.
    """
    made: list[str] = []
    rest = words.strip()
    while len(rest) > most:
        if len(made) == MOST_PIECES - 1:
            raise ValueError("the letter is too long")
        end = max(rest.rfind("\n", most // 2, most), 0) or max(rest.rfind(" ", most // 2, most), 0) or most
        made.append(rest[:end].strip())
        rest = rest[end:].strip()
    return [*made, rest] if rest else made


def later(work: Any) -> Deferred[Any]:
    """A Deferred of *work*."""
    return Deferred.fromCoroutine(work)
