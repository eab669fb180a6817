"""Operators' browsers that are told by web push, and what they are told: that something came, without a word of it."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from cackled.clock import wall_time
from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import Conflict
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.languages import accepted
from cackled.outbound.guard import Policy
from cackled.outbound.push import PushKeys, encrypt
from cackled.products.chat.mail_words import WORDS
from cackled.products.product import OutboxParts, SharedParts

MOST_BROWSERS = 10
# Seconds for which a push service keeps what it can't deliver: later it helps nobody.
KEPT = 3_600

ADD = Query(
    "add_chat_push",
    f"""
    insert into chat_push (site_id, account_id, hash, endpoint, p256dh, auth, language)
    select $1, $2, $3, $4, $5, $6, $7 where (
      select count(*) from chat_push x where x.site_id = $1 and x.account_id = $2 and x.hash <> $3) < {MOST_BROWSERS}
    on conflict (site_id, account_id, hash) do update set p256dh = excluded.p256dh, auth = excluded.auth,
      language = excluded.language
    returning 1
    """,
    ("int", "bigint", "bytea", "text", "bytea", "bytea", "text"),
)
DROP = Query(
    "drop_chat_push", "delete from chat_push where site_id = $1 and account_id = $2 and hash = $3",
    ("int", "bigint", "bytea"),
)  # fmt: skip
SELECT = Query(
    "select_chat_push",
    """
    select p.hash, p.endpoint, p.p256dh, p.auth, p.language from chat_push p
    where p.site_id = $1 and p.account_id = $2
    """,
    ("int", "bigint"),
)
DROP_ALL = Query(
    "drop_chat_pushes", "delete from chat_push where site_id = $1 and account_id = $2", ("int", "bigint")
)
STILL_THERE = Query(
    "select_chat_member",
    """
    select 1 from catalog.membership where site_id = $1 and account_id = $2 and role in ('owner', 'admin', 'operator')
    """,
    ("int", "bigint"),
)


class DeskKeys(PushKeys):
    """Our keys for push services, as operators' browsers know them."""


def make_keys(parts: SharedParts) -> DeskKeys:
    """Our keys."""
    policy = Policy(parts.config.outbound.ports, parts.config.outbound.networks)
    return DeskKeys(parts.sites.secret, f"mailto:{parts.config.mail.sender}", policy, parts.wall_time)


class DeskBrowsers:
    """The browsers of one site's operators."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)

    async def add(self, account: int, endpoint: str, p256dh: bytes, auth: bytes, language: str) -> None:
        """A browser is told from now on.

        Raises:
            Conflict: there are too many.
        """
        hashed = sha256(endpoint.encode()).digest()
        if not await self._database.write(ADD, self._site.id, account, hashed, endpoint, p256dh, auth, language):
            raise Conflict(f"At most {MOST_BROWSERS} browsers are told.")

    async def drop(self, account: int, endpoint: str) -> None:
        """A browser is told no more."""
        await self._database.write(DROP, self._site.id, account, sha256(endpoint.encode()).digest())


class _Told(Struct, frozen=True):
    """Whom to tell: of what kind (``waiting``, ``message``, ``mention``), and of which conversation."""

    what: str
    chat: str
    account: int


class DeskPush:
    """The outbox's handler of kind ``chat-push``."""

    def __init__(self, parts: OutboxParts, keys: PushKeys | None = None) -> None:
        self._parts = parts
        self._keys = keys or PushKeys(parts.sites.secret, f"mailto:{parts.sender}", Policy(), wall_time)

    async def deliver(self, work: Work) -> None:
        """Tell an operator's browsers.

        Raises:
            Retry, GiveUp
        """
        site = self._parts.sites.find(work.site)
        if site is None:
            raise GiveUp("there is no such site any more")
        told = msgspec.json.decode(work.body, type=_Told)
        database = self._parts.database.site(site.id)
        who = (site.id, told.account)
        if not (await self._parts.database.system.read(STILL_THERE, *who, preference=ReadPreference.PRIMARY)).rows:
            await database.write(DROP_ALL, *who)
            return
        late = ""
        for hashed, endpoint, p256dh, auth, language in (
            await database.read(SELECT, *who, preference=ReadPreference.PRIMARY)
        ).rows:
            words = WORDS.words(accepted(language))
            text = msgspec.json.encode({
                "title": site.name[:120], "body": words(told.what), "tag": f"chat-{told.chat}",
                "to": f"/panel/sites/{site.id}/chat?chat={told.chat}",
            })  # fmt: skip
            status = await self._tell(endpoint, bytes(p256dh), bytes(auth), text, f"chat{told.chat}"[-32:])
            if status in (404, 410, 0):
                await database.write(DROP, *who, bytes(hashed))
            elif status == 429 or status >= 500:
                late = f"a push service answered {status}"
        if late:
            raise Retry(late)

    async def _tell(self, endpoint: str, p256dh: bytes, auth: bytes, text: bytes, topic: str) -> int:
        """The status of a push service; 0 where the browser can't be told at all, 503 where it can't be reached."""
        try:
            sealed = encrypt(text, p256dh, auth)
            headers = await self._keys.headers(endpoint, topic, KEPT)
            status: int = await self._parts.http.post(endpoint, headers, sealed)
        except ValueError:
            return 0
        except OSError:
            return 503
        return status
