"""Shapes of calls about pictures."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.media.service import MOST_ALT, Medium


class MediaQuery(Struct, frozen=True, kw_only=True):
    """What comes with a picture."""

    alt: Annotated[str, Meta(max_length=MOST_ALT)] = ""


class AltBody(Struct, frozen=True, kw_only=True):
    """What is to be seen on a picture."""

    alt: Annotated[str, Meta(max_length=MOST_ALT)]


class FileAnswer(Struct, frozen=True):
    """A file of a picture; ``src`` is its address on this server, ``type`` its media type."""

    src: str
    type: str
    width: int
    height: int


class MediaAnswer(Struct, frozen=True):
    """A picture. Width and height are known before a byte of it is there, and ``color`` stands in its place.

    ``frames``: more than one, it moves; then the file ``still.webp`` does not.
    """

    id: str
    width: int
    height: int
    frames: int
    color: str
    alt: str
    files: list[FileAnswer]


class UsageAnswer(Struct, frozen=True):
    """What the pictures of a site take: how many, bytes, and how many bytes they may."""

    pictures: int
    bytes: int
    room: int


def shown(site: int, medium: Medium) -> MediaAnswer:
    """*medium* as it is shown."""
    base = f"/media/{site}-{medium.id}"
    files = [FileAnswer(f"{base}/{one.name}", one.type, one.width, one.height) for one in medium.files]
    return MediaAnswer(
        f"{site}-{medium.id}", medium.width, medium.height, medium.frames, medium.color, medium.alt, files
    )
