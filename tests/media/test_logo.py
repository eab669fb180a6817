"""The logo of a site: made anew, shown where the site is shown, one at a time, gone when it is taken away."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from twisted.internet import reactor
from twisted.internet.defer import execute
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.deletion import Deletions
from cackled.domain.logo import logo_of, setting_of
from cackled.domain.mail_templates import MailTemplates
from cackled.media.sweeping import Sweeping
from tests.media import corpus
from tests.media.test_media import MediaCase
from tests.support.search_rules import Page
from tests.support.staff import sign_in

URL = "/api/v1/sites/1/logo"


class SettingTests(SynchronousTestCase):
    """What the setting says."""

    def test_read(self) -> None:
        """As large as it may be, never larger than it is; what is no address of ours names none."""
        base = f"/media/17-{'a' * 22}/"
        for width, height, shown in (
            (400, 120, (133, 40)), (4_000, 40, (240, 2)), (20, 30, (20, 30)), (1, 900, (1, 40)),
        ):  # fmt: skip
            logo = logo_of(setting_of(f"{base}400.webp", width, height))
            assert logo is not None
            self.assertEqual((logo.width, logo.height, logo.id), (*shown, f"17-{'a' * 22}"))
            self.assertEqual((logo.url, logo.mail_url), (f"{base}400.webp", f"{base}mail.jpg"))
        wrong = ("", "https://evil.example/x.webp#1x1", "400.webp", "../x.webp#1x1", "4.webp#0x4")
        for other in (*wrong, *(base + one for one in wrong)):
            self.assertIsNone(logo_of(other), other)
        logo = logo_of(setting_of(f"{base}400.webp", 10, 10))
        assert logo is not None
        self.assertIn('alt="&quot;&gt;&lt;b&gt;"', logo.html('"><b>'))


class LogoCase(MediaCase):
    async def unanswered(self, url: str) -> None:
        """It is answered no more as soon as the node has heard of that."""
        for _ in range(1200):
            if (await self.ask("GET", url)).status == 404:
                break
            await deferLater(reactor, 0.05)
        self.assertEqual((await self.ask("GET", url)).status, 404)


class LogoTests(LogoCase):
    """Over the real listener."""

    async def test_shown(self) -> None:
        """An admin uploads one: it is on the site's pages, in letters and in the panel's head; another follows it."""
        admin = await sign_in(self, "admin")
        sent = corpus.picture("PNG", (600, 150), "#2040c0")
        answer = await admin.ask("PUT", URL, sent, content_type="image/png")
        self.assertEqual(answer.status, 200, answer)
        logo = answer.json()
        self.assertEqual((logo["width"], logo["height"]), (160, 40))
        served = await self.ask("GET", logo["url"])
        self.assertEqual((served.status, served.headers["content-type"]), (200, "image/webp"))
        self.assertEqual(Image.open(BytesIO(served.body)).size, (600, 150))
        self.assertNotEqual(served.body, sent)
        # A page with a comment; the name of the site stands for who sees no pictures.
        await self.post(self.auth)
        page = await self.ask("GET", "/threads/1?channel=page")
        tag = f'<img class="mc-logo" src="{logo["url"]}" alt="{self.site.name}" width="160" height="40">'
        self.assertIn(tag, page.body.decode())
        self.assertEqual(Page(page.body.decode()).wrong, [])
        self.assertNotIn(b'class="mc-logo"', (await self.ask("GET", "/threads/1/fragment?channel=page")).body)
        self.assertNotIn(b'class="mc-logo"', (await self.ask("GET", "/threads/2?channel=page")).body)
        me = (await admin.ask("GET", "/api/v1/auth/me")).json()
        self.assertEqual([one["logo"] for one in me["sites"]], [logo["url"]])
        # In letters, as a JPEG at an address that answers.
        database = self.application.database
        dress = await MailTemplates(self.site, database, "https://own.example/").dress("notices", "en")
        source = dress.intro_html().partition('src="https://own.example')[2].partition('"')[0]
        mailed = await self.ask("GET", source)
        self.assertEqual((mailed.status, mailed.headers["content-type"]), (200, "image/jpeg"))
        self.assertNotIn("img", (await MailTemplates(self.site, database).dress("notices", "en")).intro_html())
        # Another takes its place.
        other = (await admin.ask("PUT", URL, corpus.picture("PNG", (90, 90), "#c04020"))).json()
        await self.unanswered(logo["url"])
        self.assertEqual((await self.ask("GET", other["url"])).status, 200)
        self.assertEqual(self.sql("select count(*) from media where item = 'site:logo'"), [(1,)])
        # It stays, however old, and goes when it is removed.
        self.sql("update media set created_at = now() - interval '9 days'")
        await self.application.shared[Sweeping].sweep()
        self.assertEqual((await self.ask("GET", other["url"])).status, 200)
        self.assertEqual((await admin.ask("DELETE", URL)).status, 204)
        await self.unanswered(other["url"])
        self.assertEqual(self.site.settings.logo, "")
        self.assertEqual(self.sql("select count(*) from media where item = 'site:logo'"), [(0,)])
        said = self.sql("select action from audit where action like 'logo.%%' order by id")
        self.assertEqual([one for (one,) in said], ["logo.changed", "logo.changed", "logo.removed"])

    async def test_private(self) -> None:
        """Letters of a private site show its logo, and no other picture stands at a plain address."""
        admin = await sign_in(self, "admin")
        logo = (await admin.ask("PUT", URL, corpus.picture("PNG", (90, 90)))).json()
        made = await self.added(corpus.picture())
        await self.application.sites.change(1, "private", True)
        self.assertEqual((await self.ask("GET", logo["url"])).status, 200)
        self.sql("update media set shown = true")
        plain = f"/media/{made['id']}/{made['files'][0]['src'].rpartition('/')[2]}"
        self.assertEqual((await self.ask("GET", plain)).status, 404)

    async def test_refused(self) -> None:
        """Moderators and strangers upload none; what is no picture, or has no room, is refused, and the logo stays."""
        admin, moderator = await sign_in(self, "admin"), await sign_in(self, "moderator")
        self.assertEqual((await moderator.ask("PUT", URL, corpus.picture())).status, 403)
        self.assertEqual((await self.ask("PUT", URL, corpus.picture(), authorization=self.auth)).status, 401)
        logo = (await admin.ask("PUT", URL, corpus.picture())).json()
        for raw in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", corpus.flood(), b""):
            answer = await admin.ask("PUT", URL, raw)
            self.assertEqual(answer.status, 422, answer)
        await self.application.sites.change(1, "media.room", 0)
        self.assertEqual((await admin.ask("PUT", URL, corpus.picture(color="#ffffff"))).slug, "media-room")
        self.assertEqual((await self.ask("GET", logo["url"])).status, 200)
        self.assertEqual(self.sql("select count(*) from media where item <> 'site:logo'"), [(0,)])


class EndTests(LogoCase):
    """A logo whose setting goes."""

    async def put(self, admin: Any, color: str = "#2040c0") -> str:
        """A new logo; gives its address."""
        answer = await admin.ask("PUT", URL, corpus.picture("PNG", (600, 150), color), content_type="image/png")
        self.assertEqual(answer.status, 200, answer)
        return str(answer.json()["url"])

    async def gone(self, url: str) -> None:
        """It is answered no more, soon, and the site has no picture."""
        await self.unanswered(url)
        self.assertEqual(self.sql("select pictures, bytes from media_site where site_id = 1"), [(0, 0)])

    async def swept(self) -> None:
        """An hour later, the files are gone too."""
        self.sql("update media_gone set since = now() - interval '2 hours'")
        await self.application.shared[Sweeping].sweep()

    async def test_setting(self) -> None:
        """Emptied by the settings, by an operator's command, or set back to its default: the picture goes."""
        admin = await sign_in(self, "admin")
        sweeping = self.application.shared[Sweeping]
        sweeping.start()
        self.addCleanup(sweeping.stop)
        for way in ("empty", "default", "command"):
            url = await self.put(admin)
            self.assertEqual((await self.ask("GET", url)).status, 200)
            if way == "command":
                await self.application.sites.change(1, "logo", "")
            else:
                path = "/api/v1/sites/1/settings"
                tag = (await admin.ask("GET", path)).headers["etag"]
                body = {"settings": {"logo": "" if way == "empty" else None}}
                answer = await admin.ask("PATCH", path, body, if_match=tag)
                self.assertEqual(answer.status, 200, answer)
            await self.gone(url)
        await self.swept()
        self.assertEqual(self.files(), 0)

    async def test_unseen(self) -> None:
        """One that lost its setting while nobody looked goes an hour after it came; the one that is named stays."""
        admin = await sign_in(self, "admin")
        url = await self.put(admin)
        sweeping = self.application.shared[Sweeping]
        self.sql("update media set created_at = now() - interval '2 hours'")
        await sweeping.sweep()
        self.assertEqual((await self.ask("GET", url)).status, 200)
        self.sql("update catalog.site set settings = settings - 'logo' where id = 1")
        self.sql("update media set created_at = now()")
        await sweeping.sweep()
        # Whether it is served depends on whether the site has been read anew; its files stay in any case.
        self.assertGreater(self.files(), 0, "it may be named in a moment")
        self.sql("update media set created_at = now() - interval '2 hours'")
        await sweeping.sweep()
        await self.gone(url)

    async def test_site_deleted(self) -> None:
        """It is counted among what a site has; with the site its files go, and those of all its pictures."""
        admin = await sign_in(self, "admin")
        await self.added(corpus.picture(), 2)
        there = self.files()
        await self.put(admin)
        await self.added(corpus.picture(color="#00ff00"))
        deletions = Deletions(
            self.application.sites, self.application.database, reactor, Path(self.mktemp()), execute,
            self.application.registry.counted,
        )  # fmt: skip
        self.assertEqual((await deletions.holdings(1))["pictures"], 2)
        self.assertGreater(self.files(), there)
        await deletions.delete(1)
        self.assertEqual(self.sql("select count(*) from media where site_id = 1"), [(0,)])
        # What nodes' disks may have is noted, too.
        self.assertEqual(self.sql("select count(*) from media_removed where site_id = 1"), [(2,)])
        await self.application.shared[Sweeping].sweep()
        self.assertEqual(self.files(), there)
        self.assertEqual(self.sql("select count(*) from media_gone"), [(0,)])
