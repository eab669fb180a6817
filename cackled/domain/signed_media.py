"""Addresses of pictures that not everybody may see: they hold a signature that opens one picture for some time.

``/media/17-ID/800.webp`` becomes ``/media/17-ID/UNTIL-MAC/800.webp``: the time in hexadecimal seconds, and 128 bits
that only a node can make. What may be seen by everybody needs none; of a closed site nothing may.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

from cackled.domain.locks import locks_of
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site

# Seconds that an address works at least; at most twice as long, so that it stays the same for a while.
LIFETIME = 3_600
# For who uploaded a picture and has not sent it: it is removed after a day.
DRAFT_LIFETIME = 86_400
# Of a file, which is asked for when somebody wants it.
FILE_LIFETIME = 300
SIGN = re.compile(r"([0-9a-f]{8})-([A-Za-z0-9_-]{22})", re.ASCII)
_PLACE = re.compile(r"/media/([0-9]{1,9}-[A-Za-z0-9_-]{22})/([\w.-]{1,100})", re.ASCII)
# As `sign_media` of the database marks them: no encoder of JSON writes a tab there, so that nothing that anybody typed
# looks like it.
_MARKED = re.compile(rb'"url":\t"(/media/[\w./-]+)"', re.ASCII)

# Of any picture, as a whole string: in JSON, in HTML, or in HTML that is in JSON or XML.
_ANY = re.compile(rb'/media/([0-9]{1,9})-([A-Za-z0-9_-]{22})/([\w.-]{1,100})(?=\\?["\']|&quot;|<)', re.ASCII)


def hides_pictures(settings: SiteSettings) -> bool:
    """Whether no picture of a site is for everybody: the site is private, or who reads some of it has to be known."""
    return settings.private or not locks_of(settings).rule(None, "read").open


class SignedMedia:
    """Makes and checks signed addresses; nothing can be signed before `use` was called."""

    def __init__(self, wall_time: Callable[[], float]) -> None:
        self._wall_time = wall_time
        self._key = b""

    def use(self, secret: bytes) -> None:
        """Sign with a key made from *secret*, which all nodes share."""
        self._key = blake2b(secret, person=b"cackled.media").digest()

    def address(self, plain: str, seconds: int = LIFETIME) -> str:
        """*plain* (``/media/17-ID/NAME``) with a signature that holds *seconds* at least; what is no such stays."""
        match = _PLACE.fullmatch(plain)
        if match is None:
            return plain
        until = f"{(int(self._wall_time()) // seconds + 2) * seconds:08x}"
        return f"/media/{match[1]}/{until}-{self._mac(match[1], until)}/{match[2]}"

    def file(self, number: str, seconds: int = FILE_LIFETIME) -> str:
        """The address of a file that is no picture (``17-ID``), which holds *seconds* at least."""
        until = f"{(int(self._wall_time()) // seconds + 2) * seconds:08x}"
        return f"/files/{number}/{until}-{self._mac(number, until)}"

    def in_json(self, text: bytes) -> bytes:
        """*text* with those addresses signed that the database marked."""
        if b'"url":\t' not in text:
            return text
        return _MARKED.sub(lambda found: b'"url":"%s"' % self.address(found[1].decode("ascii")).encode("ascii"), text)

    def in_site(self, text: bytes, site: Site) -> bytes:
        """*text* for a reader of *site*: what the database marked is signed, and everything where the site is closed.

        Whoever writes an address of a picture into a text gets it signed too: nobody knows one who did not see it.
        """
        text = self.in_json(text)
        if b"/media/" not in text or not self._key or not hides_pictures(site.settings):
            return text
        own = b"%d" % site.id

        def signed(found: re.Match[bytes]) -> bytes:
            return found[0] if found[1] != own else self.address(found[0].decode("ascii")).encode("ascii")

        return _ANY.sub(signed, text)

    def opens(self, picture: str, sign: str) -> int:
        """For how many seconds more *sign* opens *picture* (``17-ID``); 0: it does not."""
        match = SIGN.fullmatch(sign)
        if match is None or not compare_digest(match[2], self._mac(picture, match[1])):
            return 0
        return max(0, int(match[1], 16) - int(self._wall_time()))

    def _mac(self, picture: str, until: str) -> str:
        assert self._key, "no key yet"
        mac = blake2b(f"{picture} {until}".encode(), key=self._key, digest_size=16).digest()
        return urlsafe_b64encode(mac).decode("ascii").rstrip("=")
