"""Web push: encryption as in RFC 8291, statements as in RFC 8292, and delivery to a service that checks all of it."""

from __future__ import annotations

import json
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from cackled.domain.outbox import Retry, Work
from cackled.outbound.push import MOST, PushKeys, check_keys, encrypt
from cackled.products.comments.notices.delivery import Delivery
from cackled.products.comments.notices.links import NoticeLinks
from cackled.products.product import OutboxParts
from tests.products.comments.test_notices import NoticeCase

clock: Any = reactor


def decoded(text: str) -> bytes:
    """Base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> str:
    """The other way round."""
    return urlsafe_b64encode(data).decode().rstrip("=")


class Browser:
    """A browser that a push service tells: its keys, and how it reads a message (RFC 8291, section 3)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.auth = os.urandom(16)

    def json(self) -> dict[str, Any]:
        """``PushSubscription.toJSON()``."""
        return {"endpoint": self.endpoint, "keys": {"p256dh": encoded(self.public), "auth": encoded(self.auth)}}

    def read(self, body: bytes) -> Any:
        """The message; fails where it is not for this browser."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert length == 65 and size >= len(sealed) > 16 and len(body) <= 4096
        shared = self.private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))

        def hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
            return HKDF(hashes.SHA256(), length, salt, info).derive(secret)

        secret = hkdf(self.auth, shared, b"WebPush: info\0" + self.public + sender, 32)
        key, nonce = (hkdf(salt, secret, b"Content-Encoding: " + name + b"\0", length)
                      for name, length in ((b"aes128gcm", 16), (b"nonce", 12)))  # fmt: skip
        text = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert text.endswith(b"\2")
        return json.loads(text[:-1])


class PushService(Resource):
    """A push service that takes nothing that RFC 8030, 8188, 8291 and 8292 do not allow."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[str, bytes]] = []
        self.wrong: list[str] = []
        self.origin = ""
        self.key = ""
        self.status = 201

    def check(self, request: Any) -> None:
        """See that a message is right."""
        def header(name: str) -> str:
            return (request.getHeader(name) or b"").decode() if isinstance(
                request.getHeader(name), bytes) else request.getHeader(name) or ""  # fmt: skip

        scheme, _, rest = header("authorization").partition(" ")
        fields = dict(part.strip().split("=", 1) for part in rest.split(","))
        if scheme.lower() != "vapid" or set(fields) != {"t", "k"} or fields["k"] != self.key:
            self.wrong.append("Authorization")
            return
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(fields["k"]))
        claims = jwt.decode(fields["t"], point, algorithms=["ES256"], audience=self.origin)
        if not (time.time() < claims["exp"] <= time.time() + 24 * 3600 and claims["sub"].startswith("mailto:")):
            self.wrong.append("exp or sub")
        if header("content-encoding") != "aes128gcm" or not header("ttl").isdigit():
            self.wrong.append("Content-Encoding or TTL")
        if header("urgency") not in ("very-low", "low", "normal", "high") or len(header("topic")) > 32:
            self.wrong.append("Urgency or Topic")

    def render_POST(self, request: Any) -> bytes:
        """A message."""
        self.check(request)
        self.got.append((request.path.decode(), request.content.read()))
        request.setResponseCode(410 if b"gone" in request.path else self.status)
        return b""


class VectorTests(SynchronousTestCase):
    def test_example(self) -> None:
        """The example of RFC 8291, section 5 and appendix A."""
        private = ec.derive_private_key(
            int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
        )
        made = encrypt(
            b"When I grow up, I want to be a watermelon",
            decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
            decoded("BTBZMqHH6r4Tts7J_aSIgg"), salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"), private=private,
        )  # fmt: skip
        self.assertEqual(
            encoded(made),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
            "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
        )

    def test_keys(self) -> None:
        """Keys that are none are refused, and so is what is too long."""
        browser = Browser("https://push.example/x")
        check_keys(browser.public, browser.auth)
        for point, auth in ((b"", browser.auth), (browser.public, b"x"), (b"\4" + b"\1" * 64, browser.auth),
                            (browser.public[:33], browser.auth)):  # fmt: skip
            with self.assertRaises(ValueError):
                check_keys(point, auth)
        with self.assertRaises(ValueError):
            encrypt(b"x" * (MOST + 1), browser.public, browser.auth)


class PushTests(NoticeCase):
    toml = (
        '[limits]\nexempt = ["127.0.0.0/8"]\n'
        f'[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [80, 443, {", ".join(map(str, range(20000, 20050)))}]\n'
    )

    async def setUp(self) -> None:
        await super().setUp()
        self.application.outbox.stop()
        self.service = PushService()
        for port in range(20000, 20050):
            try:
                self.serving = clock.listenTCP(port, Site(self.service), interface="127.0.0.1")
                break
            except Exception:
                continue
        self.addCleanup(self.serving.stopListening)
        self.origin = self.service.origin = f"http://127.0.0.1:{self.serving.getHost().port}"
        self.keys = self.application.shared[PushKeys]
        self.service.key = await self.keys.public()
        self.delivery = Delivery(
            OutboxParts(
                sites=self.application.sites, database=self.application.database, send=None, sender="a@b.example",
                links=self.application.links, own_url="", http=self.application.http,
            ),
            self.application.shared[NoticeLinks], self.keys,
        )  # fmt: skip

    async def work(self) -> None:
        """Do what is in the outbox."""
        rows = self.sql(
            "update outbox set done_at = now() where done_at is null and kind = 'notice-push' "
            "returning id, site_id, kind, body, 1, 0::float8"
        )
        for row in rows:
            await self.delivery.push(Work(*row))

    async def test_told(self) -> None:
        """Every browser of a follower is told once, encrypted for it; one that is gone is forgotten."""
        await self.follow(self.ann)
        browsers = [Browser(f"{self.origin}/{name}") for name in ("one", "two", "gone")]
        for one in browsers:
            await self.call("PUT", "notices/push", self.ann, one.json(), 204)
            await self.call("PUT", "notices/push", self.ann, one.json(), 204)
        await self.post(self.bob, "canary", name="Bob <b>")
        await self.gather()
        await self.work()
        self.assertEqual(self.service.wrong, [])
        self.assertEqual(sorted(path for path, _ in self.service.got), ["/gone", "/one", "/two"])
        for path, body in self.service.got:
            browser = next(one for one in browsers if one.endpoint.endswith(path))
            told = browser.read(body)
            self.assertEqual((told["title"], told["tag"]), ("Bob <b> wrote: X", "cackled-1"))
            self.assertTrue(told["url"].startswith("https://one.example/x#mc-"))
            self.assertNotIn(b"canary", body)
        self.assertEqual(self.sql("select count(*) from push_browser"), [(2,)])
        self.service.got.clear()
        await self.gather()
        await self.work()
        self.assertEqual(self.service.got, [])
        await self.call("POST", "notices/push/gone", self.ann, {"endpoint": browsers[0].endpoint}, 204)
        await self.post(self.bob, "more")
        await self.gather()
        await self.work()
        self.assertEqual([path for path, _ in self.service.got], ["/two"])

    async def test_troubles(self) -> None:
        """A service that is late is asked again; what was deleted is not told; strange addresses are refused."""
        await self.follow(self.ann)
        browser = Browser(f"{self.origin}/one")
        await self.call("PUT", "notices/push", self.ann, browser.json(), 204)
        made = await self.post(self.bob, "one")
        await self.gather()
        self.service.status = 429
        with self.assertRaises(Retry):
            await self.work()
        self.service.status = 201
        self.sql("update outbox set done_at = null where kind = 'notice-push'")
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{made['comment']['id']}", authorization=self.bob)
        self.service.got.clear()
        await self.work()
        self.assertEqual(self.service.got, [])
        for change in ({"endpoint": "http://10.0.0.1/x"}, {"endpoint": "ftp://push.example/"},
                       {"endpoint": "https://push.example:6379/"}, {"endpoint": "https://a:b@push.example/"},
                       {"keys": {"p256dh": "AAAA", "auth": "AAAA"}},
                       {"keys": {"p256dh": "?", "auth": ""}}):  # fmt: skip
            await self.call("PUT", "notices/push", self.ann, browser.json() | change, 400)
        for number in range(12):
            sent = browser.json() | {"endpoint": f"{self.origin}/{number}"}
            got = await self.ask("PUT", "/api/v1/sites/1/notices/push", sent, authorization=self.ann)
        self.assertEqual(got.status, 409, "not without end")
        script = await self.ask("GET", "/notices/push.js")
        self.assertEqual((script.status, script.headers["content-type"]), (200, "text/javascript; charset=utf-8"))
