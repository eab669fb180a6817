"""Signing in from a page, in Chromium, against the real daemon and a provider on this machine."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

import jwt

from cackled.database.testing import server
from tests.browser.test_daemon import OnePage
from tests.media import corpus
from tests.support.browser import ARGUMENTS, CHROMIUM, BrowserCase
from tests.support.daemon import Daemon
from tests.support.provider import CLIENT, LocalProvider

SECRET = "a-secret-of-the-site-that-is-long-enough"
PAGE = """<!doctype html><meta charset="utf-8"><title>Article</title><h1>An article</h1>
<div id="mc-container"></div>
<script>cackle_widget = [%s]</script><script async src="%s/widget.js"></script>"""


def statement(**claims: Any) -> str:
    """What the site says of its visitor."""
    now = int(time())
    return jwt.encode({"aud": "site:1", "sub": "u9", "name": "Vera", "exp": now + 600, **claims}, SECRET, "HS256")


class SignInTests(BrowserCase):
    """A page of site 1, on an origin of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.provider = LocalProvider()
        self.addCleanup(self.provider.close)
        self.base = server().create()
        self.addCleanup(server().drop, self.base)
        self.daemon = Daemon.for_test(
            self,
            f"[database]\ndsn = {json.dumps(server().dsn(self.base))}\n"
            f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = [{self.provider.port}]\n",
        )
        self.provider.clients[CLIENT].redirects.add(f"{self.daemon.url}/auth/1/acme/callback")
        self.daemon.admin("site set 1 identity.sign_in yes")
        self.daemon.admin(f"site set 1 channel_secret {SECRET}")
        server().execute(
            "insert into sign_in_provider (site_id, name, kind, label, issuer, client_id) values (1, 'acme', 'oidc', "
            "'Acme', %s, %s)", self.provider.url, CLIENT, database=self.base,
        )  # fmt: skip

    def site(self, options: str, host: str = "127.0.0.1") -> str:
        """The address of a page with the widget. Whoever is at *host* ``localhost`` is of another site than we are."""
        given = f"{{widget: 'Comment', id: 1, channel: 'article', {options}}}"
        page = ThreadingHTTPServer(("127.0.0.1", 0), partial(OnePage, PAGE % (given, self.daemon.url)))
        threading.Thread(target=page.serve_forever, daemon=True).start()
        self.addCleanup(page.server_close)
        self.addCleanup(page.shutdown)
        address = f"http://{host}:{page.server_address[1]}"
        self.daemon.admin(f"site origins 1 add {address}")
        return f"{address}/article"

    def signed_in(self, page: Any, name: str = "Olga") -> None:
        """The page shows that somebody writes under their own name."""
        page.wait_for_selector(".mc-form")

        def shown() -> None:
            # A form that is made anew for the person is folded.
            page.locator(".mc-input >> nth=0").focus()
            self.assertTrue(page.locator(f".mc-person >> text={name}").first.is_visible())

        self.soon(shown)

    def test_own_picture(self) -> None:
        """Somebody uploads a picture of themselves and removes it; readers see it; what is no picture is told so."""
        self.daemon.admin("site set 1 identity.own_pictures yes")
        page = self.page(self.site(f"sso: '{statement()}'"))
        self.signed_in(page, "Vera")
        page.fill(".mc-input >> nth=0", "with a face")
        page.click(".mc-formbtn >> nth=0")
        page.wait_for_selector(".mc-list >> text=with a face")
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "me.png").write_bytes(corpus.picture("PNG", (900, 300), "blue"))
        (folder / "me.txt").write_text("no picture")

        def choose(name: str) -> None:
            self.signed_in(page, "Vera")
            page.click(".mc-person .mc-author")
            page.wait_for_selector(".mc-self")
            page.set_input_files(".mc-ownfile", folder / name)

        choose("me.txt")
        page.wait_for_selector(".mc-self .mc-error >> text=picture")
        page.set_input_files(".mc-ownfile", folder / "me.png")
        self.until(page, "!document.querySelector('.mc-self')")
        reader = self.page(self.site(""), context=self.context())

        def faces(count: int) -> None:
            reader.reload()
            reader.wait_for_selector(".mc-list .mc-avatar")
            self.soon(lambda: self.assertEqual(reader.locator(".mc-list img.mc-face").count(), count))

        self.soon(lambda: faces(1))
        self.until(reader, "document.querySelector('.mc-list img.mc-face').naturalWidth === 160")
        reader.click(".mc-list .mc-author >> nth=0")
        reader.wait_for_selector(".mc-card >> text=Report the picture")
        reader.click(".mc-card >> text=Report the picture")
        reader.wait_for_selector(".mc-card >> text=Reported. Thank you.")
        self.signed_in(page, "Vera")
        self.until(page, "document.querySelector('.mc-person img.mc-face').naturalWidth === 160")
        page.click(".mc-person .mc-author")
        page.click(".mc-self >> text=Remove the picture")
        self.until(page, "!document.querySelector('.mc-self')")
        self.soon(lambda: faces(0))

    def test_popup(self) -> None:
        """A guest's comment becomes the person's; name, badge and picture's place are shown; they sign out again."""
        page = self.page(self.site(""))
        self.post(page, "as a guest", "Guesty")
        page.fill(".mc-input >> nth=0", "a draft")
        page.click(".mc-signin")
        with page.expect_popup() as opened:
            page.click(".mc-way >> text=Acme")
        if not opened.value.is_closed():
            opened.value.wait_for_event("close")
        self.signed_in(page)
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input >> nth=0"), "a draft"))
        self.until(page, "document.querySelector('.mc-list .mc-name').textContent === 'Olga'")
        page.click(".mc-formbtn >> nth=0")
        self.until(page, "document.querySelectorAll('.mc-badge.mc-verified').length === 2")
        page.click(".mc-list .mc-author >> nth=0")
        page.wait_for_selector(".mc-self")
        page.keyboard.press("Escape")
        self.until(page, "!document.querySelector('.mc-card')")
        reader = self.page(self.site(""), context=self.context())
        reader.click(".mc-list .mc-author >> nth=0")
        reader.wait_for_selector(".mc-card >> text=2 comments")
        page.reload()
        self.signed_in(page)
        page.click(".mc-person .mc-author")
        page.wait_for_selector(".mc-self")
        page.fill(".mc-self .mc-field", "Olga the Great")
        page.check(".mc-self >> text=Keep my profile private")
        page.click(".mc-self >> text=Save")
        self.until(page, "!document.querySelector('.mc-self')")
        self.signed_in(page, "Olga the Great")

        def private() -> None:
            # Others are shown a profile of some seconds ago.
            reader.reload()
            reader.click(".mc-list .mc-author >> nth=0")
            reader.wait_for_selector(".mc-card >> text=Keeps what they wrote private.", timeout=5000)

        self.soon(private)
        reader.click(".mc-card >> text=Block author")
        reader.wait_for_selector("text=You blocked this author >> nth=0")
        reader.close()
        page.click("text=Sign out")
        self.until(page, "!document.querySelector('.mc-person')")
        page.locator(".mc-input >> nth=0").focus()
        page.wait_for_selector(".mc-nick >> nth=0")
        self.soon(lambda: self.assertEqual(page.locator(".mc-badge >> text=You").count(), 0))

    def test_third_party(self) -> None:
        """A page of another site, in a browser that keeps nothing for third parties: popup, reload, another page."""
        strict = self.browser.browser_type.launch(
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, "--test-third-party-cookie-phaseout", "--enable-features=ThirdPartyStoragePartitioning"],
        )
        self.addCleanup(strict.close)
        site = self.site("", "localhost")
        page = self.page(site, context=strict.new_context())
        page.locator(".mc-input >> nth=0").focus()
        page.fill(".mc-input >> nth=0", "a draft")
        page.click(".mc-signin")
        with page.expect_popup() as opened:
            page.click(".mc-way >> text=Acme")
        opened.value.wait_for_event("close")
        self.signed_in(page)
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input >> nth=0"), "a draft"))
        page.click(".mc-formbtn >> nth=0")
        page.wait_for_selector(".mc-list >> text=a draft")
        page.reload()
        self.signed_in(page)

    def test_phone(self) -> None:
        """No other window there: away and back, with the draft, and nothing left behind the #."""
        phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True,
                 "screen": {"width": 390, "height": 780}}  # fmt: skip
        page = self.page(self.site(""), **phone)
        page.locator(".mc-input >> nth=0").focus()
        page.fill(".mc-input >> nth=0", "from the train")
        page.wait_for_timeout(400)
        page.tap(".mc-signin")
        page.tap(".mc-way >> text=Acme")
        page.wait_for_selector(".mc-person", state="attached")
        self.signed_in(page)
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input >> nth=0"), "from the train"))
        self.assertNotIn("#", page.url)

    def test_single_sign_on(self) -> None:
        """The page's statement signs in by itself; without one, whom the site vouched for is a guest again."""
        site = self.site(f"sso: localStorage.nobody ? undefined : '{statement(badges=['Gold'])}'")
        page = self.page(site)
        self.signed_in(page, "Vera")
        page.fill(".mc-input >> nth=0", "hello")
        page.click(".mc-formbtn >> nth=0")
        page.wait_for_selector(".mc-badge >> text=Gold")
        page.evaluate("localStorage.nobody = '1'")
        page.reload()
        page.wait_for_selector(".mc-header")
        self.until(page, "!document.querySelector('.mc-person')")
        told: list[str] = []
        context = self.context()
        other = context.new_page()
        other.on("console", lambda message: told.append(message.text))
        other.goto(self.site("sso: 'a.b.c'"))
        other.wait_for_selector(".mc-c")
        self.until(other, "!!JSON.parse(localStorage['cackle:1'] || '{}').token")
        self.assertTrue(any("does not hold" in line for line in told), told)

    def test_locks(self) -> None:
        """A locked conversation invites; whoever signs in reads it, live; one may be open to read and not to write."""
        writer = self.page(self.site(""))
        self.post(writer, "for members", "Guesty")
        self.daemon.admin("site set 1 readers signed-in")
        page = self.page(self.site(""), wait=".mc-invite")
        self.soon(lambda: self.assertNotIn("for members", page.inner_text("body")))
        page.click(".mc-signin")
        with page.expect_popup() as opened:
            page.click(".mc-way >> text=Acme")
        if not opened.value.is_closed():
            opened.value.wait_for_event("close")
        page.wait_for_selector("text=for members")
        second = page.context.new_page()
        second.goto(page.url)
        second.wait_for_selector("text=for members")
        second.fill(".mc-input >> nth=0", "live among members")
        second.click(".mc-formbtn >> nth=0")
        page.wait_for_selector("text=live among members")
        self.daemon.admin("site set 1 readers everyone")
        self.daemon.admin("site set 1 writers signed-in")
        reader = self.page(self.site(""))
        reader.wait_for_selector(".mc-invite >> text=Sign in to join the discussion.")
        reader.wait_for_selector("text=for members")
