"""The way of a browser through windows of ours and back: visitors who sign in, or connect an account."""

from __future__ import annotations

import re
from http.client import HTTPConnection
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from twisted.internet.threads import deferToThread

if TYPE_CHECKING:
    from tests.api.common import Answer, ApiCase

    Base = ApiCase
else:
    Base = object

VERIFIER = "v" * 43
# What addresses of ours have in their query that opens nothing.
_KNOWN = frozenset(("return", "challenge", "mode", "lang", "instance", "error", "iss"))


class Windows(Base):
    """A browser with one cookie, for an `ApiCase`. Nothing that it was sent with may be in the access log."""

    async def setUp(self) -> None:
        await super().setUp()
        self.cookie = ""
        self.host = f"127.0.0.1:{self.port}"
        self.lines = StringIO()
        self.infrastructure.http.access = self.lines
        self.secrets: set[str] = set()
        self.addCleanup(self._nothing_told)

    def _nothing_told(self) -> None:
        told = self.lines.getvalue()
        self.assertEqual([one for one in self.secrets if one in told], [])

    async def visit(
        self, path: str, body: dict[str, str] | None = None, cookie: str | None = None, **more: Any
    ) -> Answer:
        """What a browser gets of us at *path*, an address of ours; its cookies are kept."""
        path = path.removeprefix(f"http://{self.host}")
        given = parse_qsl(urlsplit(path).query)
        self.secrets |= {value for name, value in given if name not in _KNOWN and len(value) >= 16}
        sent = None if body is None else urlencode(body).encode()
        kind = {} if sent is None else {"content_type": "application/x-www-form-urlencoded",
                                        "origin": f"http://{self.host}"}  # fmt: skip
        answer = await self.ask(
            "GET" if sent is None else "POST", path, sent, host=self.host,
            cookie=(self.cookie if cookie is None else cookie) or None, **{**kind, **more},
        )  # fmt: skip
        kept = answer.headers.get("set-cookie", "")
        if kept and cookie is None:
            self.cookie = kept.partition(";")[0]
        return answer

    async def out(self, address: str) -> str:
        """Where the server at *address* sends the browser that comes to it."""

        def ask() -> tuple[int, str | None, bytes]:
            parts = urlsplit(address)
            there = HTTPConnection(parts.netloc, timeout=30)
            there.request("GET", f"{parts.path}?{parts.query}")
            answer = there.getresponse()
            found = answer.status, answer.getheader("location"), answer.read()
            there.close()
            return found

        status, location, body = await deferToThread(ask)
        assert status == 302 and location is not None, (status, body)
        return location

    def code_in(self, answer: Answer) -> str:
        """The code that the window's last page tells the page that opened it."""
        self.assertEqual(answer.status, 200, answer)
        found = re.search(r'data-code="([^"]+)"', answer.body.decode())
        assert found is not None, answer
        return found[1]
