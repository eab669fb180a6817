"""Pictures that people upload of themselves: who may, what others see, and how they go."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

from cackled.media.sweeping import Sweeping
from tests.api.common import ORIGIN, Answer
from tests.identity.common import IdentityCase, statement
from tests.media import corpus
from tests.support.staff import site_key


class OwnPictureCase(IdentityCase):
    """Site 1 lets people upload pictures, and takes none beside texts."""

    settings = {"identity.own_pictures": True}

    async def setUp(self) -> None:
        await super().setUp()
        self.mine = await self.signed_in()
        self.address = f"/avatar/1/{self.mine['visitor']}"

    async def put(self, raw: bytes, token: str | None = None, site: int = 1, method: str = "PUT") -> Answer:
        """Upload a picture."""
        return await self.ask(
            method, f"/api/v1/sites/{site}/me/picture", raw or None, origin=ORIGIN, content_type="image/png",
            authorization=f"Bearer {token or self.mine['token']}",
        )  # fmt: skip

    async def color(self) -> tuple[int, ...]:
        """The colour in the middle of the picture that everybody gets."""
        answer = await self.ask("GET", self.address)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "image/webp"))
        # It may be taken back.
        self.assertEqual(answer.headers["cache-control"], "no-cache")
        with Image.open(BytesIO(answer.body)) as image:
            self.assertEqual(image.size, (160, 160))
            found: Any = image.convert("RGB").getpixel((80, 80))
            return tuple(round(one / 255) for one in found)


class UploadTests(OwnPictureCase):
    """The visitor's own."""

    async def test_put(self) -> None:
        """It is shown as the person's, before what their provider told of; another replaces it; it can be removed."""
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
        answer = await self.put(corpus.picture(color="red"))
        self.assertEqual((answer.status, answer.json()["avatar"], answer.json()["picture"]), (200, self.address, True))
        self.assertEqual(await self.color(), (1, 0, 0))
        self.sql("update person set avatar = 'https://provider.example/a.png'")
        self.assertEqual(await self.color(), (1, 0, 0))
        # Nothing of it stands at an address of its own, and the file is no longer as it was sent.
        first = self.sql("select id, item, shown from media")[0]
        self.assertEqual(first[1:], (f"person:{self.mine['visitor']}", False))
        self.assertEqual((await self.ask("GET", f"/media/1-{first[0]}/320.webp")).status, 404)
        self.assertEqual((await self.put(corpus.picture(color="blue"))).status, 200)
        self.assertEqual(await self.color(), (0, 0, 1))
        self.assertEqual(self.sql("select count(*) from media"), [(1,)])
        self.sql("update person set avatar = ''")
        gone = await self.put(b"", method="DELETE")
        self.assertEqual((gone.status, gone.json()["avatar"], gone.json()["picture"]), (200, None, False))
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])

    async def test_author(self) -> None:
        """Comments show it: those that are there already, and those to come."""
        auth = f"Bearer {self.mine['token']}"
        await self.post(auth, "before")
        await self.put(corpus.picture())
        for (body,) in self.sql("delete from outbox where kind = 'people' returning body"):
            told = msgspec.json.decode(body, type=dict[str, int], strict=False)
            await self.application.following.follow(1, told["visitor"], told["from"])
        await self.post(auth, "after")
        self.assertEqual(await self.authors(), [self.address] * 2)

    async def authors(self) -> list[Any]:
        """The pictures of the authors of all comments."""
        return [one["author"]["avatar"] for one in (await self.bootstrap()).json()["page"]["comments"]]

    async def test_refused(self) -> None:
        """Guests, other files, a site that does not want it, who is banned: refused, and the picture before stays."""
        await self.put(corpus.picture(color="red"))
        for name in ("vector", "pixel flood", "cut short", "page"):
            raw, slug = corpus.REFUSED[name]
            self.assertEqual((await self.put(raw)).slug, f"media-{slug}", name)
        guest = (await self.enter()).json()
        self.assertEqual((await self.put(corpus.picture(), guest["token"])).status, 404)
        self.assertEqual((await self.put(corpus.picture(), "nonsense")).status, 401)
        self.assertEqual((await self.put(b"x" * (5 << 20))).status, 413)
        self.assertEqual(await self.color(), (1, 0, 0))
        self.sql("insert into ban (site_id, kind, value) values (1, 'visitor', %s)", self.mine["visitor"])
        self.assertEqual((await self.put(corpus.picture(color="blue"))).slug, "banned")
        self.sql("delete from ban")
        await self.application.sites.change(1, "identity.own_pictures", False)
        self.assertEqual((await self.put(corpus.picture(color="blue"))).slug, "no-pictures")
        # Nor is the one that is there shown any more.
        self.assertEqual((await self.ask("GET", self.address)).status, 404)

    async def test_two_sites(self) -> None:
        """A person of one site has no picture on another; nobody takes another's picture as theirs."""
        await self.application.sites.change(2, "channel_secret", "another secret that is long enough")
        await self.application.sites.change(2, "identity.own_pictures", True)
        self.assertEqual((await self.put(corpus.picture(color="red"))).status, 200)
        self.assertEqual(await self.color(), (1, 0, 0))
        self.assertEqual((await self.ask("GET", f"/avatar/2/{self.mine['visitor']}")).status, 404)
        self.assertIn((await self.put(corpus.picture(), site=2)).status, (401, 403))
        other = (await self.enter(sso=statement(sub="u2", name="Eve"))).json()
        number = self.sql("select id from media")[0][0]
        with self.assertRaisesRegex(Exception, "media-unknown"):
            self.sql("update person set picture = %s where visitor_id = %s", number, other["visitor"])
        self.assertEqual(await self.color(), (1, 0, 0))


class GoneTests(OwnPictureCase):
    """How it goes."""

    async def test_erased(self) -> None:
        """Who is forgotten has none, and no file of it is left."""
        await self.put(corpus.picture())
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
        self.sql("update media_gone set since = now() - interval '2 hours'")
        await self.application.shared[Sweeping].sweep()
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])

    async def test_by_staff(self) -> None:
        """Moderators remove it, which is in the log; others can't; so can operators, by its number."""
        await self.put(corpus.picture())
        path = f"/api/v1/sites/1/visitors/{self.mine['visitor']}/picture"
        refused = await self.ask("DELETE", path, origin=ORIGIN, authorization=f"Bearer {self.mine['token']}")
        self.assertEqual(refused.status, 401)
        self.assertEqual((await (await site_key(self, ["read"])).ask("DELETE", path)).status, 403)
        self.assertEqual((await (await site_key(self, ["moderate"], site=2)).ask("DELETE", path)).status, 401)
        self.assertEqual((await self.ask("GET", self.address)).status, 200)
        key = await site_key(self, ["moderate"])
        self.assertEqual([(await key.ask("DELETE", path)).status for _ in range(2)], [204, 204])
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
        self.assertEqual(self.sql("select count(*) from audit where action = 'picture.removed'"), [(1,)])
        await self.put(corpus.picture())
        self.sql("select drop_media(1, array(select id from media))")
        self.assertEqual(self.sql("select picture from person"), [("",)])
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
