"""The operators' console in a browser, before the daemon: two operators through the life of a chat, and each page."""

from __future__ import annotations

import io
import json
import time
from typing import Any

from PIL import Image

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS, PanelCase
from tests.support.browser import PATIENCE
from tests.support.client import Visitor, call


def picture() -> bytes:
    """A small PNG."""
    made = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(made, "PNG")
    return made.getvalue()


class ConsoleCase(PanelCase):
    """A site with chat for each test, visitors who write by the API, operators in the panel."""

    site = 0

    def setUp(self) -> None:
        super().setUp()
        self.site = self.daemon.admin('site add "Lamps" 127.0.0.1')["site"]
        self.daemon.admin(f"site set {self.site} chat.enabled true")

    def operator(self, name: str, role: str = "operator", **options):
        """An operator at the desk, signed in: away, as everybody who opens the console for the first time."""
        mail = f"{name}@site{self.site}.example"
        told = self.daemon.admin(f"account add {mail} --role {role} --site {self.site}")
        context = self.context(**{"viewport": {"width": 1300, "height": 850}, **options})
        page = self.page(told["link"], context=context, wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        self.console(page)
        return page

    def console(self, page, query: str = "") -> None:
        """The console, once it listens."""
        self.at(page, f"/sites/{self.site}/chat{query}", "Chat")
        page.locator(".desk .dot.away, .desk .dot.online").wait_for()
        self.until(page, "!document.querySelector('.chat-rows .skeleton, .chat-bar.warn')")

    def online(self, page, capacity: int | None = None) -> None:
        """The operator takes chats; with *capacity* 0 they choose them by hand."""
        if capacity is not None:
            page.get_by_role("button", name="My desk").click()
            page.get_by_role("dialog").get_by_label("Chats at once").fill(str(capacity))
            page.get_by_role("dialog").get_by_role("button", name="Save").click()
            page.get_by_role("dialog").wait_for(state="detached")
        page.get_by_label("My state").select_option("online")
        page.locator(".desk .dot.online").wait_for()
        # Visitors are told within some seconds; what begins before is an offline message.
        first = f"{self.url}/bootstrap?widget=Chat&site={self.site}"
        self.soon(lambda: self.assertEqual(call(first).json()["chat"]["status"], "online"))

    def ask(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Any:
        """A visitor's call of the site's chats."""
        url = f"{self.url}/api/v1/sites/{self.site}/chats{path}"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        answer = call(url, method, body, Content_Type="application/json", **headers)
        self.assertLess(answer.status, 300, answer.body)
        return answer.json() if answer.body else None

    def start(self, name: str, text: str, by: Visitor | None = None, **more: Any) -> tuple[str, str]:
        """A visitor, *by* or somebody new, begins a chat; its id and its token."""
        session = (by or Visitor(self.url, self.site, name)).token
        made = self.ask("POST", "", {"key": f"start-{name}", "text": text, "name": name, **more}, session)
        return made["chat"], made["token"]

    def say(self, chat: tuple[str, str], text: str) -> None:
        """The visitor goes on."""
        self.ask("POST", f"/{chat[0]}/messages", {"text": text}, chat[1], Idempotency_Key=f"said-{text}")

    def read(self, chat: tuple[str, str]) -> str:
        """All that the visitor is given of their chat."""
        both = self.ask("GET", f"/{chat[0]}", token=chat[1]), self.ask("GET", f"/{chat[0]}/messages", token=chat[1])
        return json.dumps(both, ensure_ascii=False)

    def row(self, page, name: str):
        """The row of a visitor's chat."""
        return page.locator(".chat-row", has_text=name)

    def write(self, page, text: str, box: str = "Reply") -> None:  # type: ignore[override]
        """Write a reply or a note, and send it."""
        field = page.get_by_role("textbox", name=box, exact=True)
        field.fill(text)
        field.press("Enter")

    def until_held(self, page, held: list[Any]) -> None:
        """Wait until a request of the page is held back."""
        end = time.monotonic() + PATIENCE / 1000
        while not held:
            self.assertLess(time.monotonic(), end, "nothing was asked")
            page.wait_for_timeout(20)

    def sent(self, page, text: str) -> None:
        """Wait until the server has acknowledged it."""
        page.locator(".line.ours:not(.waiting)", has_text=text).wait_for()


class LifeTests(ConsoleCase):
    """Chats from their beginning to their end."""

    def test_life(self) -> None:
        """Taken, answered once, noted, transferred with a note, closed, opened again; notes never reach the visitor."""
        ann, ben = self.operator("ann"), self.operator("ben")
        for page in (ann, ben):
            self.online(page, capacity=0)
        chat = self.start("Ada", "Where is my order?")
        for page in (ann, ben):
            self.row(page, "Ada").wait_for()
            page.locator(".chat-lists a", has_text="Waiting").locator(".count", has_text="1").wait_for()
        self.row(ann, "Ada").click()
        ann.locator(".bubble", has_text="Where is my order?").wait_for()
        ann.get_by_role("button", name="Take", exact=True).click()
        ann.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        # It is nobody's to take any more.
        self.until(ben, "!document.querySelector('.chat-row')")
        self.write(ann, "Let me look")
        self.sent(ann, "Let me look")
        self.soon(lambda: self.assertEqual(self.read(chat).count('"text": "Let me look"'), 1))
        ann.get_by_role("button", name="Note", exact=True).click()
        self.write(ann, "canary-note", "Note")
        ann.locator(".line.note", has_text="canary-note").wait_for()
        ann.locator(".talk-head").get_by_role("button", name="Actions").click()
        ann.get_by_role("menuitem", name="Transfer").click()
        dialog = ann.get_by_role("dialog")
        dialog.get_by_label("Colleague").select_option(label="ben · Online")
        dialog.get_by_label("Note").fill("canary-hand-over")
        dialog.get_by_role("button", name="Transfer").click()
        dialog.wait_for(state="detached")
        ben.get_by_role("link", name="Mine").click()
        self.row(ben, "Ada").click()
        for words in ("canary-note", "canary-hand-over"):
            ben.locator(".line.note", has_text=words).wait_for()
        ben.locator(".talk-head").get_by_role("button", name="Close").click()
        ben.get_by_role("dialog").locator("button.primary").click()
        ben.get_by_text("This chat is closed.").wait_for()
        told = self.read(chat)
        self.assertNotIn("canary", told)
        self.assertIn('"state": "closed"', told)
        ben.locator(".talk-head").get_by_role("button", name="Reopen").click()
        ben.get_by_role("textbox", name="Reply", exact=True).wait_for()

    def test_collision(self) -> None:
        """Who answers after a colleague did without having seen that is warned, sees it, and decides."""
        ann, ben = self.operator("ann"), self.operator("ben")
        for page in (ann, ben):
            self.online(page, capacity=0)
        self.start("Grace", "Do you have this in blue?")
        for page in (ann, ben):
            self.row(page, "Grace").click()
            page.locator(".bubble", has_text="in blue?").wait_for()
        ann.get_by_text("Also looking at this: ben").wait_for()
        ann.get_by_role("button", name="Take", exact=True).click()
        ann.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        ben.locator(".talk-head", has_text="ann").wait_for()
        # Ben's reply is on its way while Ann's arrives.
        held: list[Any] = []
        ben.route("**/messages", lambda route: held.append(route) if not held else route.continue_())
        self.write(ben, "No, in green")
        self.until_held(ben, held)
        self.write(ann, "Yes, we do")
        self.sent(ann, "Yes, we do")
        held[0].continue_()
        box = ben.get_by_role("alertdialog")
        box.get_by_text("Yes, we do").wait_for()
        self.assertEqual(ann.locator(".bubble", has_text="No, in green").count(), 0)
        box.get_by_role("button", name="Back to my text").click()
        self.until(ben, "document.querySelector('.composer textarea').value === 'No, in green'")
        ben.get_by_role("textbox", name="Reply", exact=True).press("Enter")
        self.sent(ben, "No, in green")
        ann.locator(".bubble", has_text="No, in green").wait_for()

    def test_capacity(self) -> None:
        """Away: nothing is handed out. Online: as many as there is room for, the longest waiting first."""
        page = self.operator("cleo")
        self.online(page, capacity=0)
        for name in ("Ada", "Bea", "Cem"):
            self.start(name, f"Hello from {name}")
            self.row(page, name).wait_for()
        page.get_by_label("My state").select_option("away")
        page.locator(".desk .dot.away").wait_for()
        self.online(page, capacity=2)
        # Of three, two are mine now; one waits.
        self.until(page, "[...document.querySelectorAll('.chat-row')].map(n => n.innerText).join().includes('Cem')")
        self.until(page, "document.querySelectorAll('.chat-row').length === 1")
        page.get_by_role("link", name="Mine").click()
        for name in ("Ada", "Bea"):
            self.row(page, name).wait_for()
        self.row(page, "Ada").click()
        page.locator(".talk-head").get_by_role("button", name="Close").click()
        page.get_by_role("dialog").locator("button.primary").click()
        # There is room again.
        self.row(page, "Cem").wait_for()

    def test_company(self) -> None:
        """Typing is seen by all; a colleague helps and leaves; a picture is sent; the visitor is blocked."""
        self.daemon.admin(f"site set {self.site} media.pictures true")
        ann, ben = self.operator("ann"), self.operator("ben")
        for page in (ann, ben):
            self.online(page, capacity=0)
        chat = self.start("Ada", "Look at this")
        self.row(ann, "Ada").click()
        ann.get_by_role("button", name="Take", exact=True).click()
        ann.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        self.console(ben, f"?list=others&chat={chat[0]}")
        ben.locator(".bubble", has_text="Look at this").wait_for()
        self.until_typing(ann, ben, chat)
        ann.locator(".talk-head").get_by_role("button", name="Actions").click()
        ann.get_by_role("menuitem", name="Invite").click()
        ann.get_by_role("dialog").get_by_label("Colleague").select_option(label="ben · Online")
        ann.get_by_role("dialog").locator("form button.primary").click()
        ann.get_by_role("dialog").wait_for(state="detached")
        ben.get_by_role("link", name="Mine").click()
        self.row(ben, "Ada").wait_for()
        ben.locator(".talk-head").get_by_role("button", name="Actions").click()
        ben.get_by_role("menuitem", name="Leave the chat").click()
        self.until(ben, "!document.querySelector('.chat-row')")
        ann.locator(".composer textarea").fill("")
        ann.locator(".composer input[type=file]").set_input_files(
            {"name": "dot.png", "mimeType": "image/png", "buffer": picture()}
        )
        ann.locator(".chosen-files li").wait_for()
        self.until(ann, "!document.querySelector('.composer .primary').disabled")
        ann.locator(".composer .primary").click()
        ben.locator(".chat-files img").wait_for()
        self.soon(lambda: self.assertIn('"files": [{"id"', self.read(chat)))
        ann.locator(".talk-head").get_by_role("button", name="Actions").click()
        ann.get_by_role("menuitem", name="Block").click()
        ann.get_by_role("dialog").locator("form button.primary").click()
        ann.get_by_text("This chat is closed.").wait_for()

    def until_typing(self, ann, ben, chat: tuple[str, str]) -> None:
        """Each sees that the others write."""
        field = ann.get_by_role("textbox", name="Reply", exact=True)
        end = time.monotonic() + PATIENCE / 1000
        while not ben.locator(".chat-bar.warn", has_text="ann is writing a reply").count():
            self.assertLess(time.monotonic(), end)
            field.press("x")
            ben.wait_for_timeout(200)
        while not ann.locator(".typing", has_text="is writing").count():
            self.assertLess(time.monotonic(), end)
            self.ask("PUT", f"/{chat[0]}/typing", {}, chat[1])
            ann.wait_for_timeout(1000)


class RowTests(ConsoleCase):
    """Rows of lists, while no chat is open."""

    def test_live(self) -> None:
        """Words, counts and the title follow what is said in chats that are mine or shown, also after a loss."""
        ann, ben = self.operator("ann"), self.operator("ben")
        self.online(ann, capacity=5)
        chat = self.start("Ada", "first-words")
        self.console(ann, "?list=mine")
        self.console(ben, "?list=others")
        for page in (ann, ben):
            self.row(page, "Ada").get_by_text("first-words").wait_for()
        self.say(chat, "second-words")
        for page in (ann, ben):
            self.row(page, "Ada").get_by_text("second-words").wait_for()
            self.row(page, "Ada").locator(".count", has_text="2").wait_for()
        # Mine, whichever list is shown.
        ann.locator(".chat-lists a", has_text="Waiting").click()
        self.until(ann, "!document.querySelector('.chat-row')")
        ann.locator(".chat-lists a", has_text="Mine").locator(".count", has_text="1").wait_for()
        self.until(ann, "document.title.startsWith('(1)')")
        self.console(ann, "?list=mine")
        # Both lose the connection; what was said meanwhile is there when it is back.
        for page in (ann, ben):
            page.context.set_offline(True)
        self.say(chat, "third-words")
        for page in (ann, ben):
            page.context.set_offline(False)
            self.row(page, "Ada").get_by_text("third-words").wait_for()
            self.row(page, "Ada").locator(".count", has_text="3").wait_for()
        self.row(ann, "Ada").click()
        ann.locator(".bubble", has_text="third-words").wait_for()
        self.until(ben, "!document.querySelector('.chat-row .count')")


class DeskTests(ConsoleCase):
    """What an operator has around the chats."""

    def test_away(self) -> None:
        """A new operator is away, sees so, and is online with one click; menu and title count what waits."""
        page = self.operator("dora", "owner")
        bar = page.locator(".away-bar", has_text="You are away")
        bar.get_by_role("button", name="Go online").click()
        page.locator(".desk .dot.online").wait_for()
        bar.wait_for(state="detached")
        self.online(page, capacity=0)
        chat = self.start("Ada", "Hello?")
        page.locator(".menu a", has_text="Chat").locator(".count", has_text="1").wait_for()
        self.until(page, "document.title.startsWith('(1) ')")
        # It goes on while other pages are looked at.
        page.locator(".menu a", has_text="Queue").click()
        page.get_by_role("heading", name="Queue", level=1).wait_for()
        self.start("Bea", "Hello, too")
        page.locator(".menu a", has_text="Chat").locator(".count", has_text="2").wait_for()
        page.locator(".menu a", has_text="Chat").click()
        self.row(page, "Ada").click()
        # The first Escape leaves the field for a reply; before that is there, it would leave the chat.
        self.until(page, "document.activeElement?.matches('.composer textarea')")
        page.keyboard.press("Escape")
        page.keyboard.press("t")
        page.locator(".menu a", has_text="Chat").locator(".count", has_text="1").wait_for()
        self.soon(lambda: self.assertIn('"state": "open"', self.read(chat)))

    def test_replies(self) -> None:
        """A canned reply is written, found by its slash, filled in, counted, changed and removed."""
        page = self.operator("emil")
        self.online(page, capacity=0)
        self.start("Ada", "Hello?")
        self.at(page, f"/sites/{self.site}/chat/replies", "Canned replies")
        page.get_by_role("button", name="New canned reply").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("hi")
        dialog.get_by_label("Text").fill("Hi {visitor.name|there}, {operator.name} here")
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        page.get_by_role("link", name="Chat", exact=True).last.click()
        self.row(page, "Ada").click()
        field = page.locator(".composer textarea")
        field.fill("/h")
        page.get_by_role("option", name="/hi").wait_for()
        field.press("Enter")
        self.until(page, "document.querySelector('.composer textarea').value === 'Hi Ada, emil here'")
        field.press("Enter")
        self.sent(page, "Hi Ada, emil here")
        self.at(page, f"/sites/{self.site}/chat/replies", "Canned replies")
        page.get_by_role("cell", name="1", exact=True).wait_for()
        page.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        page.get_by_text("There are no canned replies yet.").wait_for()

    def test_hours_and_setup(self) -> None:
        """Hours and forms are saved as they are written, and visitors are given them."""
        page = self.operator("fred", "owner")
        self.at(page, f"/sites/{self.site}/chat/hours", "Opening hours")
        page.get_by_label("Time zone").fill("Europe/Berlin")
        page.get_by_label("Always open").uncheck()
        monday = page.get_by_label("Monday")
        monday.fill("9-17")
        page.get_by_text("Write ranges such as").wait_for()
        self.soon(lambda: self.assertTrue(page.get_by_role("button", name="Save").is_disabled()))
        monday.fill("9:00–12:00, 22:00-02:00")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved").first.wait_for()
        page.reload()
        self.until(page, "document.querySelector('.hours input:not([type=checkbox])')?.value"
                         " === '09:00-12:00, 22:00-02:00'")  # fmt: skip
        self.at(page, f"/sites/{self.site}/chat/setup", "Setup")
        page.locator("section.panel", has_text="Greeting").get_by_label("Text").fill("Welcome to the lamps")
        before = page.get_by_role("group", name="Form before a chat")
        before.get_by_role("button", name="Add").click()
        before.get_by_label("Label").fill("Order number")
        before.get_by_label("Name for programs").fill("order")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved").first.wait_for()
        first = f"{self.url}/bootstrap?widget=Chat&site={self.site}"
        self.soon(lambda: self.assertEqual(call(first).json()["chat"]["greeting"]["text"], "Welcome to the lamps"))
        self.soon(lambda: self.assertEqual(call(first).json()["chat"]["before"][0]["label"], "Order number"))


class LossTests(ConsoleCase):
    """What happens to words when something fails."""

    def test_connection(self) -> None:
        """Without a connection a reply waits and is written once when it is back; a draft outlives the page."""
        page = self.operator("gina")
        self.online(page, capacity=0)
        chat = self.start("Ada", "Hello?")
        self.row(page, "Ada").click()
        page.get_by_role("button", name="Take", exact=True).click()
        page.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        page.context.set_offline(True)
        self.write(page, "Are you there?")
        page.locator(".line.waiting", has_text="Are you there?").get_by_role("button", name="Try again").wait_for()
        page.context.set_offline(False)
        self.sent(page, "Are you there?")
        self.soon(lambda: self.assertEqual(self.read(chat).count('"text": "Are you there?"'), 1))
        page.locator(".composer textarea").fill("Not yet sent")
        page.reload()
        self.until(page, "document.querySelector('.composer textarea')?.value === 'Not yet sent'")

    def test_signed_out(self) -> None:
        """Whoever is signed out while they send finds their words when they are back."""
        page = self.operator("hugo")
        self.online(page, capacity=0)
        chat = self.start("Ada", "Hello?")
        self.row(page, "Ada").click()
        page.get_by_role("button", name="Take", exact=True).click()
        page.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        cookies = page.context.cookies()
        page.get_by_role("textbox", name="Reply", exact=True).fill("Long and dear")
        page.context.clear_cookies()
        # The console itself may find out first.
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Sign in", level=1).wait_for()
        page.context.add_cookies(cookies)
        self.console(page, f"?list=mine&chat={chat[0]}")
        self.until(page, "document.querySelector('.composer textarea')?.value === 'Long and dear'")

    def test_tabs(self) -> None:
        """Two tabs of one operator: one person looks, the draft is the same, what is sent leaves both."""
        ann, ben = self.operator("ann"), self.operator("ben")
        for page in (ann, ben):
            self.online(page, capacity=0)
        chat = self.start("Ada", "Hello?")
        second = self.page("about:blank", context=ann.context, wait="")
        second.goto(ann.url)
        for page in (ann, second, ben):
            self.console(page, f"?chat={chat[0]}")
            page.locator(".bubble", has_text="Hello?").wait_for()
        ben.get_by_text("Also looking at this: ann", exact=True).wait_for()
        ann.bring_to_front()
        ann.locator(".composer textarea").fill("Hello, Ada")
        self.write(ann, "Hello, Ada")
        for page in (ann, second, ben):
            page.locator(".line.ours:not(.waiting)", has_text="Hello, Ada").wait_for()
        self.until(second, "document.querySelector('.composer textarea').value === ''")
        self.soon(lambda: self.assertEqual(self.read(chat).count('"text": "Hello, Ada"'), 1))

    def test_other_site(self) -> None:
        """A chat of another site is not there, whoever asks."""
        stranger = self.operator("ida", "owner")
        self.site = self.daemon.admin('site add "Chairs" 127.0.0.1')["site"]
        self.daemon.admin(f"site set {self.site} chat.enabled true")
        chat = self.start("Ada", "canary-words")
        stranger.goto(f"{stranger.url.partition('?')[0]}?list=all&chat={chat[0]}")
        stranger.locator(".talk [role=alert]").wait_for()
        self.assertNotIn("canary-words", stranger.content())
        for path in ("", "/messages", "/take"):
            status = stranger.evaluate(
                """async ([url, method]) => (await fetch(url, {method, headers: {'x-cackled-panel': '1',
                'content-type': 'application/json'}, body: method === 'GET' ? null : '{}'})).status""",
                [f"/api/v1{stranger.url.partition('/panel')[2].partition('/chat')[0]}/chats/{chat[0]}{path}",
                 "POST" if path == "/take" else "GET"],
            )  # fmt: skip
            self.assertEqual(status, 404, path)


class PageTests(ConsoleCase):
    """What the pages look like to everybody."""

    def test_pages(self) -> None:
        """Each page is clean by axe, light, dark and on a phone, and nothing is wider than the phone."""
        page = self.operator("olga", "owner")
        self.online(page, capacity=0)
        self.start("Grace", "Do you have this in blue?")
        for path, heading in (("", "Chat"), ("/board", "Live board"), ("/report", "Reports"),
                              ("/replies", "Canned replies"), ("/departments", "Departments"),
                              ("/hours", "Opening hours"), ("/setup", "Setup")):  # fmt: skip
            page.set_viewport_size({"width": 1300, "height": 800})
            self.at(page, f"/sites/{self.site}/chat{path}", heading)
            if not path:
                self.row(page, "Grace").click()
                page.locator(".bubble").first.wait_for()
            self.until(page, "!document.querySelector('.skeleton')")
            page.evaluate(AXE.read_text())
            for scheme, width in (("light", 1300), ("dark", 1300), ("light", 375)):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
                self.soon(
                    lambda: self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)
                )
