"""The logo of a site: made anew, shown where the site is shown, one at a time, gone when it is taken away."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

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


class LogoTests(MediaCase):
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
        self.assertEqual((await self.ask("GET", logo["url"])).status, 404)
        self.assertEqual((await self.ask("GET", other["url"])).status, 200)
        self.assertEqual(self.sql("select count(*) from media where item = 'site:logo'"), [(1,)])
        # It stays, however old, and goes when it is removed.
        self.sql("update media set created_at = now() - interval '9 days'")
        await self.application.shared[Sweeping].sweep()
        self.assertEqual((await self.ask("GET", other["url"])).status, 200)
        self.assertEqual((await admin.ask("DELETE", URL)).status, 204)
        self.assertEqual((await self.ask("GET", other["url"])).status, 404)
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
