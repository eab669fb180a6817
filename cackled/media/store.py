"""What the pictures of all sites share in a process: where files are kept, and who makes pictures anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cackled.config import Config
from cackled.database.routing import Database
from cackled.domain.commands import CommandError
from cackled.domain.pictures import kept_picture
from cackled.domain.site import Site
from cackled.domain.uploads import Uploads
from cackled.media.disk_cache import DiskCache
from cackled.media.files import check_slice
from cackled.media.image_workers import Workshop
from cackled.media.incoming import Incoming
from cackled.media.origins import DatabaseOrigin, FolderOrigin, Origin
from cackled.media.s3 import S3Origin
from cackled.media.scanning import Scanner
from cackled.media.service import Media, Medium, admit, find_media, smallest
from cackled.media.sums import SLICE
from cackled.media.uploads import Uploads as SiteUploads
from cackled.shared_calls import SharedCalls

if TYPE_CHECKING:
    from cackled.products.product import SharedParts


class MediaStore:
    """Gives the pictures of each site."""

    def __init__(
        self, origins: dict[str, Origin], used: str, database: Database, workshop: Workshop,
        scanner: Scanner | None = None, clock: Any = None,
    ) -> None:  # fmt: skip
        self.clock = clock
        # Uploads that are written to in this process, by site and id, and those that are made pictures.
        self.writing: dict[tuple[int, str], Incoming] = {}
        self.finishing: SharedCalls[Medium | None] = SharedCalls()
        self.database = database
        self.origin = origins[used]
        self.workshop = workshop
        self.scanner = scanner
        self._origins = origins
        self._used = used

    def move(self, name: str) -> tuple[list[Origin], Origin]:
        """From where files are to be copied to the origin *name*, and that: from the one in use, or to it from all.

        Raises:
            CommandError: there is none of that name.
        """
        if name not in self._origins:
            raise CommandError(f"there is {' and '.join(self._origins)}")
        there = self._origins[name]
        if name != self._used:
            return [self.origin], there
        return [there, *(one for other, one in self._origins.items() if other != name)], there

    def of(self, site: Site) -> Media:
        """The pictures of *site*."""
        return Media(site, self.database, self.origin, self.workshop, self.scanner)

    def uploads_of(self, site: Site) -> SiteUploads:
        """The uploads of *site* in several requests."""
        return SiteUploads(site, self.database, self.of(site))

    def ended(self, site: int, number: str, incoming: Incoming) -> None:
        """*incoming* writes to that upload no more."""
        if self.writing.get((site, number)) is incoming:
            del self.writing[site, number]

    @property
    def uploads(self) -> Uploads:
        """What products hand pictures to."""
        return Uploads(
            self._upload, admit, self._fetched, self._again, self._any, self._brought, self._read, self.workshop.square,
            self._portrait,
        )

    async def _upload(self, site: Site, raw: bytes, alt: str, visitor: int | None, account: int | None) -> str:
        return f"{site.id}-{(await self.of(site).add(raw, alt, visitor, account)).id}"

    async def _brought(self, site: Site, raw: bytes, alt: str, visitor: int) -> str:
        return f"{site.id}-{(await self.of(site).add(raw, alt, visitor, admitted=True)).id}"

    async def _portrait(self, raw: bytes, side: int) -> bytes:
        if self.scanner is not None:
            await self.scanner.check(raw)
        return await self.workshop.square(raw, side)

    async def _read(self, site: Site, number: str) -> bytes | None:
        found = (await find_media(self.database, site.id, [number])).get(number)
        known = None if found is None else smallest(found.files)
        if found is None or known is None:
            return None
        body = await self.origin.get(site.id, found.digest, known.name)
        if body is not None:
            for place in range(0, len(body), SLICE):
                check_slice(body[place : place + SLICE], known, place // SLICE, "a picture")
        return body

    async def _any(
        self, site: Site, raw: bytes, alt: str, name: str, visitor: int | None, account: int | None
    ) -> str:
        return f"{site.id}-{(await self.of(site).add_any(raw, alt, name, visitor, account)).id}"

    async def _fetched(self, site: Site, raw: bytes) -> tuple[bytes, dict[str, Any]]:
        made = await self.of(site).add(raw, "", None, admitted=True)
        return made.digest, kept_of(site.id, made)

    async def _again(self, site: Site, digest: bytes) -> dict[str, Any] | None:
        made = await self.of(site).again(digest)
        return None if made is None else kept_of(site.id, made)


def kept_of(site: int, made: Medium) -> dict[str, Any]:
    """What a product keeps of a picture."""
    files = msgspec.json.encode(made.files).decode()
    return kept_picture(site, (made.id, made.width, made.height, made.color, made.alt, files))


def origin_of(config: Config) -> str:
    """``folder``, ``database`` or ``s3``.

    A folder is of one machine, so that nodes which share a database keep files there.
    """
    if config.media.origin != "auto":
        return config.media.origin
    return "database" if len(config.nodes) > 1 or config.discovery.enabled else "folder"


def make_origins(parts: SharedParts) -> dict[str, Origin]:
    """Where files can be."""
    config = parts.config
    folder = Path(config.media.folder) if config.media.folder else Path(config.state) / "media"
    origins: dict[str, Origin] = {
        "folder": FolderOrigin(folder, parts.in_thread), "database": DatabaseOrigin(parts.database),
    }  # fmt: skip
    if config.media.origin == "s3" or config.media_s3.bucket:
        origins["s3"] = S3Origin(config.media_s3, parts.clock, parts.in_thread)
    return origins


def make_origin(parts: SharedParts) -> Origin:
    """Where files are."""
    return make_origins(parts)[origin_of(parts.config)]


def make_disk(parts: SharedParts) -> DiskCache | None:
    """The disk cache of this node; None where the files themselves are on its disk, or none is wanted."""
    config = parts.config
    if origin_of(config) == "folder" or not config.media.cache_bytes:
        return None
    folder = Path(config.media.cache_folder) if config.media.cache_folder else Path(config.state) / "media-cache"
    return DiskCache(folder, config.media.cache_bytes, config.media.cache_files)


def make_store(parts: SharedParts) -> MediaStore:
    """The store of a process."""
    workshop = Workshop(parts.clock, parts.metrics)
    address = parts.config.media.clamd
    scanner = Scanner(address, parts.clock, parts.metrics) if address else None
    store = MediaStore(make_origins(parts), origin_of(parts.config), parts.database, workshop, scanner, parts.clock)
    parts.metrics.watch(
        "media_uploads", "Uploads in several requests that are written to now.", lambda: float(len(store.writing))
    )
    return store
