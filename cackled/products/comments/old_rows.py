"""Comments as Cackle gives them to servers that keep a copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.products.comments import old_queries as queries

STATES = ("pending", "approved", "spam", "rejected", "deleted")


def addresses(pictures: Iterable[dict[str, Any]]) -> str | None:
    """The addresses of *pictures*, apart by spaces, as Cackle gives them."""
    return " ".join(one["url"] for one in pictures if one.get("url")) or None


class OldRows:
    """The comments of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site.id
        self._database = database.site(site.id)

    async def after(self, channel: int | None, number: int, most: int) -> list[dict[str, Any]]:
        """Those above *number*, in the order of numbers; of one channel, or of all."""
        if channel is None:
            return await self._read(queries.SELECT_ALL_AFTER, self._site, number, most)
        return await self._read(queries.SELECT_AFTER, self._site, channel, number, most)

    async def modified(self, channel: int | None, since: float, most: int, offset: int) -> list[dict[str, Any]]:
        """Those that changed at *since* (seconds) or later, in the order of changes."""
        return await self._read(queries.SELECT_MODIFIED, self._site, channel, since, most, offset)

    async def count(self, channel: int | None, since: float) -> int:
        """How many changed at *since* or later; a million at most."""
        rows = await self._database.read(
            queries.COUNT_MODIFIED, self._site, channel, since, preference=ReadPreference.SECONDARY_PREFERRED
        )
        return int(rows.rows[0][0])

    async def channels(self, since: float, most: int, offset: int) -> list[dict[str, Any]]:
        """Pages where something happened at *since* or later."""
        rows = await self._database.read(
            queries.SELECT_CHANNELS, self._site, since, most, offset, preference=ReadPreference.PRIMARY
        )
        return [
            {
                "id": number, "siteId": self._site, "channel": key, "url": url, "title": title, "modified": at,
                "modify": at,
            }
            for number, key, url, title, at in rows.rows
        ]  # fmt: skip

    async def _read(self, query: Any, *args: Any) -> list[dict[str, Any]]:
        rows = await self._database.read(query, *args, preference=ReadPreference.PRIMARY)
        return [self._told(row) for row in rows.rows]

    def _told(self, row: tuple[Any, ...]) -> dict[str, Any]:
        (number, parent, channel, key, url, title, html, rating, status, created, modified, ip, name, visitor, person,
         email, www, avatar, provider, subject, media) = row  # fmt: skip
        told: dict[str, Any] = {
            "id": number, "siteId": self._site, "parentId": parent,
            "chan": {"id": channel, "channel": key, "url": url, "title": title}, "url": url, "message": html,
            "media": None, "rating": rating, "status": STATES[status], "created": created, "modified": modified,
            "ip": ip, "author": None, "anonym": None,
        }  # fmt: skip
        if status == 4:
            return told
        told["media"] = addresses(msgspec.json.decode(media)) if media else None
        if person is None:
            told["anonym"] = {"id": visitor, "name": name, "email": None, "www": None}
        else:
            # Plugins take what follows the first "_" for the site's own id of its user.
            own = f"{self._site}_{subject}" if provider == "sso" else subject
            told["author"] = {
                "id": visitor, "name": name or person, "email": email or None, "www": www or None,
                "avatar": avatar or None, "provider": provider or "sso", "openId": own,
            }  # fmt: skip
        return told
