"""Pictures in the moderators' queue: seen small and large before anybody else sees them."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS
from tests.browser.test_sign_in import SECRET, statement
from tests.media import corpus
from tests.support.browser import BrowserCase
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon

LOADED = """
() => { const all = [...document.querySelectorAll(%r)];
  return all.length > 0 && all.every(i => i.complete && i.naturalWidth > 0) }
"""
GREEN = """
() => { const image = document.querySelector(".item-pictures img[src^='/avatar/']");
  if (!image || !image.complete || !image.naturalWidth) return false;
  const canvas = document.createElement('canvas').getContext('2d');
  canvas.drawImage(image, 0, 0);
  const [red, green, blue] = canvas.getImageData(80, 80, 1, 1).data;
  return green > 100 && red < 30 && blue < 30 }
"""
READ_FIRST = """
() => fetch('/api/v1/sites/1/rules').then(a => fetch('/api/v1/sites/1/rules', {
  method: 'PUT',
  headers: {'content-type': 'application/json', 'x-cackled-panel': '1', 'if-match': a.headers.get('etag')},
  body: '{"moderation": "pre"}'})).then(a => a.status)
"""


class PanelPictureTests(BrowserCase):
    """One daemon whose moderators read first."""

    def test_queue(self) -> None:
        """A comment of pictures alone waits: a moderator sees them, opens one, goes on by keys, and rejects it."""
        daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
        daemon.admin("site set 1 media.pictures yes")
        told = daemon.admin("account add pics@staff.example --role owner --site 1")
        page = self.page(told["link"], context=self.context(viewport={"width": 1200, "height": 900}), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        self.assertEqual(page.evaluate(READ_FIRST), 200)
        author = Visitor(daemon.url)
        self.with_own_picture(daemon, author)
        ids = [self.picture(author, color, alt) for color, alt in (("#c04020", "A red mug"), ("#2040c0", ""))]
        body = {"channel": {"key": "album"}, "name": "Ann", "text": "", "media": ids}
        sent = author.call("/comments", "POST", body)
        self.assertEqual((sent.status, sent.json()["comment"]["state"]), (201, "pending"))
        page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/queue")
        page.get_by_role("list", name="Pictures").wait_for()
        self.until(page, LOADED % ".item-pictures img")
        # Who wrote it is seen by their picture.
        self.until(page, LOADED % "[aria-label='Vera on album'] header img.avatar")
        self.clean(page)
        page.get_by_role("button", name="Show larger: A red mug").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("img", name="A red mug").wait_for()
        self.until(page, LOADED % ".large-picture img")
        page.keyboard.press("ArrowRight")
        dialog.get_by_text("Its author did not describe it.").wait_for()
        self.clean(page)
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        # The author's own picture is seen on their card, and removed there.
        page.locator(".item").get_by_role("button", name="Vera").first.click()
        self.until(page, LOADED % "dialog img.avatar")
        dialog.get_by_role("button", name="Remove the picture").click()
        self.until(page, "!document.querySelector('dialog img.avatar')")
        self.assertEqual(call(f"{daemon.url}/avatar/1/{author.id}").status, 404)
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        self.reported(daemon, author, page)
        plain = f"{daemon.url}/media/{ids[0]}/400.webp"
        self.assertEqual(call(plain).status, 404)
        # Beside what the demo has to decide on.
        item = page.get_by_role("article", name="Vera on album")
        item.get_by_role("button", name="Reject").click()
        item.wait_for(state="detached")
        self.assertEqual(call(plain).status, 404)
        self.assertEqual(call(daemon.url + sent.json()["comment"]["media"][0]["url"]).status, 200)

    def reported(self, daemon: Daemon, author: Visitor, page: Page) -> None:
        """Readers report a picture of *author*'s: it comes into the queue, is kept, comes again, and is removed."""
        self.assertEqual(author.call("/me/picture", "PUT", corpus.picture(color="green")).status, 200)
        item = page.get_by_role("article", name="Vera on profile picture")
        for button in ("Keep the picture", "Remove the picture"):
            answer = Visitor(daemon.url).call(f"/visitors/{author.id}/picture/flags", "POST", {"reason": "Not her"})
            self.assertEqual(answer.status, 201)
            if button.startswith("Remove"):
                # It was there before: it is no newer one.
                page.reload()
            page.get_by_role("button", name="new that match").or_(item).first.wait_for()
            if not item.is_visible():
                page.get_by_role("button", name="new that match").click()
            item.wait_for()
            # It is the one that was reported, though the page has shown another one of hers before.
            self.until(page, GREEN)
            item.locator("summary").click()
            item.get_by_text("Not her").first.wait_for()
            self.assertEqual(item.get_by_role("button", name="Reject").count(), 0)
            self.clean(page)
            item.get_by_role("button", name=button).click()
            item.wait_for(state="detached")
            status = 200 if button.startswith("Keep") else 404
            self.soon(lambda: self.assertEqual(call(f"{daemon.url}/avatar/1/{author.id}").status, status))

    def test_logo(self) -> None:
        """An owner uploads the site's logo in the settings: the panel's head and the site's pages show it, until it is
        removed.
        """
        daemon = Daemon.for_test(self)
        told = daemon.admin("account add logo@staff.example --role owner --site 1")
        page = self.page(told["link"], context=self.context(viewport={"width": 1200, "height": 900}), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/settings")
        logo = page.locator("section", has=page.get_by_role("heading", name="Logo", exact=True))
        with page.expect_file_chooser() as chosen:
            logo.get_by_role("button", name="Upload a picture").click()
        raw = corpus.picture("PNG", (600, 150), "#2040c0")
        chosen.value.set_files([{"name": "logo.png", "mimeType": "image/png", "buffer": raw}])
        self.until(page, LOADED % "header.top img.site-logo, .page img.site-logo")
        self.until(page, "document.querySelectorAll('img.site-logo').length === 2")
        self.clean(page)
        reader = self.page(f"{daemon.url}/threads/1?channel=demo", wait="h1")
        self.until(reader, LOADED % "header img.mc-logo")
        logo.get_by_role("button", name="Remove").click()
        self.until(page, "!document.querySelector('img.site-logo')")

    def clean(self, page: Page) -> None:
        """axe finds nothing."""
        if AXE.exists():
            page.evaluate(AXE.read_text())
            self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))

    def with_own_picture(self, daemon: Daemon, author: Visitor) -> None:
        """*author* is somebody who signed in, and has a picture of themselves."""
        daemon.admin("site set 1 identity.own_pictures yes")
        daemon.admin(f"site set 1 channel_secret {SECRET}")
        given = call(f"{author.api}/sessions", "POST", {"sso": statement()}).json()
        author.token, author.id = given["token"], given["visitor"]
        self.assertEqual(author.call("/me/picture", "PUT", corpus.picture(color="blue")).status, 200)

    def picture(self, author: Visitor, color: str, alt: str) -> str:
        """A picture of theirs; gives its id."""
        raw = corpus.picture(color=color)
        return str(author.call(f"/media?alt={alt.replace(' ', '%20')}", "POST", raw).json()["id"])
