"""Mail to a site's moderators: what was reported, and what was written.

The outbox holds no words, only which comment; they are read when the message is made, so that nothing is mailed that
is gone by then. New comments are gathered for a minute into one message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate

import msgspec
from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.sites import Site, SiteDirectory

# Comments in one message, and of each so many characters.
MOST = 50
LONGEST = 1_000

SELECT_NOTICE = Query(
    "select_notice",
    """
    select c.author_name, c.src, c.n_flags, h.title, h.url, h.key
    from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    where c.site_id = $1 and c.id >= $2 and c.id <= $3 and c.status = 1 order by c.id limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)

# Hands a message over for an address; raises ValueError for what will never be taken, else OSError.
Send = Callable[[str, EmailMessage], Awaitable[None]]


class Notice(Struct, frozen=True, tag_field="about", tag="comments"):
    """New comments from this one on."""

    id: str


class Report(Struct, frozen=True, tag_field="about", tag="flag"):
    """A comment was reported."""

    id: str
    reason: str = ""


_decode = msgspec.json.Decoder(Notice | Report).decode
_LAST = 2**63 - 1


class ModeratorMail:
    """The outbox's handler of kind ``mail``; without *send* there is no mail server."""

    def __init__(self, sites: SiteDirectory, database: Database, send: Send | None, sender: str) -> None:
        self._sites = sites
        self._database = database
        self._send = send
        self._sender = sender

    async def deliver(self, work: Work) -> None:
        """Write to the site's moderators, where there is still something to tell.

        Raises:
            Retry, GiveUp
        """
        site = self._sites.find(work.site)
        if site is None or not site.settings.moderator_email:
            raise GiveUp("the site has no moderators' address any more")
        if self._send is None:
            raise GiveUp("there is no [mail] host")
        about = _decode(work.body)
        first = int(about.id)
        last, most = (first, 1) if isinstance(about, Report) else (_LAST, MOST)
        rows = await self._database.site(site.id).read(
            SELECT_NOTICE, site.id, first, last, most, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            return
        message = self._message(site, about, [_Said(*row) for row in rows.rows])
        # The same for every try: by it a receiver knows a repetition.
        message["Message-ID"] = f"<cackled.{work.site}.{work.id}@{self._sender.rpartition('@')[2]}>"
        message["Date"] = formatdate(work.created)
        try:
            await self._send(site.settings.moderator_email, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None

    def _message(self, site: Site, about: Notice | Report, said: list[_Said]) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = site.settings.moderator_email
        message["Auto-Submitted"] = "auto-generated"
        where = " ".join((said[0].title or said[0].key).split())
        if isinstance(about, Report):
            subject = f"reported {said[0].flags} times: a comment on {where}"
            reason = f"\nReason given: {about.reason}\n" if about.reason else ""
        else:
            subject = f"a new comment on {where}" if len(said) == 1 else f"{len(said)} new comments"
            reason = "\nThere may be more.\n" if len(said) == MOST else ""
        message["Subject"] = f"[{' '.join(site.name.split())}] {subject}"[:200]
        message.set_content("\n".join(one.text() for one in said) + reason)
        return message


class _Said:
    """A comment as it stands in a message."""

    def __init__(self, name: str, source: str, flags: int, title: str, url: str, key: str) -> None:
        self.name = name
        self.source = source
        self.flags = flags
        self.title = title
        self.url = url
        self.key = key

    def text(self) -> str:
        """Who, where, what."""
        words = self.source if len(self.source) <= LONGEST else self.source[:LONGEST] + " ..."
        quoted = "\n".join("    " + line for line in words.splitlines())
        return f"{self.name or 'Somebody'} on {self.title or self.key}\n{self.url}\n\n{quoted}\n"
