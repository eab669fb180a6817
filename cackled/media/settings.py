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

    pictures: Annotated[bool, Meta(description="whether visitors may add pictures")] = False
    max_bytes: Annotated[
        int, Meta(ge=10_000, le=MOST_BYTES, description="bytes that a picture may have as it is sent")
    ] = 10 * MIB
    hourly: Annotated[
        int, Meta(ge=1, le=1_000, description="how many pictures one visitor may add in an hour")
    ] = 20
    room: Annotated[
        int, Meta(ge=0, le=2**50, description="bytes that all files of the site may take")
    ] = 1024 * MIB

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"pictures": self.max_bytes} if self.pictures else {}
