"""What moderators decided, told to a site's Akismet-compatible service where it was wrong: work of the outbox.

Spam that it did not find is sent as ``submit-spam``, what it took for spam and a moderator did not as ``submit-ham``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from cackled import __version__
from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.outbox import GiveUp, Work
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.moderation.hooks import MOST_ANSWER, Ask
from cackled.moderation.items import Item, Moderated
from cackled.moderation.rules import Akismet, parse
from cackled.moderation.store import SELECT_RULES

# Seconds that the service has: nobody waits for it.
DEADLINE = 10.0


class Told(Struct):
    """The work's body."""

    kind: str
    item: int
    spam: bool


class AkismetFeedback:
    """The outbox's handler of kind ``akismet``."""

    def __init__(
        self, sites: SiteDirectory, database: Database, kinds: Mapping[str, Callable[[Database, Site], Moderated]],
        ask: Ask,
    ) -> None:  # fmt: skip
        self._sites = sites
        self._database = database
        self._kinds = kinds
        self._ask = ask

    async def deliver(self, work: Work) -> None:
        """Tell the service.

        Raises:
            GiveUp: there is no such site, or nobody to tell any more.
            OSError: it gave no answer; to be tried again.
        """
        told = msgspec.json.decode(work.body, type=Told)
        site, make = self._sites.find(work.site), self._kinds.get(told.kind)
        if site is None or make is None:
            raise GiveUp("there is no such site, or no such kind of item")
        rows = await self._database.site(site.id).read(SELECT_RULES, site.id, preference=ReadPreference.PRIMARY)
        service = parse(rows.rows[0][1]).akismet
        if not (service.url and service.key):
            raise GiveUp("the site has no such service any more")
        items = await make(self._database, site).items([told.item])
        # Forgotten since, decided otherwise since, or known to the service.
        if not items or (items[0].state == "spam") != told.spam or not items[0].text:
            return
        found = any(one.mark == "hook" for one in items[0].marks)
        if found != told.spam:
            await self._tell(service, told, items[0])

    async def _tell(self, service: Akismet, told: Told, item: Item) -> None:
        fields = {
            "api_key": service.key, "blog": service.blog, "user_ip": item.author.address or "",
            "comment_type": told.kind, "comment_author": item.author.name, "comment_content": item.text,
            "permalink": item.page.url, "blog_charset": "UTF-8",
        }  # fmt: skip
        headers = [
            (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),
            (b"User-Agent", f"cackled/{__version__} | moderation".encode("ascii")),
        ]
        body = urlencode({name: value for name, value in fields.items() if value}).encode("ascii")
        url = f"{service.url.rstrip('/')}/1.1/submit-{'spam' if told.spam else 'ham'}"
        answer = await self._ask(b"POST", url, headers, body, most=MOST_ANSWER, seconds=DEADLINE)
        if 400 <= answer.status < 500:
            raise GiveUp(f"the service answered {answer.status}")
        if answer.status != 200:
            raise OSError(f"the service answered {answer.status}")


def make_feedback(parts: Any) -> Callable[[Work], Any]:
    """What tells the services of sites (*parts*: `cackled.products.product.OutboxParts`)."""
    return AkismetFeedback(parts.sites, parts.database, parts.moderated, parts.http.ask).deliver
