"""The demo site: site 1, made at the first start and filled by the products."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from cackled.database.query import ReadPreference
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory

SITE = 1
ORIGINS = ("localhost:*", "127.0.0.1:*", "[::1]:*")


async def ensure(
    directory: SiteDirectory, fill: Iterable[Callable[[Site], Awaitable[None]]], chosen: Mapping[str, Any] = {}
) -> Site:
    """Make the demo site and what *fill* puts on its pages, where they are missing; gives the site.

    *chosen* are the settings that a new one is made with.
    """
    site = directory.find(SITE)
    if site is None:
        site = await directory.add("Cackle demo", ORIGINS, site_id=SITE)
        if site is not None:
            for name, value in chosen.items():
                await directory.change(SITE, name, value)
            site = directory.get(SITE)
    if site is None:
        # Another daemon was faster.
        await directory.refresh(ReadPreference.PRIMARY)
        site = directory.get(SITE)
    for one in fill:
        await one(site)
    return site
