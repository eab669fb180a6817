"""Removes what nothing shows: pictures that were added and never sent, logos that no setting names any more, and the
files of contents that are with none."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.domain.logo import logo_of
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.media.origins import Origin

log = Logger()

INTERVAL = 300.0
# How many contents in one run.
MOST = 500

DROP_UNUSED = Query(
    "drop_unused_media",
    f"""
    select count(*) from (
      select drop_media(o.site_id, array_agg(o.id)) from (
        select m.site_id, m.id from media m where m.item = '' and m.created_at < now() - interval '1 day'
          and (m.freed_at is null or m.freed_at < now() - interval '1 day')
        limit {BATCH}
      ) o group by o.site_id
    ) x
    """,
)
CLAIM_CONTENTS = Query(
    "claim_media_contents",
    f"""
    update media_gone g set removing = true
    from (
      select x.site_id, x.hash from media_gone x
      where (x.removing or x.since < now() - interval '1 hour')
        and not exists (select 1 from media m where m.site_id = x.site_id and m.hash = x.hash)
      order by x.since limit {MOST} for update skip locked
    ) o
    where g.site_id = o.site_id and g.hash = o.hash returning g.site_id, g.hash
    """,
)
# One is uploaded before it is named.
SELECT_OLD_LOGOS = Query(
    "select_old_logos",
    f"""
    select m.site_id, m.id from media m where m.item = 'site:logo' and m.created_at < now() - interval '1 hour'
    order by m.site_id limit {MOST}
    """,
)
DROP_LOGO = Query(
    "drop_logo",
    """
    select drop_media($1, array(select m.id from media m where m.site_id = $1 and m.id = $2 and m.item = 'site:logo'))
    """,
    ("int", "text"),
)
END_CONTENTS = Query(
    "end_media_contents", "delete from media_gone where site_id = $1 and hash = $2 and removing", ("int", "bytea")
)


class Sweeping:
    """The job; it runs in one process of each node."""

    def __init__(self, database: Database, origin: Origin, clock: Any, sites: SiteDirectory) -> None:
        self._database = database
        self._sites = sites
        self._origin = origin
        self._job = Periodic(clock, INTERVAL, self.sweep, "pictures that nothing shows")

    def start(self) -> None:
        """Look every five minutes, and after a logo that is named no more at once."""
        self._sites.watchers.append(self._changed)
        self._job.start()

    def stop(self) -> None:
        """Look no more."""
        if self._changed in self._sites.watchers:
            self._sites.watchers.remove(self._changed)
        self._job.stop()

    def _changed(self, old: Site, new: Site) -> None:
        logo = logo_of(old.settings.logo)
        if logo is not None and old.settings.logo != new.settings.logo:
            Deferred.fromCoroutine(self._drop_logo(new.id, logo.id.partition("-")[2])).addErrback(
                lambda failure: log.warn("a logo could not be removed: {reason}", reason=str(failure.value)[:300])
            )

    def _is_named(self, site: int, number: str) -> bool:
        """Whether a site's setting names that logo; so does that of a site which is not served here."""
        known = self._sites.find(site)
        named = None if known is None else logo_of(known.settings.logo)
        return known is None or (named is not None and named.id == f"{site}-{number}")

    async def _drop_logo(self, site: int, number: str) -> None:
        if not self._is_named(site, number):
            await self._database.site(site).write(DROP_LOGO, site, number)

    async def _drop_logos(self) -> None:
        """Remove logos that lost their setting while nobody looked."""
        fresh = False
        for part in self._database.parts:
            for site, number in (await part.system.read(SELECT_OLD_LOGOS, preference=ReadPreference.PRIMARY)).rows:
                if not fresh and not self._is_named(site, number):
                    # What is in memory may be old.
                    await self._sites.refresh(ReadPreference.PRIMARY)
                    fresh = True
                await self._drop_logo(site, number)

    async def sweep(self) -> int:
        """Remove the files of contents that nothing shows; gives of how many."""
        removed = 0
        try:
            await self._drop_logos()
        except DatabaseError as error:
            log.warn("logos that are named no more could not be looked for: {reason}", reason=str(error)[:300])
        for part in self._database.parts:
            try:
                rows = await part.system.write(CLAIM_CONTENTS)
                for site, digest in rows:
                    await self._origin.remove(site, bytes(digest))
                    await part.system.write(END_CONTENTS, site, digest)
                    removed += 1
            except (DatabaseError, OSError) as error:
                # What was begun is gone on with the next time.
                log.warn("files of pictures could not be removed: {reason}", reason=str(error)[:300])
        return removed
