"""The outbox's handlers of what followers are told: letters, the letter that asks an address, and pushes.

The outbox holds no words. What is told is read when it goes out: what was deleted or closed by then is not in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

import msgspec
from msgspec import Struct

from cackled.clock import wall_time
from cackled.database.query import Query, ReadPreference
from cackled.domain.locks import Standing, locks_of
from cackled.domain.mail_templates import MailTemplates
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.people import People
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Language
from cackled.outbound.guard import Policy
from cackled.outbound.push import PushKeys, encrypt
from cackled.products.comments.notices.letters import WORDS, Item, Links, confirmation, letter, values
from cackled.products.comments.notices.links import NoticeLink, NoticeLinks
from cackled.products.comments.notices.service import NOBODY, REASONS, Follower, Followers, hash_of
from cackled.products.comments.permalink import permalink
from cackled.products.product import OutboxParts

# Comments in one letter, letters to one follower in an hour, comments that are looked at for one letter.
MOST = 20
MOST_LETTERS = 10
MOST_LOOKED = 200

SELECT_UNTOLD = Query(
    "select_untold_notices",
    """
    select n.id, n.reason, n.channel_id, c.id, c.author_name, c.html, h.key, h.url, h.title
    from notice n
      left join comment c on c.site_id = $1 and c.id = n.comment_id and c.status = 1 and c.shown and not c.shadow
      left join channel h on h.site_id = $1 and h.id = n.channel_id
    where n.site_id = $1 and n.visitor_id = $2 and not (case when $3 then n.pushed else n.mailed end)
    order by n.id limit $4
    """,
    ("int", "bigint", "boolean", "int"),
)
TAKE_LETTER = Query("take_letter", "select take_letter($1, $2, $3)", ("int", "bigint", "int"))
LETTER_DONE = Query("letter_done", "select letter_done($1, $2, $3)", ("int", "bigint", "bigint"))
PUSH_DONE = Query(
    "push_done",
    """
    with n as (
      update notice x set pushed = true where x.site_id = $1 and x.visitor_id = $2 and x.id <= $3 and not x.pushed
    )
    update follower x set push_due = null where x.site_id = $1 and x.visitor_id = $2
    """,
    ("int", "bigint", "bigint"),
)
SELECT_BROWSERS = Query(
    "select_push_browsers",
    "select hash, endpoint, p256dh, auth from push_browser where site_id = $1 and visitor_id = $2",
    ("int", "bigint"),
)
DROP_BROWSER = Query(
    "drop_gone_browser", "delete from push_browser where site_id = $1 and visitor_id = $2 and hash = $3",
    ("int", "bigint", "bytea"),
)  # fmt: skip


class Told(Struct, frozen=True):
    """Whom a row of the outbox is about."""

    visitor: int
    email: str = ""


class _Untold(Struct, frozen=True):
    """A notice that was not told yet; no ``comment`` where it is gone."""

    id: int
    reason: int
    channel: int
    comment: int | None
    name: str | None
    html: str | None
    key: str | None
    url: str | None
    title: str | None


def _told(work: Work) -> Told:
    return msgspec.json.decode(work.body, type=Told, strict=False)


class Delivery:
    """All three handlers; *keys* are ours for push services."""

    def __init__(self, parts: OutboxParts, links: NoticeLinks, keys: PushKeys) -> None:
        self._parts = parts
        self._links = links
        self._keys = keys
        self._host = parts.sender.rpartition("@")[2]
        self._base = parts.own_url.rstrip("/")

    async def mail(self, work: Work) -> None:
        """Write to a follower of all that is new.

        Raises:
            Retry, GiveUp
        """
        site, visitor = self._site(work), _told(work).visitor
        followers = Followers(site, self._parts.database)
        database = self._parts.database.site(site.id)
        follower = await followers.find(visitor)
        untold = await self._untold(site, visitor, False)
        last = untold[-1].id if untold else 0
        if follower.email_state != "confirmed" or follower.digest == "off" or self._parts.send is None:
            await database.write(LETTER_DONE, site.id, visitor, last)
            return
        items = [self._item(site, one) for one in await self._seen(site, visitor, untold)]
        if items and not (await database.write(TAKE_LETTER, site.id, visitor, MOST_LETTERS))[0][0]:
            return
        if items:
            message = await self._letter(site, visitor, follower, items)
            hashed = hash_of(follower.email)
            message["Message-ID"] = await self._links.name(site.id, visitor, work.id, hashed, self._host)
            shown = [one for one in untold if one.comment is not None]
            channels = {one.channel for one in shown}
            thread = f"c{channels.pop()}" if len(channels) == 1 else f"v{visitor:x}"
            # Letters about one conversation stand together (RFC 5322, 3.6.4), though the first is not one of them.
            message["References"] = message["In-Reply-To"] = f"<cackled.t.{site.id}.{thread}@{self._host}>"
            await self._send(site, follower.email, message, work)
        await database.write(LETTER_DONE, site.id, visitor, last)

    async def confirm(self, work: Work) -> None:
        """Ask an address whether mail may come.

        Raises:
            Retry, GiveUp
        """
        site, told = self._site(work), _told(work)
        follower = await Followers(site, self._parts.database).find(told.visitor)
        if follower.email_state != "asked" or follower.email != told.email:
            return
        if self._parts.send is None or not self._base:
            raise GiveUp("[mail] needs a host and a url")
        hashed = hash_of(told.email)
        token = await self._links.token(NoticeLink(site.id, told.visitor, "confirm", hashed))
        link = f"{self._base}/notices/{site.id}/confirm?token={token}"
        language = _language(follower.language)
        dress = await MailTemplates(site, self._parts.database, self._parts.own_url).dress("confirm", language)
        message = confirmation(WORDS.words(language), site.name, link, dress)
        message["Message-ID"] = await self._links.name(site.id, told.visitor, work.id, hashed, self._host)
        await self._send(site, told.email, message, work)

    async def push(self, work: Work) -> None:
        """Tell a follower's browsers of what is new.

        Raises:
            Retry, GiveUp
        """
        site, visitor = self._site(work), _told(work).visitor
        database = self._parts.database.site(site.id)
        follower = await Followers(site, self._parts.database).find(visitor)
        untold = await self._untold(site, visitor, True)
        last = untold[-1].id if untold else 0
        items = [self._item(site, one) for one in await self._seen(site, visitor, untold)]
        rows = await database.read(SELECT_BROWSERS, site.id, visitor, preference=ReadPreference.PRIMARY)
        late = ""
        if items and follower is not NOBODY:
            text = msgspec.json.encode(self._said(site, follower, items))
            for hashed, endpoint, p256dh, auth in rows.rows:
                status = await self._tell(endpoint, bytes(p256dh), bytes(auth), text)
                if status in (404, 410, 0):
                    await database.write(DROP_BROWSER, site.id, visitor, bytes(hashed))
                elif status == 429 or status >= 500:
                    late = f"a push service answered {status}"
        if late:
            raise Retry(late)
        await database.write(PUSH_DONE, site.id, visitor, last)

    async def _tell(self, endpoint: str, p256dh: bytes, auth: bytes, text: bytes) -> int:
        """The status of a push service; 0 where the browser can't be told at all, 503 where it can't be reached."""
        try:
            sealed = encrypt(text, p256dh, auth)
            status: int = await self._parts.http.post(endpoint, await self._keys.headers(endpoint, "notices"), sealed)
        except ValueError:
            return 0
        except OSError:
            return 503
        return status

    def _said(self, site: Site, follower: Follower, items: list[Item]) -> dict[str, Any]:
        words = WORDS.words(_language(follower.language))
        one = items[-1]
        title = words(one.reason, name=one.name[:40], page=one.page[:80])
        body = f"{len(items)}: {site.name}" if len(items) > 1 else ""
        return {"title": title[:200], "body": body[:200], "url": one.link, "tag": f"cackled-{site.id}",
                "lang": words.language, "dir": words.direction}  # fmt: skip

    def _site(self, work: Work) -> Site:
        site = self._parts.sites.find(work.site)
        if site is None:
            raise GiveUp("there is no such site any more")
        return site

    async def _untold(self, site: Site, visitor: int, pushes: bool) -> list[_Untold]:
        found = await self._parts.database.site(site.id).read(
            SELECT_UNTOLD, site.id, visitor, pushes, MOST_LOOKED, preference=ReadPreference.PRIMARY
        )
        return [_Untold(*row) for row in found.rows]

    async def _seen(self, site: Site, visitor: int, untold: list[_Untold]) -> list[_Untold]:
        """Those that are still there, in conversations that the follower may read. Private sites send no words."""
        if site.settings.private:
            return []
        locks, standing = locks_of(site.settings), Standing()
        if locks.any:
            person = await People(site, self._parts.database).find(visitor)
            if person is not None:
                standing = Standing(person.level, frozenset(person.groups))
        return [
            one for one in untold
            if one.comment is not None and one.key is not None and locks.refused(one.key, "read", standing) is None
        ]  # fmt: skip

    def _item(self, site: Site, one: _Untold) -> Item:
        link = permalink(site, one.url or "", one.comment or 0)
        return Item(REASONS[one.reason - 1], one.name or "?", one.title or one.key or "", link, one.html or "")

    async def _letter(self, site: Site, visitor: int, follower: Follower, items: list[Item]) -> EmailMessage:
        base = f"{self._base}/notices/{site.id}"
        settings = await self._links.token(NoticeLink(site.id, visitor, "settings"))
        stop = await self._links.token(NoticeLink(site.id, visitor, "stop"))
        links = Links(f"{base}/settings?token={settings}", f"{base}/stop?token={stop}")
        language, told = _language(follower.language), values(site.name, items, len(items))
        dress = await MailTemplates(site, self._parts.database, self._parts.own_url).dress("notices", language, told)
        return letter(WORDS.words(language), site.name, items[:MOST], len(items), links, dress)

    async def _send(self, site: Site, email: str, message: EmailMessage, work: Work) -> None:
        message["From"], message["To"] = self._parts.sender, email
        message["Date"] = formatdate(work.created, usegmt=True)
        message["List-Id"] = f"<site-{site.id}.{self._host}>"
        assert self._parts.send is not None
        sending: Awaitable[None] = self._parts.send(email, message)
        try:
            await sending
        except ValueError as error:
            # Refused for good, while it was handed over: that is a bounce as well.
            told = _told(work)
            await Followers(site, self._parts.database).returned(told.visitor, hash_of(email), "bounced")
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None


def _language(name: str) -> Language:
    return next((one for one in LANGUAGES if one == name), "en")


Handler = Callable[[Work], Awaitable[None]]


def handlers(kind: str) -> Callable[[OutboxParts], Handler]:
    """How the handler ``mail``, ``confirm`` or ``push`` is made."""

    def make(parts: OutboxParts) -> Handler:
        links = NoticeLinks(parts.sites.secret, wall_time)
        keys = PushKeys(parts.sites.secret, f"mailto:{parts.sender}", Policy(), wall_time)
        made: Handler = getattr(Delivery(parts, links, keys), kind)
        return made

    return make
