"""The pictures of a site: taken in, described, given to what they are shown with, removed."""

from __future__ import annotations

import re
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Conflict, Forbidden, NotFound, Refusal, Refusals, TooFast, Unprocessable
from cackled.domain.pictures import FILE
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.media.attachments import kind_of, name_of
from cackled.media.image_workers import File, Workshop
from cackled.media.origins import Origin
from cackled.media.scanning import Scanner
from cackled.media.settings import MediaSettings
from cackled.media.sums import sums_of

# As an address has it: the site's number, and 128 random bits.
ID = re.compile(r"([1-9][0-9]{0,8})-([A-Za-z0-9_-]{22})", re.ASCII)
MOST_ALT = 1_500
# Pictures of an hour of whoever is not bounded.
UNBOUNDED = 1_000_000_000
# Of one thing that they are shown with.
MOST_TOGETHER = 8

REFUSALS = (
    Refusal(
        state="CK409", reason="media-hourly", error=Conflict,
        detail="That are many pictures for one hour. Try again later.",
    ),
    Refusal(state="CK409", reason="media-room", error=Conflict, detail="This site has no room for more pictures."),
    Refusal(
        state="CK409", reason="uploads-open", error=Conflict,
        detail="Many uploads are under way. End one of them first.",
    ),
)  # fmt: skip
find_refusal = Refusals(REFUSALS).find

# The same bounds as in add_media, before a picture is looked at.
SELECT_BOUNDS = Query(
    "select_media_bounds",
    """
    select (select count(*)::int from media m
      where m.site_id = $1 and m.visitor_id = $2 and m.created_at > now() - interval '1 hour'),
      coalesce((select s.bytes from media_site s where s.site_id = $1), 0)
    """,
    ("int", "bigint"),
)
# Before files are kept: whatever happens then, they are with a picture, or removed an hour later.
NOTE_CONTENTS = Query(
    "note_media_contents",
    """
    insert into media_gone as g (site_id, hash) values ($1, $2)
    on conflict (site_id, hash) do update set since = now() where not g.removing returning 1
    """,
    ("int", "bytea"),
)
ADD_MEDIA = Query(
    "add_media",
    "select add_media($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    (
        "int", "text", "bytea", "bigint", "bigint", "int", "int", "int", "text", "text", "text", "bigint", "int",
        "bigint",
    ),
)  # fmt: skip
_COLUMNS = "id, hash, width, height, frames, color, alt, files, item, shown"
SELECT_MEDIA = Query(
    "select_media", f"select {_COLUMNS} from media where site_id = $1 and id = any($2)", ("int", "text[]")
)
SELECT_SAME = Query(
    "select_same_media", f"select {_COLUMNS} from media where site_id = $1 and hash = $2 limit 1", ("int", "bytea")
)
SET_ALT = Query(
    "set_media_alt",
    "update media set alt = $4 where site_id = $1 and id = $2 and visitor_id = $3 and width > 0 returning id",
    ("int", "text", "bigint", "text"),
)
SELECT_OWN = Query(
    "select_own_media", "select id from media where site_id = $1 and id = $2 and visitor_id = $3 and item = ''",
    ("int", "text", "bigint"),
)  # fmt: skip
DROP_MEDIA = Query("drop_media", "select drop_media($1, $2)", ("int", "text[]"))
ATTACH_MEDIA = Query("attach_media", "select attach_media($1, $2, $3, $4)", ("int", "bigint", "text", "text[]"))
SELECT_USAGE = Query("select_media_usage", "select pictures, bytes from media_site where site_id = $1", ("int",))


# What the logo of a site is with.
LOGO = "site:logo"
KEEP_LOGO = Query(
    "keep_logo",
    f"update media set item = '{LOGO}', shown = true where site_id = $1 and id = $2 and item = '' returning id",
    ("int", "text"),
)
DROP_LOGOS = Query(
    "drop_logos",
    f"""
    select drop_media($1, array(select m.id from media m where m.site_id = $1 and m.item = '{LOGO}' and m.id <> $2))
    """,
    ("int", "text"),
)


class Known(Struct, frozen=True):
    """A file of a picture: its name, type, size in points, bytes, and the checksums of its slices.

    Files from before there were checksums have none.
    """

    name: str
    type: str
    width: int
    height: int
    bytes: int
    sums: tuple[str, ...] = ()


class Medium(Struct, frozen=True):
    """A picture that is kept. ``item`` is what it is with, or ``""``; ``shown``: everybody may see it."""

    id: str
    digest: bytes
    width: int
    height: int
    frames: int
    color: str
    alt: str
    files: list[Known]
    item: str
    shown: bool


def _medium(row: tuple[Any, ...]) -> Medium:
    number, digest, width, height, frames, color, alt, files, item, shown = row
    known = msgspec.json.decode(files, type=list[Known])
    return Medium(number, bytes(digest), width, height, frames, color, alt, known, item, shown)


def _known(file: File) -> Known:
    return Known(file.name, file.type, file.width, file.height, len(file.body), sums_of(file.body))


async def find_media(
    database: Database, site: int, ids: list[str], preference: ReadPreference = ReadPreference.NEAREST
) -> dict[str, Medium]:
    """Those of the pictures *ids* of a site that there are."""
    rows = await database.site(site).read(SELECT_MEDIA, site, ids, preference=preference)
    return {row[0]: _medium(row) for row in rows.rows}


def smallest(files: list[Known]) -> Known | None:
    """The smallest file that is a picture and stands still."""
    pictures = [one for one in files if one.type == "image/webp"]
    return min(pictures, key=lambda one: (one.name != "still.webp", one.width), default=None)


def admit(site: Site, length: int | None) -> None:
    """See that *site* takes pictures, and one of *length* bytes (None: nobody knows yet).

    Raises:
        Forbidden: it takes none.
        Unprocessable: that is too large.
    """
    settings = site.product(MediaSettings)
    if not settings.pictures:
        raise Forbidden("This site takes no pictures.", slug="no-pictures")
    if length is not None and length > settings.max_bytes:
        raise too_large(settings)


def too_large(settings: MediaSettings) -> Unprocessable:
    """It has more bytes than the site takes."""
    return Unprocessable(
        f"A file has at most {settings.max_bytes // 1000} KB here.", field="file", slug="media-large"
    )


class Media:
    """The pictures of *site*."""

    def __init__(
        self, site: Site, database: Database, origin: Origin, workshop: Workshop,
        scanner: Scanner | None = None,
    ) -> None:  # fmt: skip
        self._site = site
        self._all = database
        self._database = database.site(site.id)
        self._origin = origin
        self._workshop = workshop
        self._scanner = scanner

    def admit(self) -> None:
        """See that the site takes pictures, before one is fetched.

        Raises:
            Forbidden: it takes none.
        """
        admit(self._site, None)

    async def add(
        self, raw: bytes, alt: str, visitor: int | None, account: int | None = None, *, admitted: bool = False
    ) -> Medium:
        """Take a picture of a visitor, or of an *account* of staff, in, made anew. What the site has is not made again.

        *admitted*: the site wants this one, whether or not visitors may add some, and however many they added.

        Raises:
            Forbidden: this site takes none.
            Unprocessable: it is too large, or can't be shown (`cackled.media.image_workers.REASONS`).
            Conflict: the visitor added many, or the site has no room left.
            TooFast: many wait.
            ScannerAway: nobody can say whether it is harmful.
            OSError: the files can't be kept.
        """
        if not admitted:
            admit(self._site, len(raw))
        settings = self._site.product(MediaSettings)
        alt = clean_words(alt)[:MOST_ALT]
        await self._check_bounds(settings, None if admitted else visitor)
        digest = sha256(raw).digest()
        same = await self._database.read(SELECT_SAME, self._site.id, digest, preference=ReadPreference.PRIMARY)
        if same.rows:
            made = _medium(same.rows[0])
        else:
            if self._scanner is not None:
                await self._scanner.check(raw)
            picture = await self._workshop.remake(raw)
            if not await self._database.write(NOTE_CONTENTS, self._site.id, digest):
                # The same was here before, and its files are just being removed.
                raise TooFast(2.0)
            known = [_known(one) for one in picture.files]
            made = Medium(
                "", digest, picture.width, picture.height, picture.frames, picture.color, "", known, "", False
            )  # fmt: skip
            await self._origin.put(self._site.id, digest, picture.files)
        return await self._note(made, digest, alt, visitor, account, UNBOUNDED if admitted else settings.hourly)

    async def add_file(self, raw: bytes, name: str, visitor: int | None, account: int | None) -> Medium:
        """Take a file that is no picture in, as it is; it is given out to be saved only.

        Raises:
            Forbidden: this site takes none.
            Unprocessable: it is too large, or of another type (`cackled.media.attachments`).
            Conflict, TooFast, ScannerAway, OSError: as `add`.
        """
        settings = self._site.product(MediaSettings)
        if not settings.files:
            raise Forbidden("This site takes no files.", slug="no-files")
        if len(raw) > settings.max_bytes:
            raise too_large(settings)
        kind = kind_of(raw)
        if kind is None:
            raise Unprocessable("Only PDF and plain text are taken.", field="file", slug="file-type")
        await self._check_bounds(settings, visitor)
        digest = sha256(raw).digest()
        same = await self._database.read(SELECT_SAME, self._site.id, digest, preference=ReadPreference.PRIMARY)
        if same.rows:
            made = _medium(same.rows[0])
        else:
            if self._scanner is not None:
                await self._scanner.check(raw)
            if not await self._database.write(NOTE_CONTENTS, self._site.id, digest):
                raise TooFast(2.0)
            file = File(FILE, kind, 0, 0, raw)
            made = Medium("", digest, 0, 0, 1, "", "", [_known(file)], "", False)
            await self._origin.put(self._site.id, digest, [file])
        return await self._note(made, digest, name_of(name, kind), visitor, account, settings.hourly)

    async def add_any(
        self, raw: bytes, alt: str, name: str, visitor: int | None, account: int | None
    ) -> Medium:
        """Take a picture in, or a file called *name* that is none, where the site takes files.

        Raises:
            Refused, OSError: as `add` and `add_file`.
        """
        settings = self._site.product(MediaSettings)
        if name and settings.files and (kind_of(raw) is not None or not settings.pictures):
            return await self.add_file(raw, name, visitor, account)
        return await self.add(raw, alt, visitor, account)

    async def again(self, digest: bytes) -> Medium | None:
        """A picture of nobody's with contents that the site has; None where it has them no more."""
        same = await self._database.read(SELECT_SAME, self._site.id, digest, preference=ReadPreference.PRIMARY)
        return await self._note(_medium(same.rows[0]), digest, "", None, None, UNBOUNDED) if same.rows else None

    async def _note(
        self, made: Medium, digest: bytes, alt: str, visitor: int | None, account: int | None, hourly: int
    ) -> Medium:
        settings = self._site.product(MediaSettings)
        added = msgspec.structs.replace(made, id=token_urlsafe(16), alt=alt, item="", shown=False)
        size = sum(one.bytes for one in added.files)
        try:
            await self._database.write(
                ADD_MEDIA, self._site.id, added.id, digest, visitor, account, added.width, added.height, added.frames,
                added.color, alt, msgspec.json.encode(added.files).decode(), size, hourly, settings.room,
            )  # fmt: skip
        except QueryFailed as error:
            refused = find_refusal(error.sqlstate, error.message)
            if refused is None:
                raise
            raise refused from None
        return added

    async def _check_bounds(self, settings: MediaSettings, visitor: int | None) -> None:
        rows = await self._database.read(SELECT_BOUNDS, self._site.id, visitor, preference=ReadPreference.PRIMARY)
        added, size = rows.rows[0]
        reason = "media-hourly" if added >= settings.hourly else "media-room" if size > settings.room else ""
        if reason:
            refused = find_refusal("CK409", reason)
            assert refused is not None
            raise refused

    async def find(self, ids: list[str], preference: ReadPreference = ReadPreference.NEAREST) -> dict[str, Medium]:
        """Those of *ids* that there are."""
        return await find_media(self._all, self._site.id, ids, preference)

    async def describe(self, number: str, alt: str, visitor: int) -> None:
        """Say what is to be seen on a picture of one's own.

        Raises:
            NotFound: the visitor has none of that id.
        """
        rows = await self._database.write(SET_ALT, self._site.id, number, visitor, clean_words(alt)[:MOST_ALT])
        if not rows:
            raise NotFound("There is no such picture of yours.")

    async def remove(self, number: str, visitor: int) -> None:
        """Remove a picture of one's own that is shown with nothing yet.

        Raises:
            NotFound: the visitor has none of that id.
        """
        rows = await self._database.read(
            SELECT_OWN, self._site.id, number, visitor, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            raise NotFound("There is no such picture of yours.")
        await self._database.write(DROP_MEDIA, self._site.id, [number])

    async def attach(self, visitor: int, item: str, ids: list[str]) -> list[Medium]:
        """Show pictures of a visitor with *item* (``comment:12``); gives them in that order.

        Raises:
            Unprocessable: they are too many, or one is not there, another's, or shown elsewhere.
        """
        if len(ids) > MOST_TOGETHER or len(set(ids)) < len(ids):
            raise Unprocessable(f"At most {MOST_TOGETHER} different pictures.", field="media", slug="media-many")
        rows = await self._database.write(ATTACH_MEDIA, self._site.id, visitor, item, ids)
        if len(rows) < len(ids):
            raise Unprocessable("One of the pictures is not there any more.", field="media", slug="media-unknown")
        found = await self.find(ids, ReadPreference.PRIMARY)
        return [found[one] for one in ids if one in found]

    async def keep_logo(self, number: str) -> None:
        """The site shows a picture that nothing else shows, to everybody."""
        await self._database.write(KEEP_LOGO, self._site.id, number)

    async def drop_logos(self, number: str) -> None:
        """Remove all logos of the site but *number*."""
        await self._database.write(DROP_LOGOS, self._site.id, number)

    async def usage(self) -> tuple[int, int]:
        """How many different pictures the site has, and the bytes of their files."""
        rows = await self._database.read(SELECT_USAGE, self._site.id, preference=ReadPreference.NEAREST)
        return rows.rows[0] if rows.rows else (0, 0)
