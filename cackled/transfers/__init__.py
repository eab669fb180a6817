"""Imports and exports of a site, begun by staff in the panel or by the API: files in pieces, work, downloads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cackled.database.row_counts import Counted
from cackled.products.product import Feature, Product, SharedParts
from cackled.transfers.api import ROUTES
from cackled.transfers.exports import DownloadLinks, ExportList
from cackled.transfers.formats import KnownFormats
from cackled.transfers.imports import ImportList
from cackled.transfers.runner import DROP_FILES, TransferWork


def make_feature(products: Sequence[Product]) -> Feature:
    """Imports and exports of what *products* declare."""
    known = KnownFormats(products)

    def make_work(parts: SharedParts) -> TransferWork:
        folder = Path(parts.config.state).absolute() / "imports"
        return TransferWork(
            parts.database, parts.sites, parts.clock, parts.wall_time, parts.in_thread, folder,
            lambda: known.formats, lambda: known.exports, parts.config.own_url.rstrip("/"),
        )  # fmt: skip

    return Feature(
        name="transfers",
        routes=ROUTES,
        services={
            ImportList: lambda parts, site: ImportList(site, parts.database, known.formats),
            ExportList: lambda parts, site: ExportList(site, parts.database, known.exports),
        },
        shared={
            KnownFormats: lambda parts: known,
            DownloadLinks: lambda parts: DownloadLinks(parts.sites.secret, parts.wall_time),
            TransferWork: make_work,
        },
        starts=(TransferWork,),
        problems={
            **{f"{one}-many": 422 for one in ("imports", "exports")},
            **dict.fromkeys(("import-place", "import-state", "export-state"), 409),
        },
        jobs=(DROP_FILES,),
        counted=(
            Counted(table="import_run", word="imports"), Counted(table="export_run", word="exports"),
            Counted(table="import_item", word="imported things", kept=False),
            Counted(table="import_author", word="imported authors", kept=False),
            Counted(table="import_picture", word="pictures of imports that are still to be fetched", kept=False),
            Counted(table="transfer_piece", word="pieces of files", kept=False),
        ),
        sql="cackled.transfers",
    )
