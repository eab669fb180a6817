"""Comments are shared with X and VK, against strict servers of both."""

from __future__ import annotations

from tests.sharing.common import ACCOUNTS, SharingCase
from tests.support.vk_server import LocalVk
from tests.support.x_server import LocalX


class XTests(SharingCase):
    """X."""

    async def setUp(self) -> None:
        self.x = LocalX()
        self.addCleanup(self.x.close)
        self.ports = (self.x.port,)
        self.settings = {"sharing.x_client": "site-client", "sharing.x_secret": self.x.secret}
        await super().setUp()
        network = self.sharing.networks["x"]
        network.own = network.api = self.x.url  # type: ignore[attr-defined]
        self.x.redirect = f"http://{self.host}/share/1/x/callback"

    def tearDown(self) -> None:
        self.assertEqual(self.x.wrong, [])

    async def test_share(self) -> None:
        """Connected, posted within 280 as X counts, known by its name; given back in the end."""
        told = await self.connect("x")
        self.assertEqual([one["name"] for one in told["accounts"]], ["@ann_x"])
        for text in ("hello", "long " * 200, "\u4e2d\u6587" * 300, "see example.com and a.b.c " * 40,
                     "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200):  # fmt: skip
            item = await self.write(text)
            await self.share(item, "x")
            self.assertEqual(await self.work(), [])
            state, _, url = (await self.shared(item))[0]
            self.assertEqual((state, url.startswith(f"{self.x.url}/i/web/status/1700")), ("sent", True), text[:10])
        self.assertEqual((await self.call("DELETE", f"{ACCOUNTS}/x")).status, 204)
        await self.work()
        self.assertEqual((self.x.refresh, self.x.access), (set(), set()))

    async def test_public_client(self) -> None:
        """A client without a secret names itself."""
        self.x.secret = ""
        await self.application.sites.change(1, "sharing.x_secret", "")
        await self.connect("x")
        item = await self.write()
        await self.share(item, "x")
        await self.work()
        self.assertEqual((await self.shared(item))[0][0], "sent")

    async def test_renewed(self) -> None:
        """A token that has run out is renewed once, also where two comments go at once; the new one is kept."""
        await self.connect("x")
        for _ in range(2):
            self.x.access.clear()
            items = [await self.write(f"number {n}") for n in range(2)]
            for item in items:
                await self.share(item, "x")
            while await self.work():
                pass
            self.assertEqual([(await self.shared(item))[0][0] for item in items], ["sent", "sent"])
        self.assertEqual(self.x.refreshed, 2)
        self.x.access.clear()
        self.x.refresh.clear()
        item = await self.write("the last")
        await self.share(item, "x")
        await self.work()
        self.assertEqual((await self.shared(item))[0][:2], ("failed", "lost"))

    async def test_twice(self) -> None:
        """What X took without saying so is there once: it refuses the same a second time, and that is done."""
        await self.connect("x")
        item = await self.write()
        await self.share(item, "x")
        self.x.lost = 1
        self.assertEqual(len(await self.work()), 1)
        self.assertEqual(await self.work(), [])
        self.assertEqual((len(self.x.tweets), (await self.shared(item))[0]), (1, ("sent", "", "")))


class VkTests(SharingCase):
    """VK."""

    async def setUp(self) -> None:
        self.vk = LocalVk()
        self.addCleanup(self.vk.close)
        self.ports = (self.vk.port,)
        self.settings = {"sharing.vk_client": "4711"}
        await super().setUp()
        network = self.sharing.networks["vk"]
        network.own = network.api = self.vk.url  # type: ignore[attr-defined]
        self.vk.redirect = f"http://{self.host}/share/1/vk/callback"

    def tearDown(self) -> None:
        self.assertEqual(self.vk.wrong, [])

    async def test_share(self) -> None:
        """Connected, on the wall once, also where its answer was lost and the token ran out; given back."""
        told = await self.connect("vk")
        self.assertEqual([one["name"] for one in told["accounts"]], ["id555"])
        item = await self.write("word " * 1_000)
        await self.share(item, "vk")
        self.vk.lost = 1
        self.assertEqual(len(await self.work()), 1)
        self.vk.access.clear()
        self.assertEqual(await self.work(), [])
        self.assertEqual(await self.shared(item), [("sent", "", "https://vk.com/wall555_1")])
        self.assertEqual(len(self.vk.wall), 1)
        await self.call("DELETE", f"{ACCOUNTS}/vk")
        await self.work()
        self.assertEqual(self.vk.access, set())

    async def test_errors(self) -> None:
        """Its errors are what they are: later, never, or connect again."""
        await self.connect("vk")
        item = await self.write()
        await self.share(item, "vk")
        self.vk.errors = [6, 9, 1]
        for _ in range(3):
            self.assertEqual(len(await self.work()), 1)
        self.assertEqual(await self.work(), [])
        for code, reason in ((214, "refused"), (100, "refused"), (15, "lost")):
            item = await self.write(f"error {code}")
            self.vk.errors = [code]
            await self.share(item, "vk")
            self.assertEqual(await self.work(), [])
            self.assertEqual(await self.shared(item), [("failed", reason, "")])
