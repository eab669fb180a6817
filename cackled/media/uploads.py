"""Uploads of a site that come in several requests: begun, gone on with by one request at a time, made a picture."""

from __future__ import annotations

import re
from base64 import b64decode
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
_PAIR = re.compile(r"([\x21-\x2b\x2d-\x7e]{1,100})(?: ([A-Za-z0-9+/=]*))?", re.ASCII)

BEGIN_UPLOAD = Query(
    "begin_upload",
    "select extract(epoch from begin_upload($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13))::float8",
    (
        "int", "text", "bigint", "bigint", "text", "bigint", "text", "text", "bigint", "int", "int", "int", "bigint",
    ),
)
_COLUMNS = """
  u.id, u.at, u.length, u.writer, u.metadata, u.alt, u.media_id, u.refused,
  extract(epoch from u.expires_at)::float8, u.expires_at <= now()
"""
_OWN = """
  u.site_id = $1 and u.id = $2 and u.visitor_id is not distinct from $3 and u.account_id is not distinct from $4
  and u.place = $5
"""
_OWN_TYPES = ("int", "text", "bigint", "bigint", "text")
# Whoever writes or asks is the only one who may write from then on.
CLAIM_UPLOAD = Query(
    "claim_upload", f"update upload u set writer = u.writer + 1 where {_OWN} returning {_COLUMNS}", _OWN_TYPES
)
SELECT_UPLOAD = Query("select_upload", f"select {_COLUMNS} from upload u where {_OWN}", _OWN_TYPES)
SET_LENGTH = Query(
    "set_upload_length",
    f"""
    update upload u set length = $6 where {_OWN} and u.at <= $6 and coalesce(u.length, $6) = $6 returning u.length
    """,
    (*_OWN_TYPES, "bigint"),
)
KEEP_PIECE = Query(
    "keep_upload_piece", "select keep_upload_piece($1, $2, $3, $4, $5, $6, $7)",
    ("int", "text", "int", "bigint", "bytea", "bigint", "bigint"),
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


class Sender(Struct, frozen=True):
    """Who sends an upload: a visitor, or an account of staff; the other one is None.

    ``place`` is what it is for (``chat:12``), which takes files that are no pictures, too; ``""``: for whatever shows
    pictures.
    """

    visitor: int | None
    account: int | None = None
    place: str = ""


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

    def admit(self, length: int | None, sender: Sender) -> None:
        """See that the site takes files, and one of *length* bytes.

        Raises:
            Forbidden: it takes none.
            TooLong: that is too large.
        """
        if not (sender.place and self._site.product(MediaSettings).files):
            admit(self._site, None)
        if length is not None and length > self.most:
            raise TooLong(f"A file has at most {self.most // 1000} KB here.")

    async def begin(self, sender: Sender, length: int | None, metadata: str) -> Writer:
        """Begin an upload; *metadata* as sent.

        Raises:
            Refused: the site takes none of that length, the visitor began many, or there is no room.
        """
        self.admit(length, sender)
        settings = self._site.product(MediaSettings)
        number, alt = token_urlsafe(16), clean_words(told(metadata, "alt"))[:MOST_ALT]
        rows = await self._asked(
            BEGIN_UPLOAD, number, sender.visitor, sender.account, sender.place, length, metadata, alt, self.most,
            LIFETIME, MOST_OPEN, settings.hourly, settings.room,
        )  # fmt: skip
        return Writer(self, Upload(number, 0, length, 0, metadata, alt, None, "", rows[0][0]))

    async def _asked(self, query: Query, *given: Any) -> list[tuple[Any, ...]]:
        """The rows of a function that refuses what the site does not take."""
        try:
            return await self._database.write(query, self._site.id, *given)
        except QueryFailed as error:
            refused = find_refusal(error.sqlstate, error.message)
            if refused is None:
                raise
            raise refused from None

    async def claim(self, number: str, sender: Sender) -> Writer:
        """Go on with somebody's upload; nobody else does any more.

        Raises:
            NotFound, Gone: there is none, or it has expired.
        """
        rows = await self._database.write(CLAIM_UPLOAD, self._site.id, number, *_own(sender))
        return Writer(self, _upload(rows))

    async def find(self, number: str, sender: Sender) -> Upload:
        """Somebody's upload.

        Raises:
            NotFound, Gone: there is none, or it has expired.
        """
        found = await self._database.read(
            SELECT_UPLOAD, self._site.id, number, *_own(sender), preference=ReadPreference.PRIMARY
        )
        return _upload(found.rows)

    async def set_length(self, writer: Writer, sender: Sender, length: int) -> None:
        """Say how long an upload becomes, where that was not known.

        Raises:
            TooLong: longer than files may be.
            Conflict: it is known to be another length, or longer already.
        """
        self.admit(length, sender)
        if not await self._database.write(SET_LENGTH, self._site.id, writer.id, *_own(sender), length):
            raise Conflict("That is not its length.", slug="upload-offset")
        writer.upload = msgspec.structs.replace(writer.upload, length=length)

    async def keep(self, upload: Upload, at: int, data: bytes) -> int:
        """Keep a piece that begins at *at*; gives how many bytes are here.

        Raises:
            TooLong: it does not fit.
            Conflict: another request has taken over, or the site has no room left.
        """
        most = self.most if upload.length is None else upload.length
        if at + len(data) > most:
            raise TooLong(f"The upload has {most} bytes.")
        rows = await self._asked(
            KEEP_PIECE, upload.id, upload.writer, at, data, self.most, self._site.product(MediaSettings).room
        )
        if not rows:
            raise evicted()
        return int(rows[0][0])

    async def finish(self, number: str, sender: Sender, address: str) -> Medium | None:
        """Make the picture of an upload that is whole; None: it is not. Rights are looked at again.

        Raises:
            Refused: there is no such upload, or the site does not take this file. What is wrong with the file is kept,
                and refused again.
        """
        for _ in range(2):
            upload = await self.find(number, sender)
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
            await self.check(sender, address)
            made = await self._make(upload, sender)
            if made is not None:
                return made
            # Another process has made it meanwhile.
        raise Gone("The picture is not there any more.")

    async def _make(self, upload: Upload, sender: Sender) -> Medium | None:
        pieces = await self._database.read(
            SELECT_PIECES, self._site.id, upload.id, preference=ReadPreference.PRIMARY
        )
        raw = b"".join(bytes(row[0]) for row in pieces.rows)
        if len(raw) != upload.length:
            return None
        try:
            if sender.place:
                name = told(upload.metadata, "filename")
                made = await self._media.add_any(raw, upload.alt, name, sender.visitor, sender.account)
            else:
                made = await self._media.add(raw, upload.alt, sender.visitor, sender.account)
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

    async def check(self, sender: Sender, address: str) -> None:
        """See that somebody may add files here; who of the staff is, their role says.

        Raises:
            Forbidden: the site takes none, or they are banned.
        """
        self.admit(None, sender)
        if sender.visitor is None:
            return
        found = await self._database.read(
            IS_BANNED, self._site.id, sender.visitor, address or None, preference=ReadPreference.PRIMARY
        )
        if found.rows[0][0]:
            raise Forbidden("You can't add files here.", slug="banned")

    async def drop(self, number: str) -> None:
        """Forget an upload; a picture that it became stays."""
        await self._database.write(DROP_UPLOADS, self._site.id, [number])


def _own(sender: Sender) -> tuple[int | None, int | None, str]:
    return sender.visitor, sender.account, sender.place


def pairs(metadata: str) -> dict[str, str] | None:
    """What *metadata* holds, by key; None where it is not as the protocol says."""
    found: dict[str, str] = {}
    for one in metadata.split(",") if metadata else ():
        match = _PAIR.fullmatch(one.strip())
        if match is None:
            return None
        try:
            text = b64decode(match[2] or "", validate=True)
        except ValueError:
            return None
        found[match[1]] = text.decode("utf-8", "replace").replace("\0", "")
    return found


def told(metadata: str, key: str) -> str:
    """What *metadata* says of *key*, or ``""``."""
    return (pairs(metadata) or {}).get(key, "")


def _upload(rows: list[tuple[Any, ...]]) -> Upload:
    if not rows:
        raise NotFound("There is no such upload of yours.")
    number, at, length, writer, metadata, alt, media, refused, expires, expired = rows[0]
    if expired:
        raise Gone("Begin anew.")
    return Upload(number, at, length, writer, metadata, alt, media, refused, expires)
