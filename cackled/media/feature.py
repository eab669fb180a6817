"""The feature of pictures: what it declares."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.database.row_counts import Counted
from cackled.domain.erasure import Erasable
from cackled.domain.personal_data import FOREVER, Held
from cackled.domain.video_titles import EXPIRE_TITLES
from cackled.media.api import ROUTES
from cackled.media.commands import COMMANDS
from cackled.media.edge import EdgeFiles
from cackled.media.files import Files, FolderFiles
from cackled.media.image_workers import REASONS
from cackled.media.logo_api import ROUTES as LOGO_ROUTES
from cackled.media.neighbours import SliceGiver, asking
from cackled.media.origins import FolderOrigin
from cackled.media.purging import DROP_OLD, Purging
from cackled.media.resource import Gallery
from cackled.media.service import REFUSALS
from cackled.media.settings import MediaSettings
from cackled.media.store import MediaStore, make_disk, make_origin, make_store
from cackled.media.sweeping import DROP_UNUSED, Sweeping
from cackled.media.tus_api import ROUTES as UPLOAD_ROUTES
from cackled.media.uploads import DROP_EXPIRED
from cackled.products.product import Feature, Limit, SharedParts


def make_gallery(parts: SharedParts) -> Gallery:
    """The files, as this process serves them."""
    origin = make_origin(parts)
    files: Files
    if isinstance(origin, FolderOrigin):
        files = FolderFiles(origin, parts.in_thread)
    else:
        peers = asking(parts.ask_nodes)
        files = EdgeFiles(origin, make_disk(parts), parts.clock, parts.in_thread, parts.metrics, peers)
    return Gallery(parts.database, files, parts.clock.seconds, parts.in_thread)


def make_sweeping(parts: SharedParts) -> Sweeping:
    """What removes files that nothing shows."""
    return Sweeping(parts.database, make_origin(parts), parts.clock, parts.sites)


def make_purging(parts: SharedParts) -> Purging:
    """What removes contents that are gone from this node's disk."""
    return Purging(parts.database, make_disk(parts), parts.clock, parts.in_thread)


def make_giver(parts: SharedParts) -> SliceGiver:
    """What gives other nodes the slices on this node's disk."""
    return SliceGiver(make_disk(parts), parts.in_thread, parts.give_nodes)


ERASABLE = Erasable(
    steps=(Query("erase_media", "select channel, seq from erase_media($1, $2, $3)", ("int", "bigint", "int")),),
    # What they are shown with is a product's, which forgets the visitor itself.
    channels=Query("select_media_channels", "select null::bigint where $1 + $2 < 0", ("int", "bigint")),
)

FEATURE = Feature(
    name="media",
    routes=(*ROUTES, *UPLOAD_ROUTES, *LOGO_ROUTES),
    settings=MediaSettings,
    shared={MediaStore: make_store, Gallery: make_gallery, Sweeping: make_sweeping, Purging: make_purging,
            SliceGiver: make_giver},
    starts=(Sweeping, Purging, SliceGiver),
    limits=(
        Limit(name="add", rate=0.2, burst=20, site_rate=20.0),
        Limit(name="change", rate=1, burst=20),
        # Of parts of files, and questions how much is here.
        Limit(name="upload", rate=2, burst=60),
        Limit(name="read", rate=50, burst=500),
    ),
    refusals=REFUSALS,
    problems={
        **{f"media-{reason}": 422 for reason in (*REASONS, "harmful", "large", "many", "unknown")},
        "no-pictures": 403, "no-files": 403, "file-type": 422,
        "upload-expired": 410, "upload-idle": 408, "upload-large": 413, "upload-offset": 409, "upload-taken": 409,
        "upload-type": 415, "tus-version": 412,
    },
    jobs=(DROP_UNUSED, DROP_EXPIRED, DROP_OLD, EXPIRE_TITLES),
    commands=COMMANDS,
    sql="cackled.media",
    counted=(Counted(table="media", word="pictures", kept=False),),
    erase=ERASABLE,
    held=(Held(table="media", what="pictures that they added", until=FOREVER, secret=("account_id",)),
          Held(table="upload", what="files whose upload has not ended", until="a day", secret=("account_id",))),
)
