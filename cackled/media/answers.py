"""Shapes of calls about pictures."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.domain.signed_media import DRAFT_LIFETIME, SignedMedia
from cackled.media.service import MOST_ALT, Medium


class MediaQuery(Struct, frozen=True, kw_only=True):
    """Parameters of an upload."""

    alt: Annotated[str, Meta(max_length=MOST_ALT)] = ""


class AltBody(Struct, frozen=True, kw_only=True):
    """The alternative text of a picture."""

    alt: Annotated[str, Meta(max_length=MOST_ALT)]


class FileAnswer(Struct, frozen=True):
    """A file of a picture; ``src`` is its address on this server, ``type`` its media type.

    Until the picture is shown with something only this address leads to it, for a day.
    """

    src: str
    type: str
    width: int
    height: int


class MediaAnswer(Struct, frozen=True):
    """A picture.

    ``width``, ``height`` and the placeholder ``color`` are known before it is loaded. ``frames`` over 1: it is
    animated, and has the file ``still.webp``.
    """

    id: str
    width: int
    height: int
    frames: int
    color: str
    alt: str
    files: list[FileAnswer]


class StaffPicture(Struct, frozen=True):
    """A picture that staff added. ``url`` answers once something shows it, ``preview`` for a day from now on."""

    id: str
    url: str
    preview: str
    alt: str
    width: int
    height: int
    color: str


class UsageAnswer(Struct, frozen=True):
    """Storage used by the site's media: number, bytes, and the quota in bytes."""

    pictures: int
    bytes: int
    room: int


def shown(site: int, medium: Medium, signer: SignedMedia) -> MediaAnswer:
    """*medium* as who added it sees it."""
    base = f"/media/{site}-{medium.id}"
    files = [
        FileAnswer(signer.address(f"{base}/{one.name}", DRAFT_LIFETIME), one.type, one.width, one.height)
        for one in medium.files
    ]
    return MediaAnswer(
        f"{site}-{medium.id}", medium.width, medium.height, medium.frames, medium.color, medium.alt, files
    )
