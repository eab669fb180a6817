"""Our own pages over https, and the answers to ACME challenges for certificates.

Resources that other sites embed are never redirected, because those sites may use plain http themselves.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
    carries Strict-Transport-Security for *hsts* seconds (0: none; RFC 6797). *ours* says which names (lower case, no
    port) a visitor may be sent to: whatever else a request calls us gets 421.
    """

    takes_rest = True

    def __init__(
        self, pages: IResource, hsts: int = 0, ours: Callable[[Any, bytes], bool] = lambda request, host: True
    ) -> None:
        super().__init__()
        self._pages: Any = pages
        self._hsts = hsts
        self._ours = ours
        self.isLeaf = bool(self._pages.isLeaf)

    def getChildWithDefault(self, path: bytes, request: Any) -> IResource:
        """The child, with the same done to it."""
        if self._pages.isLeaf:
            return self
        return OwnPages(self._pages.getChildWithDefault(path, request), self._hsts, self._ours)

    def render(self, request: Any) -> Any:
        """The page, or where it is."""
        if not request.isSecure():
            if _redirects(request):
                if not self._ours(request, request.public_host):
                    return problem(421, "unknown-host", "", "This server does not answer to that name.")
                target = b"https://" + request.public_host + request.uri
                return Response(308, [(b"Location", target), (b"Cache-Control", b"no-store")])
        elif self._hsts:
            request.responseHeaders.setRawHeaders(b"Strict-Transport-Security", [b"max-age=%d" % self._hsts])
        return self._pages.render(request)


class OwnNames:
    """Which names are ours, for `OwnPages`: those of *urls*, of ``[http] hosts``, of the certificates that our
    listeners have, and, where somebody asks for it by that, the address itself.
    """

    def __init__(self, urls: Iterable[str] = ()) -> None:
        self._named = frozenset(name.encode("ascii", "replace") for name in map(_host_of, urls) if name)

    def __call__(self, request: Any, host: bytes) -> bool:
        """Whether *host*, as *request* names it, is ours."""
        factory = request.site
        if host in self._named or host in factory.hosts:
            return True
        name = host.decode("ascii", "replace")
        if any(folder.knows(name) for folder in factory.certificates):
            return True
        local = str(getattr(request.getHost(), "host", ""))
        return name.strip("[]") == local or (name == "localhost" and local in ("127.0.0.1", "::1"))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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
        for way in ((name,), (".well-known", "acme-challenge", name)):
            body = _read_below(self._folder, way)
            if body is not None:
                return body
        return None


def _read_below(folder: Path, way: tuple[str, ...]) -> bytes | None:
    """A regular file's first bytes; None where a step from *folder* is missing or a link, which may lead anywhere."""
    opened: list[int] = []
    try:
        opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for step in way[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            opened.append(os.open(step, flags, dir_fd=opened[-1]))
        # A pipe would be waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened.append(os.open(way[-1], flags, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            return None
        return os.read(opened[-1], _LARGEST)
    except OSError:
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def well_known(acme: IResource) -> Resource:
    """``/.well-known`` with *acme* in it."""
    folder = Resource()
    folder.putChild(b"acme-challenge", acme)
    return folder
