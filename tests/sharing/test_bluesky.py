"""Comments are shared with Bluesky, against a strict server of its network."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.outbound.post import Answer as HttpAnswer
from cackled.sharing.atproto import Directory
from cackled.sharing.bluesky import record_key
from cackled.sharing.network import Asking, ShareFailed
from tests.sharing.common import ACCOUNTS, SharingCase
from tests.support.bluesky import DID, HANDLE, LocalBluesky


class BlueskyTests(SharingCase):
    """The handle's DID is in a TXT record."""

    async def setUp(self) -> None:
        self.there = LocalBluesky()
        self.addCleanup(self.there.close)
        self.ports = (self.there.port,)
        self.settings = {"sharing.bluesky": True}
        await super().setUp()
        self.records: dict[str, Any] = {f"_atproto.{HANDLE}": [f"did={DID}"]}
        directory = self.sharing.networks["bluesky"].directory  # type: ignore[attr-defined]
        directory.plc, directory.plain, directory._text_records = self.there.url, True, self.look_up

    def tearDown(self) -> None:
        self.assertEqual(self.there.wrong, [])

    async def look_up(self, name: str) -> list[str]:
        """TXT records."""
        if name not in self.records:
            raise OSError("there is no such name")
        found: list[str] = self.records[name]
        return found

    async def test_share(self) -> None:
        """Connected by its handle, posted once with its link, known by its handle; given back in the end."""
        told = await self.connect("bluesky", instance=f"@{HANDLE.upper()}")
        self.assertEqual([one["name"] for one in told["accounts"]], [f"@{HANDLE}"])
        self.assertEqual(told["networks"], [{"name": "bluesky", "asks": True}])
        for text in ("hello", "long " * 300, "\u4e2d\u6587" * 400,
                     "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200):  # fmt: skip
            item = await self.write(text)
            await self.share(item, "bluesky")
            self.assertEqual(await self.work(), [])
            state, _, url = (await self.shared(item))[0]
            self.assertEqual((state, url.startswith(f"https://bsky.app/profile/{DID}/post/")), ("sent", True), text[:9])
        self.assertEqual(len(self.there.records), 4)
        self.assertEqual((await self.call("DELETE", f"{ACCOUNTS}/bluesky")).status, 204)
        await self.work()
        self.assertEqual((self.there.revoked, self.there.access), (1, {}))

    async def test_server(self) -> None:
        """Where the site takes accounts of one server, nobody is asked for a handle."""
        await self.application.sites.change(1, "sharing.bluesky_server", self.there.url)
        told = await self.connect("bluesky")
        self.assertEqual(told["networks"], [{"name": "bluesky", "asks": False}])
        self.assertEqual(told["accounts"][0]["name"], f"@{HANDLE}")

    async def test_again(self) -> None:
        """What was taken without an answer is there once; a token that ran out is renewed; the nonce may change."""
        await self.connect("bluesky", instance=HANDLE)
        item = await self.write()
        await self.share(item, "bluesky")
        self.there.lost = 1
        self.assertEqual(len(await self.work()), 1)
        self.assertEqual(await self.work(), [])
        self.assertEqual(len(self.there.records), 1)
        self.assertEqual((await self.shared(item))[0][0], "sent")
        self.there.access.clear()
        self.there.nonce = "another-nonce"
        item = await self.write("the next")
        await self.share(item, "bluesky")
        self.assertEqual(await self.work(), [])
        self.assertEqual((await self.shared(item))[0][0], "sent")
        for status, reason in ((400, "refused"), (403, "lost")):
            item = await self.write(f"answered {status}")
            self.there.answers = [status]
            await self.share(item, "bluesky")
            self.assertEqual(await self.work(), [])
            self.assertEqual(await self.shared(item), [("failed", reason, "")])

    async def test_not_theirs(self) -> None:
        """A handle that its DID does not name, another authority, and a token of somebody else are refused."""
        self.records["_atproto.eve.test"] = [f"did={DID}"]
        self.records["_atproto.odd.test"] = ["did=did:web:127.0.0.1/../x"]
        for name in ("eve.test", "odd.test", "x", "127.0.0.1", "a b.test", "https://ann.test"):
            answer = await self.visit(self.start("bluesky", instance=name))
            self.assertEqual(answer.status, 200, name)
            self.assertIn('role="alert"', answer.body.decode())
        self.there.issuer = "http://127.0.0.1:1"
        self.assertEqual((await self.visit(self.start("bluesky", instance=HANDLE))).status, 502)
        self.there.issuer = self.there.url
        self.there.subject = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"
        first = await self.visit(self.start("bluesky", instance=HANDLE))
        self.assertEqual((await self.visit(await self.out(first.headers["location"]))).status, 502)
        self.there.subject = DID
        first = await self.visit(self.start("bluesky", instance=HANDLE))
        back = (await self.out(first.headers["location"])).replace("iss=http", "iss=other")
        self.assertEqual((await self.visit(back)).status, 502)

    async def test_document(self) -> None:
        """The client's document is at its address alone, where the site offers Bluesky, and has no private key."""
        answer = await self.visit("/share/1/bluesky/client-metadata.json")
        key, = answer.json()["jwks"]["keys"]  # fmt: skip
        self.assertEqual(sorted(key), ["alg", "crv", "kid", "kty", "use", "x", "y"])
        for path in ("/share/2/bluesky/client-metadata.json", "/share/1/mastodon/client-metadata.json"):
            self.assertEqual((await self.visit(path)).status, 404)


class KeyTests(SynchronousTestCase):
    """Keys of posts (TID)."""

    def test_key(self) -> None:
        """13 digits that sort by time, the same for the same, others for others."""
        self.assertEqual(record_key(0.0, "a")[:9], "2" * 9)
        keys = [record_key(1_700_000_000.0 + n / 1000, "a") for n in range(50)]
        self.assertEqual((sorted(keys), len(set(keys)), {len(one) for one in keys}), (keys, 50, {13}))
        self.assertNotEqual(record_key(5.0, "a"), record_key(5.0, "b"))


class _Pages:
    """Answers by address."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self.pages = pages

    async def ask(self, method: bytes, url: str, headers: Any, body: bytes = b"", *, most: int = 0) -> HttpAnswer:
        if url not in self.pages:
            raise OSError("nobody there")
        return HttpAnswer(200, {}, self.pages[url])


class DirectoryTests(TestCase):
    """Who is who."""

    async def test_without_records(self) -> None:
        """A handle's DID may also stand on its server; a DID may be one of the web; servers have TLS."""
        did = b'{"id":"did:web:ann.test","alsoKnownAs":["at://ann.test"],"service":[{"id":"#atproto_pds",%s}]}'
        pages = _Pages({"https://ann.test/.well-known/atproto-did": b"did:web:ann.test\n"})

        async def none(name: str) -> list[str]:
            raise OSError("there is no such name")

        directory = Directory(Asking(pages), none)
        place = "https://ann.test/.well-known/did.json"
        for service, good in (
            (b'"serviceEndpoint":"https://pds.test"', True), (b'"serviceEndpoint":"http://pds.test"', False),
            (b'"serviceEndpoint":"https://pds.test/x"', False), (b'"serviceEndpoint":"https://a@pds.test"', False),
            (b'"serviceEndpoint":7', False), (b'"x":1', False),
        ):  # fmt: skip
            pages.pages[place] = did % service
            try:
                found = (await directory.by_handle("ann.test")).server
            except ShareFailed as error:
                found = error.reason
            self.assertEqual(found, "https://pds.test" if good else "instance", service)
