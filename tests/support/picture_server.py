"""A server of pictures that imports name, friendly or not; see `tests.products.comments.importing`."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request


class PictureServer(Resource):
    """``pages``: what is at a path (status, body). ``asked`` counts by path; ``most``: so many at the same time."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.ways: dict[str, str] = {}
        self.endless: set[str] = set()
        self.silent: set[str] = set()
        self.now = self.most = 0

    def render_GET(self, request: Request) -> bytes | int:
        """What is at a path; after a moment, so that requests at the same time are seen."""
        path = request.path.decode()
        self.asked[path] = self.asked.get(path, 0) + 1
        self.now += 1
        self.most = max(self.most, self.now)
        request.notifyFinish().addBoth(self._over)
        if path in self.silent:
            return NOT_DONE_YET
        if path in self.endless:
            self._go_on(request)
            return NOT_DONE_YET
        reactor.callLater(0.01, self._answer, request, path)  # type: ignore[attr-defined]
        return NOT_DONE_YET

    def _over(self, _: object) -> None:
        self.now -= 1

    def _answer(self, request: Request, path: str) -> None:
        status, body = self.pages.get(path, (404, b""))
        if path in self.ways:
            status, body = 302, b""
            request.setHeader(b"location", self.ways[path].encode())
        request.setResponseCode(status)
        if not request._disconnected:
            request.write(body)
            request.finish()

    def _go_on(self, request: Request) -> None:
        if not request._disconnected:
            request.write(b"\xff\xd8\xff\xe0" + b"x" * 65_536)
            reactor.callLater(0.001, self._go_on, request)  # type: ignore[attr-defined]
