"""Our own pages over https, and the answers by which a certificate is had.

May touch: twisted.web, transport. What other sites embed is never redirected: their pages may be plain themselves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.web.resource import IResource, Resource

from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

# What ACME names its files by (RFC 8555 section 8.3: base64url); key authorisations are about 90 bytes.
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,128}")
_LARGEST = 4096


class OwnPages(Resource):
    """*pages*, over https where that is wanted.

    A request without TLS on a listener that redirects gets 308 to the same address with https; an answer over TLS
    carries Strict-Transport-Security for *hsts* seconds (0: none; RFC 6797).
    """

    def __init__(self, pages: IResource, hsts: int = 0) -> None:
        super().__init__()
        self._pages: Any = pages
        self._hsts = hsts
        self.isLeaf = bool(self._pages.isLeaf)

    def getChildWithDefault(self, path: bytes, request: Any) -> IResource:
        """The child, with the same done to it."""
        if self._pages.isLeaf:
            return self
        return OwnPages(self._pages.getChildWithDefault(path, request), self._hsts)

    def render(self, request: Any) -> Any:
        """The page, or where it is."""
        if not request.isSecure():
            if _redirects(request):
                target = b"https://" + request.public_host + request.uri
                return Response(308, [(b"Location", target), (b"Cache-Control", b"no-store")])
        elif self._hsts:
            request.responseHeaders.setRawHeaders(b"Strict-Transport-Security", [b"max-age=%d" % self._hsts])
        return self._pages.render(request)


def _redirects(request: Any) -> bool:
    transport = getattr(request.channel, "transport", None)
    return bool(getattr(getattr(transport, "listener", None), "redirect", False))


class AcmeChallenges(Resource):
    """The files of *folder* as answers to ACME's http-01 challenge; a certificate client puts them there (webroot).

    *in_thread* runs a function elsewhere and gives an awaitable of its result: a disk may be slow.
    """

    def __init__(self, folder: str | Path, in_thread: Callable[..., Awaitable[Any]]) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._in_thread = in_thread

    def getChild(self, path: bytes, request: Any) -> IResource:
        """One challenge."""

        async def answer(request: Any) -> Response:
            if request.postpath or not _TOKEN.fullmatch(path):
                return problem(404, "not-found", "Not Found")
            body = await self._in_thread(self._read, path.decode("ascii"))
            if body is None:
                return problem(404, "not-found", "Not Found")
            return Response(200, [(b"Content-Type", b"text/plain"), (b"Cache-Control", b"no-store")], body)

        return AsyncResource(answer, (b"GET",))

    def _read(self, name: str) -> bytes | None:
        # Both places that certificate clients know: the folder itself, and what they make below a webroot.
        for path in (self._folder / name, self._folder / ".well-known" / "acme-challenge" / name):
            try:
                with path.open("rb") as file:
                    return file.read(_LARGEST)
            except OSError:
                continue
        return None


def well_known(acme: IResource) -> Resource:
    """``/.well-known`` with *acme* in it."""
    folder = Resource()
    folder.putChild(b"acme-challenge", acme)
    return folder
