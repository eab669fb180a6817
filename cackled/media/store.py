"""What the pictures of all sites share in a process: where files are kept, and who makes pictures anew."""

from __future__ import annotations

from pathlib import Path

from cackled.config import Config
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.media.origins import DatabaseOrigin, FolderOrigin, Origin
from cackled.media.service import Media
from cackled.media.workshop import Workshop
from cackled.products.product import SharedParts


class MediaStore:
    """Gives the pictures of each site."""

    def __init__(self, database: Database, origin: Origin, workshop: Workshop) -> None:
        self.database = database
        self.origin = origin
        self.workshop = workshop

    def of(self, site: Site) -> Media:
        """The pictures of *site*."""
        return Media(site, self.database, self.origin, self.workshop)


def origin_of(config: Config) -> str:
    """``folder`` or ``database``: a folder is of one machine, so that nodes which share a database keep files there."""
    if config.media.origin != "auto":
        return config.media.origin
    return "database" if len(config.nodes) > 1 or config.discovery.enabled else "folder"


def make_origin(parts: SharedParts) -> Origin:
    """Where this process finds files."""
    config = parts.config
    if origin_of(config) == "database":
        return DatabaseOrigin(parts.database)
    folder = Path(config.media.folder) if config.media.folder else Path(config.state) / "media"
    return FolderOrigin(folder, parts.in_thread)


def make_store(parts: SharedParts) -> MediaStore:
    """The store of a process."""
    return MediaStore(parts.database, make_origin(parts), Workshop(parts.clock, parts.metrics))
