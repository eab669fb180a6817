"""Visitors as others see them."""

from __future__ import annotations

from datetime import UTC, datetime

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.errors import NotFound
from cackled.domain.people import People, Person
from cackled.domain.read_options import Reading
from cackled.domain.sessions import BY_SITE
from cackled.domain.site import Site
from cackled.domain.staff import picture_url
from cackled.identity.answers import ProfileAnswer

# Seconds for which somebody is new.
FIRST_WEEK = 7 * 86_400
# So many of the newest are looked at.
MOST_COUNTED = 10_000
OWN_BADGES = ("staff", "verified", "first-week")

# What nobody sees is not told here either, neither its number nor the name above it; $3, who asks, sees their own.
SELECT_VISITOR = Query(
    "select_visitor_profile",
    f"""
    with written as (
      select c.author_name from (
        select * from comment x where x.site_id = $1 and x.visitor_id = $2 order by x.id desc limit {MOST_COUNTED}
      ) c
      where c.status = 1 or $2 = $3 and (c.status in (0, 2) or c.shadow)
    )
    select (select author_name from written limit 1), (select count(*) from written),
      extract(epoch from v.created_at)::float8
    from visitor v where v.site_id = $1 and v.id = $2
    """,
    ("int", "bigint", "bigint"),
)


def picture_of(site: int, visitor: int, person: Person) -> str | None:
    """The address of a person's picture, as the database's ``author_extra`` makes it; None where they have none."""
    if person.staff_picture:
        return picture_url(person.staff_picture)
    if person.picture or person.avatar or (person.gravatar and person.email_verified):
        return f"/avatar/{site}/{visitor}"
    return None


def badges_of(person: Person, now: float) -> list[str]:
    """A person's badges, as ``author_extra`` gives them."""
    holds = (
        bool(person.staff), person.email_verified or person.level == BY_SITE, person.created > now - FIRST_WEEK
    )  # fmt: skip
    own = [name for name, held in zip(OWN_BADGES, holds, strict=True) if held]
    return own + [name for name in person.badges if name not in OWN_BADGES]


class Profiles:
    """The profiles of one site's visitors."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._people = People(site, database)

    async def show(self, visitor: int, viewer: int, reading: Reading, now: float) -> ProfileAnswer:
        """A visitor who wrote here what *viewer* (0: nobody) may see, or signed in.

        Raises:
            NotFound: there is none.
        """
        rows = reading.found(await reading.rows(self._database, SELECT_VISITOR, self._site.id, visitor, viewer))
        person = await self._people.find(visitor, reading.options.preference)
        name, comments, since = rows[0] if rows else (None, 0, None)
        if person is None and name is None:
            raise NotFound("There is no such visitor.")
        if person is None:
            return ProfileAnswer(str(visitor), name or "", None, [], "", _time(since), comments)
        hidden = person.private
        return ProfileAnswer(
            str(visitor), person.name, picture_of(self._site.id, visitor, person), badges_of(person, now),
            "" if hidden else person.url, None if hidden else _time(person.created), None if hidden else comments,
        )  # fmt: skip


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
