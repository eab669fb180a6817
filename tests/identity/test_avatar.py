"""Pictures of people: fetched by us, made anew, kept; whatever else is behind an address is no picture."""

from __future__ import annotations

import struct
import threading
import zlib
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

from cackled.media import image_workers
from cackled.outbound.post import Answer as Fetched
from cackled.outbound.post import GuardedHttp
from tests.identity.common import IdentityCase


def picture(kind: str = "PNG", size: tuple[int, int] = (300, 200), **more: Any) -> bytes:
    """A red picture."""
    made = BytesIO()
    Image.new("RGB", size, "red").save(made, kind, **more)
    return made.getvalue()


def bomb() -> bytes:
    """A small PNG of 60,000 x 60,000 points."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0" * 1000)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


FILES = {
    "/a.png": picture(), "/a.jpg": picture("JPEG", comment=b"secret words"), "/a.gif": picture("GIF"),
    "/bomb.png": bomb(), "/a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "/page": b"<html>", "/cut.png": picture()[:100], "/large.png": b"x" * 2_000_000,
}  # fmt: skip


class AvatarTests(IdentityCase):
    """Over the real resource, from a server on this machine."""

    toml = IdentityCase.toml + '[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [{}]\n'

    async def setUp(self) -> None:
        self.asked: list[str] = []
        case = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                case.asked.append(self.path)
                body = FILES.get(self.path.partition("?")[0])
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{port}"
        self.toml = self.toml.replace("{}", str(port))
        await super().setUp()
        self.mine = await self.signed_in()

    def show(self, source: str) -> None:
        """The person's picture is at this address from now on."""
        self.sql("update person set avatar = %s", source)

    async def test_pictures(self) -> None:
        """Whatever kind it is, it comes as a small square without what else was in it; it is fetched once."""
        address = f"/avatar/1/{self.mine['visitor']}"
        self.assertEqual((await self.ask("GET", address)).status, 404)
        for name in ("/a.png", "/a.jpg", "/a.gif"):
            self.show(self.base + name)
            for _ in range(2):
                answer = await self.ask("GET", address)
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "image/webp"), name)
            with Image.open(BytesIO(answer.body)) as image:
                self.assertEqual(image.size, (160, 160))
            self.assertNotIn(b"secret", answer.body)
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            same = await self.ask("GET", address, if_none_match=answer.headers["etag"])
            self.assertEqual((same.status, same.body), (304, b""))
        self.assertEqual(self.asked, ["/a.png", "/a.jpg", "/a.gif"])

    async def test_no_pictures(self) -> None:
        """What is none, is too large, or is where we don't ask, is 404, and is not asked for again at once."""
        address = f"/avatar/1/{self.mine['visitor']}"
        for name in ("/bomb.png", "/a.svg", "/page", "/cut.png", "/large.png", "/none.png"):
            self.show(self.base + name)
            for _ in range(2):
                self.assertEqual((await self.ask("GET", address)).status, 404, name)
        self.assertEqual(len(self.asked), 6)
        for source in ("http://10.0.0.1/x.png", "http://localhost/x", "https://[::1]/x", "ftp://x.example/"):
            self.show(source)
            self.assertEqual((await self.ask("GET", address)).status, 404, source)

    async def test_others(self) -> None:
        """A person of another site has none here; nonsense is no address."""
        self.show(f"{self.base}/a.png")
        for path in (f"/avatar/2/{self.mine['visitor']}", "/avatar/1/5", "/avatar/1", "/avatar", "/avatar/x/5",
                     f"/avatar/1/{2**63}", "/avatar/9/5", "/avatar/1/5/6", "/avatar/1/%00"):  # fmt: skip
            self.assertEqual((await self.ask("GET", path)).status, 404, path)
        self.assertEqual(self.asked, [])

    async def test_by_mail(self) -> None:
        """Gravatar is asked only while the person wants it; taking the consent back removes the picture at once."""
        asked: list[str] = []

        async def ask(http: Any, method: bytes, url: str, headers: Any, body: bytes = b"", *, most: int = 0) -> Fetched:
            asked.append(url)
            return Fetched(200, {}, FILES["/a.png"])

        self.patch(GuardedHttp, "ask", ask)
        self.sql("update person set email = ' Ann@X.example', email_verified = true")
        address = f"/avatar/1/{self.mine['visitor']}"
        auth = f"Bearer {self.mine['token']}"
        digest = sha256(b"ann@x.example").hexdigest()
        await self.post(auth)

        async def shown(wanted: str | None) -> None:
            """The comment's author gets this picture, and nobody is told the hash."""
            for (body,) in self.sql("delete from outbox where kind = 'people' returning body"):
                work = msgspec.json.decode(body, type=dict[str, int], strict=False)
                await self.application.following.follow(1, work["visitor"], work["from"])
            page = await self.bootstrap()
            self.assertNotIn(digest, page.body.decode())
            self.assertEqual(page.json()["page"]["comments"][0]["author"]["avatar"], wanted)

        async def choose(wanted: bool) -> Any:
            answer = await self.ask("PATCH", "/api/v1/sites/1/me", {"gravatar": wanted}, origin="https://one.example",
                                    authorization=auth)  # fmt: skip
            self.assertNotIn(digest, answer.raw.decode())
            return answer.json()

        # Nobody was asked whether they want it: nothing is fetched, nothing is shown.
        await shown(None)
        self.assertEqual((await self.ask("GET", address)).status, 404)
        self.assertEqual(asked, [])

        self.assertEqual((await choose(True))["avatar"], address)
        await shown(address)
        self.assertEqual(asked, [], "fetched only for somebody who looks")
        answer = await self.ask("GET", address)
        self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "no-cache"))
        same = await self.ask("GET", address, if_none_match=answer.headers["etag"])
        self.assertEqual(same.status, 304)
        self.assertEqual(asked, [f"https://gravatar.com/avatar/{digest}?d=404&s=160"])

        # Whoever kept the picture has to ask again, and gets none.
        self.assertIsNone((await choose(False))["avatar"])
        gone = await self.ask("GET", address, if_none_match=answer.headers["etag"])
        self.assertEqual(gone.status, 404)
        await shown(None)
        self.assertEqual(len(asked), 1)

        # An address that nobody confirmed, and a site that asks no service.
        await choose(True)
        self.sql("update person set email_verified = false")
        self.assertEqual((await self.ask("GET", address)).status, 404)
        self.sql("update person set email_verified = true")
        await self.application.sites.change(1, "identity.gravatar_url", "")
        self.assertEqual((await self.ask("GET", address)).status, 404)
        self.assertEqual(len(asked), 1)

    async def test_many_wait(self) -> None:
        """While many pictures wait to be decoded it is said when to ask again, and nothing is remembered of it."""
        address = f"/avatar/1/{self.mine['visitor']}"
        self.show(f"{self.base}/a.png")
        self.patch(image_workers, "MOST_WAITING", 0)
        answer = await self.ask("GET", address)
        self.assertEqual((answer.status, answer.headers["retry-after"]), (429, "10"))
        self.patch(image_workers, "MOST_WAITING", 50)
        self.assertEqual((await self.ask("GET", address)).status, 200)
