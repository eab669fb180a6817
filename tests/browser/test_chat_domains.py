"""The chat over the subdomains of a site: one conversation by a cookie, where the page asks for that."""

from __future__ import annotations

from typing import Any

from tests.browser.test_chat import SHADOW
from tests.browser.test_chat_daemon import MOUNT, ChatDaemonCase

# Browsers look such names up nowhere: they are this machine.
DOMAIN = "shop.localhost"


class DomainTests(ChatDaemonCase):
    def there(self, context: Any, name: str, domain: str = DOMAIN) -> Any:
        """The demo's page of chat at a subdomain; what its owner is told stands in `told`."""
        where = self.url.replace("127.0.0.1", f"{name}.{DOMAIN}").replace("//localhost", f"//{name}.{DOMAIN}")
        mount = (MOUNT % 1).replace("id: 1", f"id: 1, cookieDomain: '{domain}'")
        context.route("**/demo/chat.js", lambda route: route.fulfill(body=mount, content_type="text/javascript"))
        page = self.page(f"{where}/demo/chat", context=context, wait="button.b")
        return page

    def test_one_conversation(self) -> None:
        """It goes on at another subdomain, unread counts too; the newest holds; who leaves an old one ends no other."""
        assert self.daemon is not None
        self.daemon.admin(f"site origins 1 add *.{DOMAIN}:*")
        self.opened().close()
        context = self.context()
        one = self.there(context, "one")
        one.click("button.b")
        one.wait_for_selector(".field:visible")
        self.say(one, "Asked at one")
        chat = self.found("Asked at one")
        cookie = [c for c in context.cookies() if c["name"] == "cackle_chat_1"]
        self.assertEqual([(c["domain"], c["sameSite"]) for c in cookie], [(f".{DOMAIN}", "Lax")])
        one.keyboard.press("Escape")
        one.locator(".panel").wait_for(state="hidden")
        self.operator.say(chat, "Answered")
        # Nobody opened it there: what was not read is counted.
        two = self.there(context, "two")
        self.until(two, f"{SHADOW}.querySelector('.n').textContent === '1'")
        two.click("button.b")
        two.wait_for_selector(".bubble:has-text('Asked at one')")
        self.say(two, "Asked at two")
        one.wait_for_selector(".bubble:has-text('Asked at two')", state="attached")
        one.close()
        # Another conversation, of which the first subdomain hears by the cookie alone.
        two.evaluate("Cackle.Chat.logout()")
        self.until(two, f"!{SHADOW}.querySelector('.bubble')")
        self.say(two, "Another matter")
        one = self.there(context, "one")
        one.wait_for_selector(".bubble:has-text('Another matter')", state="attached")
        self.assertEqual(one.locator(".bubble:has-text('Asked at one')").count(), 0)

    def test_refused_domain(self) -> None:
        """A domain that the host does not lie in sets nothing, and the page's owner is told."""
        assert self.daemon is not None
        self.daemon.admin(f"site origins 1 add *.{DOMAIN}:*")
        self.opened().close()
        context = self.context()
        page = self.there(context, "one", "other.localhost")
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.click("button.b")
        page.wait_for_selector(".field:visible")
        self.say(page, "Here alone")
        self.soon(lambda: self.assertTrue([one for one in told if "cookieDomain" in one], told))
        self.assertEqual([c for c in context.cookies() if c["name"].startswith("cackle_chat")], [])
