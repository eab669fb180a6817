"""With whom visitors of a site may sign in, as its owner set it up."""

from __future__ import annotations

import re
from typing import Literal, get_args

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, NotFound, Outdated
from cackled.domain.site import Site
from cackled.identity.sealing import Sealing

Kind = Literal[
    "oidc", "google", "github", "facebook", "yandex", "vk", "mastodon", "telegram", "mail", "commento",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
LABELS: dict[Kind, str] = {
    "oidc": "OpenID", "google": "Google", "github": "GitHub", "facebook": "Facebook", "yandex": "Yandex", "vk": "VK",
    "mastodon": "Mastodon", "telegram": "Telegram", "mail": "", "commento": "",
}  # fmt: skip
# Those that need no client of the owner's.
WITHOUT_CLIENT: tuple[Kind, ...] = ("mastodon", "mail", "commento")
MOST = 20
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
# Names of addresses below ``/auth/{site}``.
_TAKEN = ("callback",)

_VERSION = """content_version(row(
      p.kind, p.label, p.issuer, p.client_id, encode(p.secret, 'hex'), p.enabled, p.position)::text)"""
SELECT_PROVIDERS = Query(
    "select_sign_in_providers",
    f"""
    select name, kind, label, issuer, client_id, secret, enabled, position, {_VERSION} from sign_in_provider p
    where site_id = $1 order by position, name
    """,
    ("int",),
)
ADD_PROVIDER = Query(
    "add_sign_in_provider",
    f"""
    insert into sign_in_provider as p (site_id, name, kind, label, issuer, client_id, secret, enabled, position)
    select $1, $2, $3, $4, $5, $6, coalesce($7, ''::bytea), $8, $9
    where (select count(*) from sign_in_provider x where x.site_id = $1 and x.name <> $2) < $10
    on conflict do nothing returning {_VERSION}
    """,
    ("int", "text", "text", "text", "text", "text", "bytea", "boolean", "int", "int"),
)
CHANGE_PROVIDER = Query(
    "change_sign_in_provider",
    f"""
    update sign_in_provider p set kind = $3, label = $4, issuer = $5, client_id = $6,
      secret = coalesce($7, p.secret), enabled = $8, position = $9
    where site_id = $1 and name = $2 and {_VERSION} = $10 returning {_VERSION}
    """,
    ("int", "text", "text", "text", "text", "text", "bytea", "boolean", "int", "bigint"),
)
DELETE_PROVIDER = Query(
    "delete_sign_in_provider", "delete from sign_in_provider where site_id = $1 and name = $2 returning 1",
    ("int", "text"),
)  # fmt: skip


class Provider(Struct, frozen=True, kw_only=True):
    """One: ``name`` is its place in addresses, ``label`` what visitors read; ``issuer`` is the base address of an
    OpenID provider, of the Mastodon instance if there is but one, or of a GitHub of one's own. ``version`` names what
    was read."""

    name: str
    kind: Kind
    label: str = ""
    issuer: str = ""
    client_id: str = ""
    secret: bytes = b""
    enabled: bool = True
    position: int = 0
    version: int = 0

    @property
    def shown(self) -> str:
        """What visitors read; ``""``: the widget has a word for it."""
        return self.label or LABELS[self.kind]


class Providers:
    """Those of one site."""

    def __init__(self, site: Site, database: Database, sealing: Sealing) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._sealing = sealing

    async def all(self, preference: ReadPreference = ReadPreference.PRIMARY) -> list[Provider]:
        """All of them, in their order."""
        rows = (await self._database.read(SELECT_PROVIDERS, self._site.id, preference=preference)).rows
        return [
            Provider(
                name=row[0], kind=row[1], label=row[2], issuer=row[3], client_id=row[4], secret=bytes(row[5]),
                enabled=row[6], position=row[7], version=row[8],
            )
            for row in rows if row[1] in KINDS
        ]  # fmt: skip

    async def find(self, name: str) -> Provider:
        """The one called *name*.

        Raises:
            NotFound: there is none, or it is switched off.
        """
        found = next((one for one in await self.all(ReadPreference.PRIMARY_PREFERRED) if one.name == name), None)
        if found is None or not found.enabled:
            raise NotFound("This site has no such way to sign in.")
        return found

    async def secret(self, provider: Provider) -> str:
        """The client's secret of *provider*, or ``""``."""
        return await self._sealing.open(self._place(provider.name), provider.secret)

    async def put(self, provider: Provider, secret: str | None) -> int:
        """Set one up, or change that of ``provider.version`` (0: there is none yet); its secret stays where None is
        given. Gives the new version.

        Raises:
            BadField: it can't work like that.
            Outdated: it has another version by now, or is there already.
        """
        if _NAME.fullmatch(provider.name) is None or provider.name in _TAKEN:
            raise BadField("A name has small letters, figures and hyphens, and begins with a letter.", field="name")
        if provider.kind == "oidc" and not provider.issuer:
            raise BadField("An OpenID provider is found by its issuer.", field="issuer")
        if provider.kind not in WITHOUT_CLIENT and not provider.client_id:
            raise BadField("The provider gave you a client id (of Telegram: the bot's number).", field="clientId")
        sealed = None if secret is None else await self._sealing.seal(self._place(provider.name), secret)
        rows = await self._database.write(
            CHANGE_PROVIDER if provider.version else ADD_PROVIDER, self._site.id, provider.name, provider.kind,
            provider.label, provider.issuer.rstrip("/"), provider.client_id, sealed, provider.enabled,
            provider.position, provider.version or MOST,
        )  # fmt: skip
        if not rows:
            if provider.version:
                raise Outdated
            if any(one.name == provider.name for one in await self.all()):
                raise Outdated("That name is taken: the site has a provider of that name already.")
            raise BadField(f"A site has at most {MOST} ways to sign in.", field="name")
        return int(rows[0][0])

    async def delete(self, name: str) -> None:
        """Take one away.

        Raises:
            NotFound: there is none.
        """
        if not await self._database.write(DELETE_PROVIDER, self._site.id, name):
            raise NotFound("This site has no such way to sign in.")

    def _place(self, name: str) -> str:
        return f"{self._site.id}/{name}"
