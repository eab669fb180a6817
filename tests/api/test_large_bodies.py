"""Bodies above the usual cap: only of routes that take them, and of callers who show that they may."""

from __future__ import annotations

from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.products.product import Feature
from tests.api.common import ApiCase


async def count(call: Call) -> dict[str, Any]:
    """How many bytes came."""
    assert call.request.content is not None
    return {"bytes": len(call.request.content.read())}


FEATURE = Feature(
    name="heavy",
    routes=(
        Route(
            method="POST", path="/sites/{site}/heavy", name="sendHeavy", summary="Send much.", handler=count,
            takes="application/octet-stream", most=300_000, caller=Caller.SESSION, limit="", answer=dict[str, int],
        ),
        Route(
            method="POST", path="/sites/{site}/heavier", name="sendHeavier", summary="Send more.", handler=count,
            takes="application/octet-stream", most=300_000, caller=Caller.STAFF, role="owner", limit="",
            answer=dict[str, int],
        ),
    ),
)  # fmt: skip


class LargeBodyTests(ApiCase):
    """Over the real listener."""

    features = (*ApiCase.features, FEATURE)

    def described(self, method: str, path: str, answer: Any) -> None:
        """The API's description knows nothing of what is here alone."""

    async def test_visitors(self) -> None:
        """A visitor's token is verified from the head: what a stranger sends is not read."""
        auth = await self.visitor()
        whole = await self.ask("POST", "/api/v1/sites/1/heavy", b"x" * 300_000, authorization=auth)
        self.assertEqual((whole.status, whole.json()), (200, {"bytes": 300_000}))
        over = await self.ask("POST", "/api/v1/sites/1/heavy", b"x" * 300_001, authorization=auth)
        self.assertEqual((over.status, over.slug), (413, "content-too-large"))
        for authorization in (None, "Bearer x.y.z", await self.visitor(2)):
            answer = await self.ask("POST", "/api/v1/sites/1/heavy", b"x" * 100_000, authorization=authorization)
            self.assertEqual(answer.status, 401)
            self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        # A small one is refused as ever.
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/heavy", b"x")).slug, "no-token")

    async def test_chunked(self) -> None:
        """A body without a length may be large, too."""
        head = (
            "POST /api/v1/sites/1/heavy HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            "transfer-encoding: chunked\r\n"
        )
        chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n0\r\n\r\n"
        refused = await self.send(head.encode() + b"\r\n" + chunk)
        self.assertIn(b" 401 ", refused.partition(b"\r\n")[0])
        taken = await self.send(f"{head}authorization: {await self.visitor()}\r\n\r\n".encode() + chunk)
        self.assertIn(b" 200 ", taken.partition(b"\r\n")[0])

    async def test_staff(self) -> None:
        """Of staff at least a cookie or key is there."""
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/heavier", b"x" * 100_000)).status, 401)
        answer = await self.ask("POST", "/api/v1/sites/1/heavier", b"x" * 100_000, authorization="Bearer ck_none")
        self.assertEqual(answer.slug, "bad-key")

    async def test_others(self) -> None:
        """All other routes have the usual cap."""
        answer = await self.ask("POST", "/api/v1/sites/1/comments", b"x" * 100_000, authorization=await self.visitor())
        self.assertEqual(answer.status, 413)
