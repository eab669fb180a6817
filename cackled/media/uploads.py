"""Uploads of a site that come in several requests: begun, gone on with by one request at a time, made a picture."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Conflict, Forbidden, NotFound, Refused, TooFast, Unprocessable
from cackled.domain.housekeeping import BATCH
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.media.incoming import evicted
from cackled.media.scanning import ScannerAway
from cackled.media.service import DROP_MEDIA, MOST_ALT, Media, Medium, admit, find_refusal
from cackled.media.settings import MediaSettings

# Seconds that an upload may take, from its beginning; uploads of a visitor that are under way.
LIFETIME = 86_400
MOST_OPEN = 10
MOST_METADATA = 2_048

BEGIN_UPLOAD = Query(
    "begin_upload",
    "select extract(epoch from begin_upload($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11))::float8",
    ("int", "text", "bigint", "bigint", "text", "text", "bigint", "int", "int", "int", "bigint"),
)
_COLUMNS = """
  u.id, u.at, u.length, u.writer, u.metadata, u.alt, u.media_id, u.refused,
  extract(epoch from u.expires_at)::float8, u.expires_at <= now()
"""
# Whoever writes or asks is the only one who may write from then on.
CLAIM_UPLOAD = Query(
    "claim_upload",
    f"""
    update upload u set writer = u.writer + 1 where u.site_id = $1 and u.id = $2 and u.visitor_id = $3
    returning {_COLUMNS}
    """,
    ("int", "text", "bigint"),
)
SELECT_UPLOAD = Query(
    "select_upload", f"select {_COLUMNS} from upload u where u.site_id = $1 and u.id = $2 and u.visitor_id = $3",
    ("int", "text", "bigint"),
)  # fmt: skip
SET_LENGTH = Query(
    "set_upload_length",
    """
    update upload u set length = $4
    where u.site_id = $1 and u.id = $2 and u.visitor_id = $3 and u.at <= $4 and coalesce(u.length, $4) = $4
    returning u.length
    """,
    ("int", "text", "bigint", "bigint"),
)
KEEP_PIECE = Query(
    "keep_upload_piece", "select keep_upload_piece($1, $2, $3, $4, $5, $6)",
    ("int", "text", "int", "bigint", "bytea", "bigint"),
)  # fmt: skip
SELECT_PIECES = Query(
    "select_upload_pieces",
    "select p.data from upload_piece p where p.site_id = $1 and p.upload_id = $2 order by p.at",
    ("int", "text"),
)
END_UPLOAD = Query("end_upload", "select end_upload($1, $2, $3, $4)", ("int", "text", "text", "text"))
DROP_UPLOADS = Query("drop_uploads", "select drop_uploads($1, $2)", ("int", "text[]"))
IS_BANNED = Query(
    "is_uploader_banned", "select coalesce(ban_of($1, '', $2, $3::text::inet) = 'ban', false)",
    ("int", "bigint", "text"),
)  # fmt: skip
# An hour after their end they are forgotten: until then it is said that they were.
DROP_EXPIRED = Query(
    "drop_expired_uploads",
    f"""
    select count(*) from (
      select drop_uploads(o.site_id, array_agg(o.id)) from (
        select u.site_id, u.id from upload u where u.expires_at < now() - interval '1 hour' limit {BATCH}
      ) o group by o.site_id
    ) x
    """,
)


class Gone(Refused):
    """It was not finished in time."""

    status = 410
    slug = "upload-expired"
    title = "That upload has expired"


class TooLong(Refused):
    """More bytes than the site takes, or than were announced."""

    status = 413
    slug = "upload-large"
    title = "That is too large"


class Refusing(Struct, frozen=True):
    """Why a whole file was refused."""

    slug: str
    detail: str


class Upload(Struct, frozen=True):
    """An upload: ``at`` bytes of ``length`` (None: not known yet) are here, until ``expires`` (seconds since 1970).

    ``media`` is the picture that it became; ``refused`` the refusal of the whole file as JSON.
    """

    id: str
    at: int
    length: int | None
    writer: int
    metadata: str
    alt: str
    media: str | None
    refused: str
    expires: float


class Writer:
    """One request that adds to an upload. A later one ends it."""

    def __init__(self, uploads: Uploads, upload: Upload) -> None:
        self._uploads = uploads
        self.upload = upload
        self.id = upload.id
        self.at = upload.at

    async def keep(self, data: bytes) -> None:
        """Keep the next piece.

        Raises:
            Refused: another request has taken over, or it does not fit.
        """
        self.at = await self._uploads.keep(self.upload, self.at, data)


class Uploads:
    """The uploads of *site*."""

    def __init__(self, site: Site, database: Database, media: Media) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._media = media

    @property
    def most(self) -> int:
        """Bytes that a file may have."""
        return self._site.product(MediaSettings).max_bytes

    def admit(self, length: int | None) -> None:
        """See that the site takes files, and one of *length* bytes.

        Raises:
            Forbidden: it takes none.
            TooLong: that is too large.
        """
        admit(self._site, None)
        if length is not None and length > self.most:
            raise TooLong(f"A file has at most {self.most // 1000} KB here.")

    async def begin(self, visitor: int, length: int | None, metadata: str, alt: str) -> Writer:
        """Begin an upload.

        Raises:
            Refused: the site takes none of that length, the visitor began many, or there is no room.
        """
        self.admit(length)
        settings = self._site.product(MediaSettings)
        number, alt = token_urlsafe(16), clean_words(alt)[:MOST_ALT]
        try:
            rows = await self._database.write(
                BEGIN_UPLOAD, self._site.id, number, visitor, length, metadata, alt, self.most, LIFETIME, MOST_OPEN,
                settings.hourly, settings.room,
            )  # fmt: skip
        except QueryFailed as error:
            refused = find_refusal(error.sqlstate, error.message)
            if refused is None:
                raise
            raise refused from None
        return Writer(self, Upload(number, 0, length, 0, metadata, alt, None, "", rows[0][0]))

    async def claim(self, number: str, visitor: int) -> Writer:
        """Go on with a visitor's upload; nobody else does any more.

        Raises:
            NotFound, Gone: there is none, or it has expired.
        """
        rows = await self._database.write(CLAIM_UPLOAD, self._site.id, number, visitor)
        return Writer(self, _upload(rows))

    async def find(self, number: str, visitor: int) -> Upload:
        """A visitor's upload.

        Raises:
            NotFound, Gone: there is none, or it has expired.
        """
        found = await self._database.read(
            SELECT_UPLOAD, self._site.id, number, visitor, preference=ReadPreference.PRIMARY
        )
        return _upload(found.rows)

    async def set_length(self, writer: Writer, visitor: int, length: int) -> None:
        """Say how long an upload becomes, where that was not known.

        Raises:
            TooLong: longer than files may be.
            Conflict: it is known to be another length, or longer already.
        """
        self.admit(length)
        if not await self._database.write(SET_LENGTH, self._site.id, writer.id, visitor, length):
            raise Conflict("That is not its length.", slug="upload-offset")
        writer.upload = msgspec.structs.replace(writer.upload, length=length)

    async def keep(self, upload: Upload, at: int, data: bytes) -> int:
        """Keep a piece that begins at *at*; gives how many bytes are here.

        Raises:
            TooLong: it does not fit.
            Conflict: another request has taken over.
        """
        most = self.most if upload.length is None else upload.length
        if at + len(data) > most:
            raise TooLong(f"The upload has {most} bytes.")
        rows = await self._database.write(KEEP_PIECE, self._site.id, upload.id, upload.writer, at, data, self.most)
        if not rows:
            raise evicted()
        return int(rows[0][0])

    async def finish(self, number: str, visitor: int, address: str) -> Medium | None:
        """Make the picture of an upload that is whole; None: it is not. Rights are looked at again.

        Raises:
            Refused: there is no such upload, or the site does not take this file. What is wrong with the file is kept,
                and refused again.
        """
        for _ in range(2):
            upload = await self.find(number, visitor)
            if upload.refused:
                why = msgspec.json.decode(upload.refused, type=Refusing)
                raise Unprocessable(why.detail, field="file", slug=why.slug)
            if upload.media is not None:
                found = await self._media.find([upload.media], ReadPreference.PRIMARY)
                if upload.media not in found:
                    break
                return found[upload.media]
            if upload.at != upload.length:
                return None
            await self.check(visitor, address)
            made = await self._make(upload, visitor)
            if made is not None:
                return made
            # Another process has made it meanwhile.
        raise Gone("The picture is not there any more.")

    async def _make(self, upload: Upload, visitor: int) -> Medium | None:
        pieces = await self._database.read(
            SELECT_PIECES, self._site.id, upload.id, preference=ReadPreference.PRIMARY
        )
        raw = b"".join(bytes(row[0]) for row in pieces.rows)
        if len(raw) != upload.length:
            return None
        try:
            made = await self._media.add(raw, upload.alt, visitor)
        except (TooFast, ScannerAway):
            raise
        except Unprocessable as error:
            why = msgspec.json.encode(Refusing(error.slug, error.detail)).decode()
            await self._database.write(END_UPLOAD, self._site.id, upload.id, None, why)
            raise
        if not await self._database.write(END_UPLOAD, self._site.id, upload.id, made.id, ""):
            await self._database.write(DROP_MEDIA, self._site.id, [made.id])
            return None
        return made

    async def check(self, visitor: int, address: str) -> None:
        """See that a visitor may add files here.

        Raises:
            Forbidden: the site takes none, or they are banned.
        """
        admit(self._site, None)
        found = await self._database.read(
            IS_BANNED, self._site.id, visitor, address or None, preference=ReadPreference.PRIMARY
        )
        if found.rows[0][0]:
            raise Forbidden("You can't add files here.", slug="banned")

    async def drop(self, number: str) -> None:
        """Forget an upload; a picture that it became stays."""
        await self._database.write(DROP_UPLOADS, self._site.id, [number])


def _upload(rows: list[tuple[Any, ...]]) -> Upload:
    if not rows:
        raise NotFound("There is no such upload of yours.")
    number, at, length, writer, metadata, alt, media, refused, expires, expired = rows[0]
    if expired:
        raise Gone("Begin anew.")
    return Upload(number, at, length, writer, metadata, alt, media, refused, expires)
