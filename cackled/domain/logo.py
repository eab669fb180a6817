"""The logo of a site: a picture that its owners uploaded, as the site's setting names it.

The setting has the address of a file of the picture and its size in points, so that a page keeps its place before a
byte of it is there: ``/media/17-ID/400.webp#400x120``.
"""

from __future__ import annotations

import re
from html import escape

from msgspec import Struct

PATTERN = r"^(/media/[1-9][0-9]{0,8}-[A-Za-z0-9_-]{22}/[0-9]{1,5}\.webp#[0-9]{1,5}x[0-9]{1,5})?$"
_PARTS = re.compile(r"(/media/([0-9]+-[A-Za-z0-9_-]{22})/)([0-9]+\.webp)#([0-9]+)x([0-9]+)", re.ASCII)
# Points of its height in pages and letters; it is never wider than this.
HEIGHT, WIDTH = 40, 240


class Logo(Struct, frozen=True):
    """A logo: the id of its picture, the address of its file and of one that programs for mail know, and its size as it
    is shown, in points of CSS."""

    id: str
    url: str
    mail_url: str
    width: int
    height: int

    def html(self, name: str, base: str = "", *, mail: bool = False) -> str:
        """The logo as an image named after the site, *name*; its address begins with *base*. *mail*: for a letter."""
        address = escape(base + (self.mail_url if mail else self.url))
        style = ' style="display:block;border:0"' if mail else ' class="mc-logo"'
        return f'<img{style} src="{address}" alt="{escape(name)}" width="{self.width}" height="{self.height}">'


def setting_of(url: str, width: int, height: int) -> str:
    """The text of the setting for a file at *url* of so many points."""
    return f"{url}#{width}x{height}"


def logo_of(setting: str) -> Logo | None:
    """The logo that a setting names; None where it names none."""
    match = _PARTS.fullmatch(setting)
    if match is None:
        return None
    folder, number, name, width, height = match[1], match[2], match[3], int(match[4]), int(match[5])
    if not width or not height:
        return None
    share = min(HEIGHT / height, WIDTH / width, 1.0)
    return Logo(
        number, folder + name, f"{folder}mail.jpg", max(1, round(width * share)), max(1, round(height * share))
    )
