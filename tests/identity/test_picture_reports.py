"""Pictures of people that visitors report: an item of the queue, kept or removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cackled.media.sweeping import Sweeping
from tests.api.common import ORIGIN, Answer
from tests.identity.common import statement
from tests.identity.test_own_picture import OwnPictureCase
from tests.media import corpus
from tests.support.staff import StaffClient, sign_in

MODERATION = "/api/v1/sites/1/moderation"


class ReportCase(OwnPictureCase):
    """Ann shows a picture; two readers; a moderator."""

    async def setUp(self) -> None:
        await super().setUp()
        self.reader, self.other = await self.visitor(), await self.visitor()
        self.moderator = await sign_in(self, "moderator", name="Mo")

    async def flag(self, auth: str | None, reason: str | None = None, visitor: str = "") -> Answer:
        """Report a picture, Ann's where nobody is named."""
        return await self.ask(
            "POST", f"/api/v1/sites/1/visitors/{visitor or self.mine['visitor']}/picture/flags", {"reason": reason},
            origin=ORIGIN, authorization=auth,
        )  # fmt: skip

    async def listed(self, state: str = "pending", staff: StaffClient | None = None) -> list[Any]:
        """Reports of the queue."""
        answer = await (staff or self.moderator).ask("GET", f"{MODERATION}/items?state={state}")
        self.assertEqual(answer.status, 200, answer)
        return [one for one in answer.json()["items"] if one["id"].startswith("picture:")]

    async def act(self, action: str, item: Any) -> Answer:
        """Decide on an item as it was seen."""
        body = {"action": action, "items": [item["id"]], "versions": {item["id"]: item["version"]}}
        return await self.moderator.ask("POST", f"{MODERATION}/actions", body)

    async def reported(self) -> Any:
        """Ann's picture, reported by both."""
        await self.put(corpus.picture(color="red"))
        for auth, reason in ((self.reader, "Not\u202eher"), (self.other, None)):
            answer = await self.flag(auth, reason)
            self.assertEqual((answer.status, answer.json()), (201, {}), answer)
        (item,) = await self.listed()
        return item


class ReportingTests(ReportCase):
    async def test_reported(self) -> None:
        """Each reporter counts once; the item says whose, which, by whom and why; the picture stays meanwhile."""
        item = await self.reported()
        await self.flag(self.reader, "again")
        (same,) = await self.listed("flagged")
        self.assertEqual((same["id"], same["flags"], same["state"]), (item["id"], 2, "pending"))
        self.assertEqual((item["author"]["id"], item["author"]["name"]), (self.mine["visitor"], "Ann"))
        (picture,) = item["media"]
        self.assertEqual(picture["url"].partition("?")[0], self.address)
        self.assertEqual((await self.ask("GET", picture["url"])).status, 200)
        self.assertEqual(sorted(one["reason"] for one in item["reports"]), ["", "Nother"])
        self.assertEqual(await self.color(), (1, 0, 0))
        count = await self.moderator.ask("GET", f"{MODERATION}/count?state=pending")
        self.assertEqual(count.json()["count"], 1)
        # The panel counts what is newer than the first that it lists, by its whole name.
        for newer, n in ((f"comment:{int(item['id'].partition(':')[2]) - 1}", 1), (item["id"], 0)):
            count = await self.moderator.ask("GET", f"{MODERATION}/count?state=pending&newer={newer}")
            self.assertEqual((count.status, count.json()["count"]), (200, n), count)

    async def test_refused(self) -> None:
        """No picture, one's own, nobody, no session, somebody banned; one who is banned unnoticed changes nothing."""
        self.assertEqual((await self.flag(self.reader)).slug, "picture")
        await self.put(corpus.picture())
        self.assertEqual((await self.flag(f"Bearer {self.mine['token']}")).slug, "picture")
        self.assertEqual((await self.flag(self.reader, visitor="99")).slug, "picture")
        self.assertEqual((await self.flag(None)).slug, "no-token")
        self.assertEqual((await self.flag(self.reader, "x" * 501)).slug, "bad-field")
        for shadow, status in ((False, 403), (True, 201)):
            who = await self.visitor()
            self.sql("delete from ban")
            self.sql("insert into ban (site_id, kind, value, network, who, note, shadow)"
                     " values (1, 'ip', '127.0.0.1', '127.0.0.1', 'x', '', %s)", shadow)  # fmt: skip
            self.assertEqual((await self.flag(who)).status, status)
        self.assertEqual(await self.listed("all"), [])

    async def test_another_picture(self) -> None:
        """What shows another picture by now waits no more; a report of that one is another item."""
        first = await self.reported()
        await self.put(corpus.picture(color="blue"))
        self.assertEqual(await self.listed(), [])
        await self.flag(self.reader)
        (second,) = await self.listed()
        self.assertNotEqual(first["id"], second["id"])
        self.assertNotEqual(first["media"][0]["url"], second["media"][0]["url"])

    async def test_walls(self) -> None:
        """Moderators of a section, and of another site, see none and decide none."""
        item = await self.reported()
        other = await sign_in(self, "moderator", site=2)
        self.assertEqual((await other.ask("GET", f"{MODERATION}/items?state=pending")).status, 403)
        answer = await other.ask(
            "POST", "/api/v1/sites/2/moderation/actions", {"action": "delete", "items": [item["id"]]}
        )
        self.assertIn(answer.status, (404, 409))
        self.assertEqual(await self.color(), (1, 0, 0))


class DecidingTests(ReportCase):
    async def test_kept(self) -> None:
        """It stays, and waits no more; who reported it before changes nothing, somebody else brings it back; undone."""
        item = await self.reported()
        made = await self.act("approve", item)
        self.assertEqual((made.status, made.json()["done"]), (200, [item["id"]]), made)
        self.assertEqual((await self.listed(), await self.listed("flagged")), ([], []))
        self.assertEqual(await self.color(), (1, 0, 0))
        await self.flag(self.reader)
        self.assertEqual(await self.listed(), [])
        self.assertEqual((await self.act("delete", item)).status, 409)
        undone = await self.moderator.ask("POST", f"{MODERATION}/actions/{made.json()['id']}/undo", {})
        self.assertEqual((undone.status, undone.json()["done"]), (200, [item["id"]]), undone)
        (again,) = await self.listed()
        self.assertEqual(again["flags"], 2)
        await self.act("approve", again)
        await self.flag(await self.visitor())
        (back,) = await self.listed()
        self.assertEqual(back["id"], item["id"])

    async def test_removed(self) -> None:
        """It is shown nowhere, its files go from the origin, and nodes are told of that; there is no way back."""
        item = await self.reported()
        folder = Path(self.infrastructure.config.state) / "media"
        self.assertTrue([one for one in folder.rglob("*") if one.is_file()])
        made = await self.act("delete", item)
        self.assertEqual(made.status, 200, made)
        self.assertEqual((await self.ask("GET", self.address)).status, 404)
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        self.assertEqual(self.sql("select picture from person"), [("",)])
        # What they wrote shows it no more.
        self.assertTrue(self.sql("select 1 from outbox where kind = 'people' and done_at is null"))
        self.sql("update media_gone set since = '-infinity'")
        await self.application.shared[Sweeping].sweep()
        self.assertEqual([one for one in folder.rglob("*") if one.is_file()], [])
        self.assertEqual(self.sql("select count(*) from media_removed"), [(1,)])
        self.assertEqual(await self.listed(), [])
        undone = await self.moderator.ask("POST", f"{MODERATION}/actions/{made.json()['id']}/undo", {})
        self.assertEqual([one["item"] for one in undone.json()["failed"]], [item["id"]], undone)
        (gone,) = await self.listed("deleted")
        self.assertNotIn("media", gone)
        detail = await self.moderator.ask("GET", f"{MODERATION}/items/{item['id']}")
        self.assertEqual([one["deed"] for one in detail.json()["history"]], ["delete"])

    async def test_elsewhere(self) -> None:
        """A picture of the site's own is not shown again when the site tells of it once more; another is; undone."""
        mine = await self.signed_in(sub="u9", name="Bea", avatar="https://one.example/b.png")
        shown = "select avatar from person where visitor_id = %s"
        visitor = int(mine["visitor"])
        self.assertEqual(self.sql(shown, visitor), [("https://one.example/b.png",)])
        await self.flag(self.reader, visitor=mine["visitor"])
        (item,) = await self.listed()
        made = await self.act("reject", item)
        self.assertEqual(self.sql(shown, visitor), [("",)])
        await self.enter(sso=statement(sub="u9", name="Bea", avatar="https://one.example/b.png"))
        self.assertEqual(self.sql(shown, visitor), [("",)])
        await self.moderator.ask("POST", f"{MODERATION}/actions/{made.json()['id']}/undo", {})
        self.assertEqual(self.sql(shown, visitor), [("https://one.example/b.png",)])
        await self.act("reject", (await self.listed())[0])
        await self.enter(sso=statement(sub="u9", name="Bea", avatar="https://one.example/c.png"))
        self.assertEqual(self.sql(shown, visitor), [("https://one.example/c.png",)])

    async def test_forgotten(self) -> None:
        """Who reported is forgotten with their reports, and who is shown with all of them."""
        await self.reported()
        reporter = self.sql("select visitor_id from picture_flag limit 1")[0][0]
        await self.application.erasures.erase(1, int(reporter))
        self.assertEqual(self.sql("select n_flags, (select count(*) from picture_flag) from picture_report"), [(1, 1)])
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        self.assertEqual(self.sql("select (select count(*) from picture_report), count(*) from picture_flag"), [(0, 0)])
