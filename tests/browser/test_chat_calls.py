"""`Cackle.Chat` on a strict page: the calls that a site's own code makes, who its visitor is, and links of letters."""

from __future__ import annotations

import time
from typing import Any

import jwt
import psycopg2
from twisted.internet.defer import Deferred

from cackled.database import stale_files
from cackled.domain.signed_links import SignedLinks
from tests.browser.test_chat import SHADOW
from tests.browser.test_chat_daemon import MOUNT, ChatDaemonCase, Operator
from tests.browser.test_widget import STRICT

# The demo has an icon.
POLICY = STRICT.replace("img-src https:", "img-src https: 'self'")
SECRET = "secret of this site, which is long enough"
QUEUED = """window.Cackle = window.Cackle || {}; Cackle.Chat = Cackle.Chat || []; window.told = [];
Cackle.Chat.push(['setAttributes', {plan: 'gold', cart: '3'}], ['addTag', 'vip'], ['addTag', 'old'],
    ['once', 'open', () => told.push('once')], ['on', 'open', () => told.push('on')], ['setOffset', 0, 80]);
Cackle.Chat.push(['deleteAttribute', 'cart'], ['removeTag', 'old'], ['trackEvent', 'added', {sku: 7}]);"""


class CallTests(ChatDaemonCase):
    """A site of its own, on a page whose policy allows nothing but its own files."""

    def setUp(self) -> None:
        super().setUp()
        assert self.daemon is not None
        self.site = self.daemon.admin('site add "Strict" 127.0.0.1:*')["site"]
        self.daemon.admin(f"site set {self.site} chat.enabled yes")
        self.daemon.admin(f"site set {self.site} channel_secret {SECRET!r}".replace("'", '"'))
        told = self.daemon.admin(f"account add calls{self.site}@staff.example --role operator --site {self.site}")
        page = self.page(told["link"], context=self.context(), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        self.operator = Operator.__new__(Operator)
        self.operator.page, self.operator.site = page, self.site
        self.operator.url = page.url.partition("/panel")[0]
        self.operator.online()
        self.addCleanup(self.operator.leave)

    def strict(self, context: Any, before: str = "", path: str = "/demo/chat") -> Any:
        """The demo's page of chat for this site under a strict policy; *before* runs before anything is loaded."""

        def policed(route: Any) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})

        first = f"{self.url}/bootstrap?widget=Chat&site={self.site}"
        context.route("**/demo/chat", policed)
        context.route("**/demo/chat.js", lambda route: route.fulfill(
            body=before + MOUNT % self.site, content_type="text/javascript"))  # fmt: skip

        def known() -> None:
            self.operator.beat()
            self.assertEqual(context.request.get(first).json()["chat"]["status"], "online")

        self.soon(known)
        return self.page(self.url + path, context=context, wait="button.b")

    def card(self, chat: str) -> dict[str, Any]:
        """What operators see beside the conversation."""
        return dict(self.operator.ask("GET", f"/{chat}")["card"])

    def test_calls(self) -> None:
        """Calls of before the load, attributes, tags and events, a language, listeners; with Trusted Types."""
        page = self.strict(self.context(), QUEUED)
        self.until(page, f"[...{SHADOW}.children].some(n => n.style.getPropertyValue('--y') === '80px')")
        page.click("button.b")
        # Escape is heard where the focus is, which comes to the field when the panel has been drawn.
        self.until(page, f"!!{SHADOW}.activeElement?.matches('.field')")
        page.keyboard.press("Escape")
        page.locator(".panel").wait_for(state="hidden")
        page.click("button.b")
        self.until(page, "told.length === 3")
        self.soon(lambda: self.assertEqual(page.evaluate("told"), ["once", "on", "on"]))
        self.say(page, "Strictly speaking")
        chat = self.found("Strictly speaking")
        self.soon(lambda: self.assertEqual(self.card(chat)["tags"], ["vip"]))
        card = self.card(chat)
        self.assertEqual(card["attributes"], {"plan": "gold", "event": 'added {"sku":7}'})
        page.evaluate("Cackle.Chat.push(['deleteAttribute', 'plan'], ['removeTag', 'vip'], ['off', 'open'])")
        self.soon(lambda: self.assertEqual(self.card(chat)["tags"], []))
        self.assertEqual(list(self.card(chat)["attributes"]), ["event"])
        page.evaluate("Cackle.Chat.push(['setLocale', 'de'])")
        self.until(page, f"{SHADOW}.querySelector('.field')?.placeholder.includes('Nachricht')")
        told = "[Cackle.Chat.isOpen(), Cackle.Chat.getStatus(), Cackle.Chat.unreadCount()]"
        self.soon(lambda: self.assertEqual(page.evaluate(told), [True, "online", 0]))
        page.evaluate("Cackle.Chat.push(['close'], ['open'])")
        self.soon(lambda: self.assertEqual(page.evaluate("told.length"), 3))

    def test_person(self) -> None:
        """Whom the site vouches for is verified; when they sign out, nothing of them is left here, in no tab."""
        now = int(time.time())
        token = jwt.encode({"sub": "42", "name": "Vera", "email": "vera@example.org", "aud": f"site:{self.site}",
                            "iat": now, "exp": now + 600}, SECRET, algorithm="HS256")  # fmt: skip
        context = self.context()
        page = self.strict(context)
        page.evaluate("t => Cackle.Chat.push(['identify', '42', {name: 'Vera'}, t], ['open'])", token)
        page.wait_for_selector(".field:visible")
        self.say(page, "It is me")
        chat = self.found("It is me")
        row = self.operator.ask("GET", f"/{chat}")
        self.assertEqual((row["chat"]["visitor"]["name"], row["chat"]["visitor"]["verified"]), ("Vera", True))
        other = self.page(f"{self.url}/demo/chat", context=context, wait="button.b")
        other.wait_for_selector(".bubble:has-text('It is me')", state="attached")
        page.evaluate("Cackle.Chat.push(['logout'])")
        for one in (page, other):
            self.until(one, f"!{SHADOW}.querySelector('.bubble')")
            self.until(one, "!Object.values(localStorage).some(text => /It is me|Vera/.test(text))")
        self.soon(lambda: self.assertEqual(self.operator.ask("GET", f"/{chat}")["chat"]["state"], "closed"))

    def test_link(self) -> None:
        """A link from a letter goes on with the conversation in another browser, once, and leaves the address."""
        page = self.strict(self.context())
        page.click("button.b")
        page.wait_for_selector(".field:visible")
        self.say(page, "To be continued")
        chat = self.found("To be continued")
        assert self.daemon is not None
        where = f"host={self.daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
        connection = psycopg2.connect(where)
        with connection, connection.cursor() as cursor:
            cursor.execute("select value from catalog.secret where name = 'session'")
            ((secret,),) = cursor.fetchall()
        connection.close()

        async def give(name: str) -> bytes:
            return bytes(secret)

        links = SignedLinks(give, time.time)
        made: list[Any] = []
        Deferred.fromCoroutine(links.token(self.site, "chat", int(chat), 1, 0)).addCallback(made.append)
        place = f"/demo/chat#cackled-chat={made[0][0]}"
        second = self.strict(self.context(), path=place)
        second.wait_for_selector(".bubble:has-text('To be continued')")
        self.soon(lambda: self.assertEqual(second.evaluate("location.hash"), ""))
        self.say(second, "And here I am")
        page.wait_for_selector(".bubble:has-text('And here I am')")
        third = self.strict(self.context(), path=place)
        third.wait_for_selector(".panel:visible")
        self.soon(lambda: self.assertEqual(third.locator(".bubble").count(), 0))
        self.until(third, f"!!{SHADOW}.querySelector('.panel [role=alert], .panel .err')?.innerText")
