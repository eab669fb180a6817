"""The Login widget, and the options of Cackle that have to do with signing in, before a real daemon and a provider."""

from __future__ import annotations

import json
from typing import Any

from cackled.database.testing import server
from tests.browser.test_adapters import Pages
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon
from tests.support.provider import CLIENT, LocalProvider

WAYS = "[...document.querySelectorAll('.mc-way')].map(n => n.textContent)"


class LoginTests(BrowserCase):
    """Pages of site 1, where Acme, Bureau, and mail are ways to sign in."""

    shared: tuple[LocalProvider, Daemon, Pages] | None = None

    def setUp(self) -> None:
        super().setUp()
        if LoginTests.shared is None:
            provider, pages = LocalProvider(), Pages()
            base = server().create()
            daemon = Daemon(
                f"[database]\ndsn = {json.dumps(server().dsn(base))}\n"
                f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = [{provider.port}]\n"
            )
            for name in ("acme", "bureau"):
                provider.clients[CLIENT].redirects.add(f"{daemon.url}/auth/1/{name}/callback")
                server().execute(
                    "insert into sign_in_provider (site_id, name, kind, label, issuer, client_id, position) "
                    "values (1, %s, 'oidc', %s, %s, %s, 1)",
                    name, name.title(), provider.url, CLIENT, database=base,
                )  # fmt: skip
            server().execute(
                "insert into sign_in_provider (site_id, name, kind, label, issuer, client_id, position) "
                "values (1, 'letter', 'mail', '', '', '', 2)", database=base,
            )  # fmt: skip
            daemon.admin("site set 1 identity.sign_in yes")
            daemon.admin(f"site origins 1 add {pages.url}")
            LoginTests.shared = provider, daemon, pages
        self.provider, self.daemon, self.pages = LoginTests.shared

    def host(self, widgets: str, body: str = "", wait: str = ".mc-loginbutton") -> Any:
        """A page with the widgets (JavaScript), opened."""
        self.pages.files["/page"] = ("text/html", (
            "<!doctype html><html lang=en><meta charset=utf-8><title>Article</title>"
            f'<header><div id="mc-login"></div></header>{body}<div id="mc-container"></div>'
            f"<script>told = []; cackle_widget = [{widgets}];</script>"
            f'<script async src="{self.daemon.url}/widget.js"></script>'
        ))  # fmt: skip
        self.pages.files["/entered"] = ("text/html", "<!doctype html><title>Entered</title>")
        return self.page(f"{self.pages.url}/page", wait=wait, context=self.context(locale="en-US"))

    def enter(self, page: Any, way: str = "Acme") -> None:
        page.click(".mc-loginbutton")
        with page.expect_popup() as opened:
            page.click(f"#mc-login .mc-way >> text={way}")
        if not opened.value.is_closed():
            opened.value.wait_for_event("close")

    def test_together(self) -> None:
        """Signing in and out in one place is heard of in the other; callbacks are called; another tab follows."""
        page = self.host(
            """{widget: 'Login', id: 1, callbackjs: (token, user) => told.push(['js', token.length > 20, user.name]),
                callback: {loggedin: [user => told.push(['in', user.name])], logout: () => told.push(['out'])}},
               {widget: 'Comment', id: 1, channel: 'login', callback: {loggedin: [e => told.push(['c', e.name])]}}"""
        )
        page.wait_for_selector(".mc-form")
        page.fill(".mc-input >> nth=0", "a draft")
        self.enter(page)
        page.wait_for_selector(".mc-loginname >> text=Olga")
        page.wait_for_selector(".mc-person >> text=Olga", state="attached")
        self.until(page, "document.querySelector('.mc-input').value === 'a draft'")
        self.until(page, "told.length > 1")
        told = page.evaluate("told")
        self.assertIn(["in", "Olga"], told)
        self.assertIn(["js", True, "Olga"], told)
        other = page.context.new_page()
        other.goto(page.url)
        other.wait_for_selector(".mc-loginname >> text=Olga")
        # One's own card, with the keyboard alone.
        page.focus(".mc-loginname")
        page.keyboard.press("Enter")
        page.wait_for_selector("#mc-login .mc-self")
        page.keyboard.press("Escape")
        self.until(page, "!document.querySelector('#mc-login .mc-card')")
        page.click(".mc-loginout")
        page.wait_for_selector(".mc-loginbutton")
        self.until(page, "!document.querySelector('.mc-person')")
        self.until(page, "told.some(one => one[0] === 'out')")
        other.wait_for_selector(".mc-loginbutton")
        # The other way round: comments sign in, Login shows it.
        page.locator(".mc-input >> nth=0").focus()
        page.click("#mc-container .mc-signin")
        with page.expect_popup() as opened:
            page.click("#mc-container .mc-way >> text=Bureau")
        if not opened.value.is_closed():
            opened.value.wait_for_event("close")
        page.wait_for_selector(".mc-loginname >> text=Olga")

    def test_no_way(self) -> None:
        """Escape closes the menu of ways while they are asked for, and where there is none; focus is where it was."""
        page = self.host("{widget: 'Login', id: 1}, {widget: 'Comment', id: 1, channel: 'login'}")
        held: list[Any] = []
        page.route("**/sign-in*", lambda route: held.append(route))
        for opener in ("#mc-login .mc-loginbutton", "#mc-container .mc-signin"):
            page.wait_for_selector(opener, state="attached")
            for answered in (False, True):
                if "container" in opener:
                    page.locator(".mc-input >> nth=0").focus()
                page.click(opener)
                page.wait_for_selector(".mc-ways", state="attached")
                self.soon(lambda: self.assertTrue(held))
                route = held.pop()
                if answered:
                    route.fulfill(json={"ways": []})
                    page.wait_for_selector(".mc-ways .mc-note")
                self.soon(
                    lambda: self.assertTrue(
                        page.evaluate(f"document.activeElement === document.querySelector('{opener}')")
                    )
                )
                page.keyboard.press("Escape")
                self.until(page, "!document.querySelector('.mc-ways')")
                self.soon(lambda: self.assertEqual(page.get_attribute(opener, "aria-expanded"), "false"))
                if not answered:
                    route.abort()

    def test_alone(self) -> None:
        """Without other widgets, in its own element and language; `redirect` gets the token by POST."""
        page = self.host(
            "{widget: 'Login', id: 1, lang: 'ru', container: 'mine', redirect: '/entered'}", '<p id="mine"></p>'
        )
        self.soon(lambda: self.assertEqual(page.inner_text("#mine .mc-loginbutton"), "Войти"))
        page.click(".mc-loginbutton")
        with page.expect_request(lambda one: one.url.endswith("/entered") and one.method == "POST") as sent:
            page.click("#mine .mc-way >> text=Acme")
        self.assertTrue(sent.value.post_data.startswith("token="))
        page.context.close()
        # A script is no place to go to; an element that is not there harms nothing.
        page = self.host(
            """{widget: 'Login', id: 1, redirect: 'javascript:window.bad = 1'},
               {widget: 'Login', id: 1, container: 'none'}, {widget: 'Comment', id: 1, channel: 'login'}"""
        )
        self.enter(page)
        page.wait_for_selector(".mc-loginname >> text=Olga")
        page.wait_for_selector(".mc-header")
        self.assertIsNone(page.evaluate("window.bad || null"))

    def ways(self, options: str) -> list[str]:
        """What is offered with *options*."""
        page = self.host(f"{{widget: 'Login', id: 1, {options}}}")
        page.click(".mc-loginbutton")
        page.wait_for_selector(".mc-way")
        found: list[str] = page.evaluate(WAYS)
        page.context.close()
        return found

    def test_providers(self) -> None:
        """`providers` chooses and orders the ways, by name or kind; `other` are the rest; none of them: all."""
        self.assertEqual(self.ways("providers: 'bureau;email;'"), ["Bureau", "By mail"])
        self.assertEqual(self.ways("providers: ['mail', 'other']"), ["By mail", "Acme", "Bureau"])
        self.assertEqual(self.ways("providers: {}"), ["Acme", "Bureau", "By mail"])

    def test_own_windows(self) -> None:
        """`authPopup` opens the page's own window; with `ssoPrimary` its `ssoProvider` is gone to without a choice."""
        page = self.host(
            """{widget: 'Login', id: 1, authPopup: () => told.push('popup')},
               {widget: 'Comment', id: 1, channel: 'own', authPopup: () => told.push('comments')}"""
        )
        page.click(".mc-loginbutton")
        page.wait_for_selector(".mc-form")
        page.locator(".mc-input >> nth=0").focus()
        page.click("#mc-container .mc-signin")
        self.until(page, "told.length > 1")
        self.soon(lambda: self.assertEqual(page.evaluate("told"), ["popup", "comments"]))
        self.soon(lambda: self.assertEqual(page.locator(".mc-way").count(), 0))
        page.context.close()
        page = self.host(
            """{widget: 'Login', id: 1, ssoPrimary: true, ssoProvider: {name: 'Ours', url: '/entered', width: 300}}"""
        )
        with page.expect_popup() as opened:
            page.click(".mc-loginbutton")
        self.assertTrue(opened.value.url.endswith("/entered"))
        page.context.close()
        page = self.host(
            """{widget: 'Login', id: 1, providers: 'acme',
                ssoProvider: {name: 'Ours', url: 'javascript:alert(1)', logo: 'javascript:alert(1)'}}"""
        )
        page.click(".mc-loginbutton")
        page.wait_for_selector(".mc-way")
        self.soon(lambda: self.assertEqual(page.evaluate(WAYS), ["Acme"]))
