"""Pictures of staff: made anew, shown where they answer, one at a time, gone when taken away and with the account."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec
from PIL import Image

from cackled.accounts.deleted_accounts import Forgetting
from tests.media import corpus
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import OWN, StaffClient, sign_in, site_key

URL = "/api/v1/auth/me/picture"


class AccountPictureTests(ChatCase):
    """Over the real listener."""

    async def put(self, who: StaffClient, color: str = "red") -> str:
        """Upload a picture; gives its address."""
        answer = await who.ask("PUT", URL, corpus.picture(color=color), content_type="image/png")
        self.assertEqual(answer.status, 200, answer)
        return str(answer.json()["picture"])

    async def color(self, address: str) -> tuple[int, ...]:
        """The colour in the middle of what everybody gets."""
        answer = await self.ask("GET", address)
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "image/webp"))
        # It may be taken away.
        self.assertEqual(answer.headers["cache-control"], "no-cache")
        same = await self.ask("GET", address, if_none_match=answer.headers["etag"])
        self.assertEqual((same.status, same.body), (304, b""))
        with Image.open(BytesIO(answer.body)) as image:
            self.assertEqual(image.size, (160, 160))
            found: Any = image.convert("RGB").getpixel((80, 80))
            return tuple(round(one / 255) for one in found)

    async def spread(self) -> None:
        """Do what is put off: names and pictures on what was written before."""
        for (body,) in self.sql("delete from outbox where kind = 'people' returning body"):
            told = msgspec.json.decode(body, type=dict[str, int], strict=False)
            await self.application.following.follow(1, told["visitor"], told["from"])

    async def test_account(self) -> None:
        """Its owner and colleagues see it; another follows at the same address; it is in the export, and ends."""
        admin = await sign_in(self, "admin", name="Ada")
        address = await self.put(admin)
        self.assertRegex(address, r"^/avatar/staff/[A-Za-z0-9_-]{22}$")
        self.assertEqual(await self.color(address), (1, 0, 0))
        self.assertEqual((await admin.ask("GET", "/api/v1/auth/me")).json()["account"]["picture"], address)
        renamed = await admin.ask("PATCH", "/api/v1/auth/me", {"name": "Ada L."})
        self.assertEqual(renamed.json()["picture"], address)
        members = (await admin.ask("GET", "/api/v1/sites/1/members")).json()["members"]
        self.assertEqual({one["name"]: one["picture"] for one in members}, {"Ada L.": address, "Ann": "", "Ben": ""})
        exported = (await admin.ask("GET", "/api/v1/auth/export")).json()["account"]["picture"]
        self.assertTrue(exported)
        self.assertEqual(await self.put(admin, "blue"), address)
        self.assertEqual(await self.color(address), (0, 0, 1))
        self.assertEqual((await admin.ask("DELETE", URL)).json()["picture"], "")
        self.assertEqual((await self.ask("GET", address)).status, 404)
        self.assertEqual(self.sql("select count(*) from catalog.account where picture_body is not null"), [(0,)])
        # A picture that was taken away is at no address of one that came later.
        self.assertNotEqual(await self.put(admin), address)
        self.assertEqual((await self.ask("GET", address)).status, 404)

    async def test_refused(self) -> None:
        """What is no picture, strangers and keys: refused, and the picture before stays."""
        address = await self.put(self.ann)
        for name in ("vector", "pixel flood", "cut short", "page"):
            raw, slug = corpus.REFUSED[name]
            self.assertEqual((await self.ann.ask("PUT", URL, raw)).slug, f"media-{slug}", name)
        self.assertEqual((await self.ann.ask("PUT", URL, b"x" * (5 << 20))).status, 413)
        self.assertEqual((await self.ask("PUT", URL, corpus.picture(), **OWN)).status, 401)
        key = await site_key(self, ["sync", "moderate", "chat"])
        self.assertIn((await key.ask("PUT", URL, corpus.picture())).status, (401, 403))
        self.assertEqual(await self.color(address), (1, 0, 0))
        for other in ("", "x", "a" * 22, "a" * 41, "..", "%00", "1"):
            self.assertEqual((await self.ask("GET", f"/avatar/staff/{other}")).status, 404, other)

    async def test_chat(self) -> None:
        """Visitors see the operator's picture with the conversation and at answers; colleagues at desks."""
        address = await self.put(self.ann)
        await self.online(self.ann)
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {})
        chat = await self.start()
        self.assertEqual((await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/take")).status, 200)
        said = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "Good morning"})
        self.assertEqual(said.status, 201, said)
        seen = (await self.by_visitor(chat, "GET", "")).json()["chat"]
        self.assertEqual((seen["operator"]["name"], seen["operator"]["avatar"]), ("Ann", address))
        messages = (await self.by_visitor(chat, "GET", "/messages")).json()["messages"]
        by_ann = [one["author"].get("avatar") for one in messages if one["text"] == "Good morning"]
        self.assertEqual(by_ann, [address])
        self.assertEqual([one["author"].get("avatar") for one in messages if one["from"] == "visitor"], [None])
        desks = (await self.ben.ask("GET", f"{CHATS}/desk")).json()["colleagues"]
        self.assertEqual({one["name"]: one["avatar"] for one in desks}["Ann"], address)
        # Taken away: the next beat tells it.
        await self.ann.ask("DELETE", URL)
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {})
        seen = (await self.by_visitor(chat, "GET", "")).json()["chat"]
        self.assertEqual(seen["operator"]["avatar"], "")

    async def test_comments(self) -> None:
        """Replies of staff show it, those of before and those to come; and no more when the account ends."""
        moderator = await sign_in(self, "moderator", name="Mo")
        comment = (await self.post(await self.visitor(), "A question"))["comment"]["id"]
        await self.reply(moderator, comment)
        self.assertEqual(await self.authors(), {"Mo": None})
        address = await self.put(moderator)
        await self.spread()
        self.assertEqual(await self.authors(), {"Mo": address})
        await self.reply(moderator, comment)
        self.assertEqual(await self.authors(), {"Mo": address})
        # A stranger who signs in is nobody's colleague, and a colleague on another site none here.
        other = await sign_in(self, "moderator", site=2, name="Mo")
        await self.put(other)
        await self.spread()
        self.assertEqual(await self.authors(), {"Mo": address})
        await self.application.shared[Forgetting].remove(moderator.account)
        await self.spread()
        self.assertEqual(await self.authors(), {"Mo": None})
        self.assertEqual((await self.ask("GET", address)).status, 404)

    async def reply(self, who: StaffClient, comment: str) -> None:
        """Reply as staff."""
        sent = await who.ask("POST", "/api/v1/sites/1/moderation/comments", {"comment": comment, "text": "An answer"})
        self.assertEqual(sent.status, 201, sent)

    async def authors(self) -> dict[str, str | None]:
        """The pictures of those who replied, by name."""
        roots = (await self.bootstrap()).json()["page"]["comments"]
        found = [one["author"] for root in roots for one in root["replies"]]
        return {one["name"]: one["avatar"] for one in found}
