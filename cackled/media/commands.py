"""Operator commands on pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.commands import Command, CommandError, Data, Facts, OperatorParts, Table, Usage, site_number
from cackled.media.image_workers import File
from cackled.media.origins import Origin
from cackled.media.service import DROP_MEDIA, ID, Known
from cackled.media.store import MediaStore
from cackled.media.sums import sums_of

log = Logger()

# Contents between two lines of the log.
PROGRESS = 200
# Contents looked at in one statement.
PAGE = 200

SELECT_SITES = Query(
    "select_media_sites",
    """
    select s.site_id, s.pictures, s.bytes, (select count(*) from media_gone g where g.site_id = s.site_id),
      u.number, u.bytes
    from media_site s cross join lateral (
      select count(*) as number, coalesce(sum(o.at), 0)::bigint as bytes from upload o
      where o.site_id = s.site_id and o.media_id is null and o.refused = '' and o.expires_at > now()
    ) u
    where s.site_id = $1 or $1 = 0 order by s.bytes desc limit 100
    """,
    ("int",),
)
SELECT_CONTENTS = Query(
    "select_media_contents",
    f"""
    select distinct on (m.site_id, m.hash) m.site_id, m.hash, m.id, m.files from media m
    where (m.site_id, m.hash) > ($1, $2) and (m.site_id = $3 or $3 = 0) order by m.site_id, m.hash limit {PAGE}
    """,
    ("int", "bytea", "int"),
)


async def contents(database: Database, site: int) -> AsyncIterator[tuple[int, bytes, str, list[Known]]]:
    """All contents of a site (0: of all sites): site, hash, a picture's id, files."""
    for part in database.parts:
        last: tuple[int, bytes] = (0, b"")
        while rows := (await part.system.read(SELECT_CONTENTS, *last, site, preference=ReadPreference.PRIMARY)).rows:
            for number, digest, picture, files in rows:
                yield number, bytes(digest), picture, msgspec.json.decode(files, type=list[Known])
            last = (rows[-1][0], bytes(rows[-1][1]))


async def media(parts: OperatorParts, words: Sequence[str]) -> Data:
    """What pictures take; whether all their files are whole; removing one; moving all to another origin."""
    store: MediaStore = parts.shared[MediaStore]
    try:
        match list(words):
            case ["status"]:
                return await _status(parts, 0)
            case ["status", number]:
                return await _status(parts, parts.site(site_number(number)).id)
            case ["verify"]:
                return await _verify(parts, store.origin, 0)
            case ["verify", number]:
                return await _verify(parts, store.origin, parts.site(site_number(number)).id)
            case ["purge", picture]:
                return await _purge(parts, picture)
            case ["move", name]:
                return await _move(parts, *store.move(name))
    except OSError as error:
        raise CommandError(f"a file can't be read or written: {error.strerror or error}") from None
    raise Usage


async def _status(parts: OperatorParts, site: int) -> Data:
    table: Table = [
        {
            "site": row[0], "pictures": row[1], "size_bytes": row[2], "to_remove": row[3],
            "uploads": row[4], "uploads_bytes": row[5],
        }
        for part in parts.database.parts
        for row in (await part.system.read(SELECT_SITES, site, preference=ReadPreference.NEAREST)).rows
    ]
    return table or "no site has pictures"


async def _verify(parts: OperatorParts, origin: Origin, site: int) -> Data:
    wrong: list[Facts] = []
    looked = 0
    async for number, digest, picture, files in contents(parts.database, site):
        for one in files:
            looked += 1
            body = await origin.get(number, digest, one.name)
            if not _is_right(one, body):
                wrong.append({
                    "picture": f"{number}-{picture}", "file": one.name, "is_bytes": 0 if body is None else len(body),
                    "should_be_bytes": one.bytes,
                })  # fmt: skip
    report: dict[str, Facts | Table] = {
        "files": {"looked_at": looked, "missing_or_cut": len(wrong)}, "wrong": wrong[:100],
    }  # fmt: skip
    return report


async def _purge(parts: OperatorParts, picture: str) -> Data:
    match = ID.fullmatch(picture)
    if match is None:
        raise CommandError("a picture is written as in its address: SITE-ID")
    site = parts.site(int(match[1]))
    if not await parts.database.site(site.id).write(DROP_MEDIA, site.id, [match[2]]):
        raise CommandError(f"there is no picture {picture}")
    return "removed; its files go within two hours, and nodes serve what they have in memory for another minute"


async def _move(parts: OperatorParts, sources: list[Origin], there: Origin) -> Data:
    copied, there_already, missing = 0, 0, 0
    total = sum([
        row[1]
        for part in parts.database.parts
        for row in (await part.system.read(SELECT_SITES, 0, preference=ReadPreference.NEAREST)).rows
    ])  # fmt: skip
    looked = 0
    async for number, digest, _, files in contents(parts.database, 0):
        bodies = []
        for one in files:
            if len(sources) > 1 and _is_right(one, await there.get(number, digest, one.name)):
                there_already += 1
                continue
            for here in sources:
                body = await here.get(number, digest, one.name)
                if body is not None and _is_right(one, body):
                    bodies.append(File(one.name, one.type, one.width, one.height, body))
                    break
            else:
                missing += 1
        try:
            await there.put(number, digest, bodies)
        except DatabaseError as error:
            raise CommandError(f"stopped after {copied} files: {error}; run it again, what is there stays") from None
        copied += len(bodies)
        looked += 1
        if looked % PROGRESS == 0:
            log.info(
                "moving files of pictures: {looked} of about {total} contents, {copied} files copied",
                looked=looked, total=total, copied=copied,
            )  # fmt: skip
    after = "set [media] origin on all nodes and restart them; then run it once more for what came meanwhile"
    if len(sources) > 1:
        after = "media verify; when nothing is missing the old place can be emptied"
    done: Facts = {
        "copied_files": copied, "there_already": there_already, "missing_or_cut": missing, "next": after,
    }  # fmt: skip
    return done


def _is_right(known: Known, body: bytes | None) -> bool:
    """Whether *body* is the file *known*, as far as its length and checksums tell."""
    return body is not None and len(body) == known.bytes and (not known.sums or sums_of(body) == known.sums)


COMMANDS = (
    Command(
        "media",
        "status [SITE] | verify [SITE] | purge SITE-ID | move folder|database|s3",
        "what pictures take; whether their files are whole; remove one; copy all files to an origin",
        media,
        mutates=True,
    ),
)
