"""Hosts that a site's owner has shown to be theirs: by a TXT record, a file, or a meta tag of the first page.

Where anybody may sign up, origins count only once their host is proven; else somebody could write in the name of
another's pages. Proof by DNS holds for all names below the host, the others for the host alone.

    _cackled.example.com.  TXT  "cackled-site=TOKEN"
    https://example.com/.well-known/cackled-site.txt       the text  cackled-site=TOKEN
    https://example.com/    <meta name="cackled-site" content="TOKEN">
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from html.parser import HTMLParser
from typing import Any

from msgspec import Struct

from cackled.accounts.tokens import make_token
from cackled.addresses import is_loopback
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, NotFound, Unprocessable
from cackled.domain.origins import OriginPattern
from cackled.domain.sites import SiteDirectory

MOST_HOSTS = 50
# Of a first page; its head is at its beginning.
MOST_PAGE = 262_144
WORD = "cackled-site"
METHODS = ("dns", "file", "meta")

_TIME = "to_char({} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
SELECT_HOSTS = Query(
    "select_site_hosts",
    f"select host, token, method, {_TIME.format('proven_at')} from catalog.site_host where site_id = $1 order by host",
    ("int",),
)
INSERT_HOST = Query(
    "insert_site_host",
    """
    insert into catalog.site_host (site_id, host, token)
    select $1, $2, $3 where (select count(*) from catalog.site_host where site_id = $1) < $4
    on conflict (site_id, host) do update set host = excluded.host returning token
    """,
    ("int", "text", "text", "int"),
)
PROVE_HOST = Query(
    "prove_site_host",
    "update catalog.site_host set proven_at = now(), method = $3 where site_id = $1 and host = $2 returning host",
    ("int", "text", "text"),
)
DELETE_HOST = Query(
    "delete_site_host", "delete from catalog.site_host where site_id = $1 and host = $2 returning host",
    ("int", "text"),
)  # fmt: skip
COUNT_DOMAINS = Query(
    "count_domains",
    """
    update catalog.domain d set counts = p.counts from unnest($2, $3) p (pattern, counts)
    where d.site_id = $1 and d.pattern = p.pattern and d.counts <> p.counts returning d.pattern
    """,
    ("int", "text[]", "bool[]"),
)
SELECT_DOMAINS = Query("select_domains", "select pattern from catalog.domain where site_id = $1", ("int",))

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class Host(Struct, frozen=True):
    """A host: what has to be found there, and how it was."""

    host: str
    token: str
    method: str
    proven: str | None


class _Meta(HTMLParser):
    """The contents of the meta tags of our name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One tag."""
        given = dict(attrs)
        if tag == "meta" and (given.get("name") or "").lower() == WORD:
            self.found.add((given.get("content") or "").strip())


def host_of(pattern: str) -> tuple[str, bool]:
    """The host of an origin's pattern, and whether all names below it are meant."""
    host = OriginPattern.parse(pattern).host
    return host.removeprefix("*."), host.startswith("*.")


def clean_host(text: str) -> str:
    """*text* as a host name that can be proven.

    Raises:
        BadField: it is none.
    """
    try:
        host = text.strip().rstrip(".").lower().encode("idna").decode("ascii") if text.strip() else ""
    except UnicodeError:
        host = ""
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or any(_LABEL.fullmatch(label) is None for label in labels):
        raise BadField("That is no host name that can be proven.", field="host")
    if labels[-1].isdigit():
        raise BadField("Prove a name, not an address.", field="host")
    return host


class Hosts:
    """The proven hosts of all sites.

    *open_signup*: proof is needed. *text_records* gives the TXT records of a name (the strings of each put together),
    *fetch* the body at an address, of so many bytes at most; an OSError or ValueError says why there is none.
    """

    def __init__(
        self, sites: SiteDirectory, database: Database, random: Any, *, open_signup: bool,
        text_records: Callable[[str], Awaitable[list[str]]], fetch: Callable[[str, int], Awaitable[bytes]],
    ) -> None:  # fmt: skip
        self._sites = sites
        self._database = database.system
        self._random = random
        # Whether origins count only once their host is proven.
        self.needed = open_signup
        self._text_records = text_records
        self._fetch = fetch

    async def listed(self, site: int) -> list[Host]:
        """The hosts of a site, proven or not."""
        rows = await self._database.read(SELECT_HOSTS, site, preference=ReadPreference.PRIMARY)
        return [Host(*row) for row in rows.rows]

    async def add(self, site: int, text: str) -> Host:
        """A host that is to be proven, with what has to be found there; of one that is there, as before.

        Raises:
            BadField: that is no host name.
            Conflict: the site has too many.
        """
        host = clean_host(text)
        token = make_token(self._random)
        if not await self._database.write(INSERT_HOST, site, host, token, MOST_HOSTS):
            raise Conflict(f"A site has at most {MOST_HOSTS} hosts.", slug="hosts")
        return await self._one(site, host)

    async def expect(self, site: int, patterns: Sequence[str]) -> None:
        """Add the hosts of origins that wait, as far as they are names and there is room."""
        for host in sorted({host_of(pattern)[0] for pattern in patterns}):
            try:
                await self.add(site, host)
            except (BadField, Conflict):
                continue

    async def remove(self, site: int, host: str) -> bool:
        """Forget a host, and with it its proof; False where there is none of that name."""
        gone = bool(await self._database.write(DELETE_HOST, site, host))
        if gone:
            await self._count(site)
        return gone

    async def prove(self, site: int, host: str) -> Host:
        """Look for the proof, in all three places; origins of the host count from then on.

        Raises:
            NotFound: the site has no such host.
            Unprocessable: it was not found; the message says what was.
        """
        one = await self._one(site, host)
        reasons = []
        for method, look in (("dns", self._by_dns), ("file", self._by_file), ("meta", self._by_meta)):
            try:
                await look(one)
            except (ValueError, OSError) as error:
                reasons.append(f"{method}: {_reason(error)}")
                continue
            await self._database.write(PROVE_HOST, site, host, method)
            await self._count(site)
            return await self._one(site, host)
        raise Unprocessable(f"No proof was found. {'; '.join(reasons)}.", field="host", slug="not-proven")

    async def proven(self, site: int) -> Callable[[str], bool]:
        """Whether an origin of that pattern counts."""
        if not self.needed:
            return lambda pattern: True
        known = {one.host: one.method for one in await self.listed(site) if one.proven is not None}

        def counts(pattern: str) -> bool:
            host, wide = host_of(pattern)
            if is_loopback(host):
                return True
            if not wide and host in known:
                return True
            labels = host.split(".")
            return any(known.get(".".join(labels[place:])) == "dns" for place in range(len(labels)))

        return counts

    async def _one(self, site: int, host: str) -> Host:
        found = next((one for one in await self.listed(site) if one.host == host), None)
        if found is None:
            raise NotFound("The site has no such host.")
        return found

    async def _count(self, site: int) -> None:
        if not self.needed:
            return
        counts = await self.proven(site)
        rows = await self._database.read(SELECT_DOMAINS, site, preference=ReadPreference.PRIMARY)
        patterns = [row[0] for row in rows.rows]
        await self._database.write(COUNT_DOMAINS, site, patterns, [counts(one) for one in patterns])
        await self._sites.refresh(ReadPreference.PRIMARY)

    async def _by_dns(self, one: Host) -> None:
        records = await self._text_records(f"_cackled.{one.host}")
        if f"{WORD}={one.token}" not in [record.strip() for record in records]:
            raise ValueError(f"{len(records)} TXT records at _cackled.{one.host}, and none is it")

    async def _by_file(self, one: Host) -> None:
        text = await self._page(f"{one.host}/.well-known/{WORD}.txt")
        if f"{WORD}={one.token}" not in text.decode("utf-8", "replace").split():
            raise ValueError("the file is there and says something else")

    async def _page(self, place: str) -> bytes:
        try:
            return await self._fetch(f"https://{place}", MOST_PAGE)
        except (ValueError, OSError):
            return await self._fetch(f"http://{place}", MOST_PAGE)

    async def _by_meta(self, one: Host) -> None:
        page = await self._page(f"{one.host}/")
        parser = _Meta()
        parser.feed(page[:MOST_PAGE].decode("utf-8", "replace"))
        if one.token not in parser.found:
            raise ValueError("the first page has no such meta tag")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
