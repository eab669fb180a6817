"""Mail to a site's moderators: what was reported, and what was written.

The outbox holds no words, only which comment; they are read when the message is made, so that nothing is mailed that
is gone by then. Reports of one comment are gathered for a minute into one message, so are new comments. Whatever
strangers wrote stands in quotation marks or indented, and links lead to the site's own pages and to ourselves alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.mail_templates import PLAIN, Dress, LetterKind, MailTemplates, Template
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.quoting import cleaned, indented, quoted
from cackled.domain.signed_links import Deed, SignedLinks
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.languages import Catalogue, Language, Words
from cackled.products.comments.mentions import readable
from cackled.products.comments.permalink import permalink

WORDS = Catalogue(Path(__file__).parent / "web" / "locales", "mail")
# Comments in one message, and of each so many characters.
MOST = 50
LONGEST = 1_000
# Comments in one message that come with links to remove and ban.
MOST_LINKED = 10
MOST_REASONS = 10
# What can be done by a link with what waits.
HELD_DEEDS: tuple[Deed, ...] = ("approve", "reject", "spam", "answer")

SELECT_NOTICE = Query(
    "select_notice",
    f"""
    select c.id, c.visitor_id, coalesce(host(c.ip), ''), c.author_name, c.src, c.n_flags, h.title, h.url, h.key,
      array(select f.reason from flag f where f.site_id = $1 and f.comment_id = c.id and f.reason <> ''
            order by f.created_at desc limit {MOST_REASONS})
    from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    where c.site_id = $1 and c.id >= $2 and c.id <= $3 and c.status = 1 order by c.id limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)

# What waits, the oldest first: new comments, and new texts of published ones.
SELECT_HELD = Query(
    "select_held_notice",
    """
    select c.id, c.visitor_id, coalesce(host(c.ip), ''), c.author_name, coalesce(r.src, c.src), c.n_flags, h.title,
      h.url, h.key, '{}'::text[], c.version
    from (
      (select x.id from comment x where x.site_id = $1 and x.status = 0 order by x.id desc limit $2)
      union
      (select y.comment_id from comment_revision y where y.site_id = $1 order by y.comment_id desc limit $2)
    ) w join comment c on c.site_id = $1 and c.id = w.id
    join channel h on h.site_id = $1 and h.id = c.channel_id
    left join comment_revision r on r.site_id = $1 and r.comment_id = c.id
    where c.status in (0, 1) and not c.shadow order by c.id limit $2
    """,
    ("int", "int"),
)

# Hands a message over for an address; raises ValueError for what will never be taken, else OSError.
Send = Callable[[str, EmailMessage], Awaitable[None]]


class Notice(Struct, frozen=True, tag_field="about", tag="comments"):
    """New comments from this one on."""

    id: str


class Report(Struct, frozen=True, tag_field="about", tag="flag"):
    """A comment was reported. An older release puts the reason here as well, one message a report."""

    id: str
    reason: str = ""


class Held(Struct, frozen=True, tag_field="about", tag="held"):
    """Comments that wait, this one among them."""

    id: str


_decode = msgspec.json.Decoder(Notice | Report | Held).decode
_LAST = 2**63 - 1


class ModeratorMail:
    """The outbox's handler of kind ``mail``; without *send* there is no mail server.

    *base* is the address that links to us begin with; empty: there are none, the console's commands remain.
    """

    def __init__(
        self,
        sites: SiteDirectory,
        database: Database,
        send: Send | None,
        sender: str,
        links: SignedLinks | None = None,
        base: str = "",
    ) -> None:
        self._sites = sites
        self._database = database
        self._send = send
        self._sender = sender
        self._links = links
        self._base = base.rstrip("/")

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
        database, primary = self._database.site(site.id), ReadPreference.PRIMARY
        if isinstance(about, Held):
            rows = await database.read(SELECT_HELD, site.id, MOST, preference=primary)
        else:
            rows = await database.read(SELECT_NOTICE, site.id, first, last, most, preference=primary)
        if not rows.rows:
            return
        said = [_Said(*row) for row in rows.rows]
        told = {"page": said[0].title or said[0].key, "n": len(said)}
        dress = await MailTemplates(site, self._database).dress("moderators", site.settings.language, told)
        message = await self.message(site, site.settings.language, work, about, said, dress)
        # The same for every try: by it a receiver knows a repetition.
        message["Message-ID"] = f"<cackled.{work.site}.{work.id}@{self._sender.rpartition('@')[2]}>"
        message["Date"] = formatdate(work.created)
        try:
            await self._send(site.settings.moderator_email, message)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None

    async def message(
        self, site: Site, language: Language, work: Work, about: Notice | Report | Held, said: list[_Said],
        dress: Dress = PLAIN,
    ) -> EmailMessage:  # fmt: skip
        """A message about comments."""
        words = WORDS.words(language)
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = site.settings.moderator_email
        message["Auto-Submitted"] = "auto-generated"
        where = quoted(said[0].title or said[0].key, 80)
        reported = isinstance(about, Report)
        if reported:
            subject = words("reported", n=said[0].flags, page=where)
        elif isinstance(about, Held):
            subject = words("held", page=where)
        else:
            subject = words("new", page=where) if len(said) == 1 else words("several", n=len(said))
        message["Subject"] = dress.subject(f"[{cleaned(site.name)}] {subject}")
        parts = [await self._told(site, words, work, one, about, number) for number, one in enumerate(said)]
        if not reported and len(said) == MOST:
            parts.append(words("more") + "\n")
        message.set_content("\n".join([*dress.intro, *parts, *dress.footer]))
        message["Content-Language"] = words.language
        return message

    async def _told(
        self, site: Site, words: Words, work: Work, one: _Said, about: Notice | Report | Held, number: int
    ) -> str:
        """One comment: who, where, what, and what can be done."""
        reported = isinstance(about, Report)
        place = permalink(site, one.url, one.id)
        name, page = quoted(one.name or words("somebody"), 80), quoted(one.title or one.key)
        lines = [words("by", name=name, page=page), *([place] if place else [])]
        lines += ["", indented(readable(one.source), LONGEST), ""]
        if reported and one.reasons:
            lines += [words("reasons"), *(f"    {quoted(reason, 200)}" for reason in one.reasons), ""]
        # Numbers that are names are not written as amounts.
        known = {"id": str(one.id), "site": str(site.id), "visitor": str(one.visitor), "address": one.address}
        lines.append(words("factsFrom" if site.settings.mail_address and one.address else "facts", **known))
        lines += [words("console"), f"    remove {site.id} {one.id}", f"    ban {site.id} visitor {one.visitor}"]
        if self._links is not None and self._base and number < MOST_LINKED and isinstance(about, Held):
            lines.append("")
            until = datetime.fromtimestamp(0, UTC)
            for deed in HELD_DEEDS:
                token, expires = await self._links.token(site.id, deed, one.id, work.id, one.version)
                lines += [words(deed), f"    {self._base}/moderate?token={token}"]
                until = datetime.fromtimestamp(expires, UTC)
            lines.append(words("once", time=f"{until:%Y-%m-%d %H:%M} UTC"))
        elif self._links is not None and self._base and number < MOST_LINKED:
            remove, expires = await self._links.token(site.id, "remove", one.id, work.id)
            ban, _ = await self._links.token(site.id, "ban", one.visitor, work.id)
            until = datetime.fromtimestamp(expires, UTC)
            lines += [
                "", words("remove"), f"    {self._base}/moderate?token={remove}",
                words("ban"), f"    {self._base}/moderate?token={ban}",
                words("once", time=f"{until:%Y-%m-%d %H:%M} UTC"),
            ]  # fmt: skip
        return "\n".join(lines) + "\n"


class _Said(Struct, frozen=True):
    """A comment as it is read for a message."""

    id: int
    visitor: int
    address: str
    name: str
    source: str
    flags: int
    title: str
    url: str
    key: str
    reasons: Any = ()
    version: int | None = None


async def _sample(site: Site, language: Language, template: Template) -> EmailMessage:
    said = _Said(1, 1, "", "Ann", "…", 0, site.name, "", "/page")
    nothing: Any = None  # it is neither read nor sent
    mail = ModeratorMail(nothing, nothing, None, "")
    dress = Dress(template, {"site": site.name, "page": site.name, "n": 1})
    return await mail.message(site, language, Work(0, site.id, "mail", "", 0, 0.0), Held("1"), [said], dress)


KINDS = (LetterKind(name="moderators", places=("site", "page", "n"), sample=_sample),)
