"""What a site's owner may choose about pictures."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cackled.config_base import MIB
from cackled.domain.settings import ProductSettings

# Of one file, whatever a site chooses.
MOST_BYTES = 20 * MIB


class MediaSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of pictures."""

    pictures: Annotated[
        bool,
        Meta(
            title="Pictures by visitors",
            description="Allow visitors to upload pictures.",
        ),
    ] = False
    files: Annotated[
        bool,
        Meta(
            title="Files in chat",
            description="Let visitors and operators send PDF and plain text files in chat.",
        ),
    ] = False
    max_bytes: Annotated[
        int,
        Meta(
            title="Largest upload",
            ge=10_000, le=MOST_BYTES, description="Largest upload, in bytes.",
        ),
    ] = 10 * MIB
    hourly: Annotated[
        int,
        Meta(
            title="Uploads per hour",
            ge=1, le=1_000, description="Uploads per visitor and hour.",
        ),
    ] = 20
    room: Annotated[
        int,
        Meta(
            title="Storage quota",
            ge=0, le=2**50, description="Storage quota of the site, in bytes.",
        ),
    ] = 1024 * MIB

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        made = {"pictures": self.max_bytes} if self.pictures else {}
        return made | ({"files": self.max_bytes} if self.files else {})
