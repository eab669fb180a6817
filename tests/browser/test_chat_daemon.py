"""The chat with the daemon: a visitor in Chromium, an operator by the API, over reloads, tabs and a crash."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tests.browser.test_chat import SHADOW
from tests.browser.test_panel import PanelCase
from tests.media import corpus
from tests.media.test_attachments import PAPER
from tests.support.cutting import Cutting


def large_paper() -> bytes:
    """A PDF of two megabytes that is like no other."""
    return b"%PDF-1.4\n%" + os.urandom(2_000_000) + b"\n%%EOF\n"


LAST_MARK = f"[...{SHADOW}.querySelectorAll('.mark')].pop()?.innerText"
# The rows of the conversation, in order.
BUBBLES = f"[...{SHADOW}.querySelectorAll('.bubble .text')].map(n => n.innerText.trim())"
MINE = f"[...{SHADOW}.querySelectorAll('.mine .bubble')]"
MOUNT = "(window.cackle_widget = window.cackle_widget || []).push({widget: 'Chat', id: %d});"


class Operator:
    """Somebody of the staff, by the calls that the console makes."""

    def __init__(self, case: ChatDaemonCase, site: int = 1, role: str = "operator") -> None:
        self.page = case.staff(role)
        # The panel's own origin, where the cookie is.
        self.url, self.site = self.page.url.partition("/panel")[0], site

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        """One call below the site's conversations."""
        answer = self.page.request.fetch(
            f"{self.url}/api/v1/sites/{self.site}/chats{path}", method=method, data=body,
            headers={"origin": self.url, "x-cackled-panel": "1", "sec-fetch-site": "same-origin", **headers},
        )  # fmt: skip
        assert answer.ok, (answer.status, answer.text())
        self.etag = answer.headers.get("etag", "")
        return answer.json() if answer.body() else None

    def change(self, path: str, body: Any) -> None:
        """Replace what stands there."""
        self.ask("GET", path)
        self.ask("PUT", path, body, **{"if-match": self.etag})

    def online(self) -> None:
        """Take conversations from now on."""
        self.ask("PUT", "/desk", {"state": "online", "capacity": 20})

    def leave(self) -> None:
        """Be nobody any more: who is there counts for a minute, in the tests that come next as well."""
        self.ask("PUT", "/desk", {"state": "invisible"})

    def beat(self) -> None:
        """Be there for another minute."""
        self.ask("POST", "/desk/beat", {"viewing": None})

    def chat_with(self, text: str) -> str:
        """The id of the open conversation whose newest message is *text*; "": there is none."""
        self.beat()
        rows = self.ask("GET", "?state=all")["chats"]
        return next((row["id"] for row in rows if row["last"] and row["last"]["text"] == text), "")

    def say(self, chat: str, text: str) -> None:
        """Answer."""
        self.ask("POST", f"/{chat}/messages", {"text": text})

    def texts(self, chat: str) -> list[str]:
        """What was said."""
        told = self.ask("GET", f"/{chat}/messages?size=100")["messages"]
        return [one["text"] for one in told if one["kind"] == "text"]


class ChatDaemonCase(PanelCase):
    """The daemon of the panel's tests, with an operator at the desk of site 1."""

    def setUp(self) -> None:
        super().setUp()
        self.operator = Operator(self)
        self.operator.online()
        self.addCleanup(self.operator.leave)

    def chat(self, context: Any = None, query: str = "", **options: Any) -> Any:
        """The demo's page of chat, with the launcher."""
        return self.page(f"{self.url}/demo/chat{query}", context=context, wait="button.b", **options)

    def opened(self, context: Any = None, wants: str = "", **options: Any) -> Any:
        """The same, with the panel opened and somebody there; *wants* is a setting that was just made."""
        # First renders are kept for some seconds: those of before the operator came.
        first = f"{self.url}/bootstrap?widget=Chat&site=1"
        page = self.chat(context, **options)

        def known() -> None:
            self.operator.beat()
            said = page.request.get(first).json()
            self.assertEqual(said["chat"]["status"], "online")
            self.assertTrue(not wants or said["site"]["settings"].get(wants))

        self.soon(known)
        page.reload()
        page.click("button.b")
        page.wait_for_selector(".field:visible")
        self.until(page, f"!!{SHADOW}.querySelector('.dot.on')")
        return page

    def say(self, page: Any, text: str) -> None:
        """Write a message and wait until the server has it. Its stars are seen until then alone."""
        page.fill(".field", text)
        page.locator(".field").press("Enter")
        words = text.replace("*", "")
        self.until(page, f"words => {MINE}.some(n => n.innerText.replaceAll('*', '').includes(words))", words)
        self.until(page, f"['Sent', 'Read'].includes({LAST_MARK})")

    def found(self, text: str) -> str:
        """The conversation, once the operator sees what was written."""
        self.soon(lambda: self.assertTrue(self.operator.chat_with(text)))
        return self.operator.chat_with(text)


class LifeTests(ChatDaemonCase):
    def test_life(self) -> None:
        """Start, an answer, read marks, a reload, the end, a rating, reopened, the visitor's end, another start."""
        page = self.opened()
        self.say(page, "Do you have *blue* plates?")
        chat = self.found("Do you have *blue* plates?")
        self.operator.say(chat, "Yes, in two sizes.")
        page.wait_for_selector(".bubble:has-text('Yes, in two sizes.')")
        self.operator.ask("PUT", f"/{chat}/read", {"seq": self.operator.ask("GET", f"/{chat}")["seq"]})
        self.say(page, "And green ones?")
        self.until(page, f"{SHADOW}.querySelector('.titles strong').innerText.startsWith('operator')")
        page.reload()
        page.wait_for_selector(".bubble:has-text('And green ones?')")
        said = ["Do you have blue plates?", "Yes, in two sizes.", "And green ones?"]
        self.soon(lambda: self.assertEqual(page.evaluate(BUBBLES), said))
        self.operator.ask("POST", f"/{chat}/close", {"reason": "done"})
        page.click(".star >> nth=3")
        page.fill(".end textarea", "Quick and kind")
        page.click(".end button:has-text('Send')")
        page.wait_for_selector(".end:has-text('Thank you')")
        rating = self.operator.ask("GET", f"/{chat}")["chat"]["rating"]
        self.assertEqual(rating, {"score": 4, "text": "Quick and kind"})
        self.operator.ask("POST", f"/{chat}/reopen", {})
        page.wait_for_selector(".composer:visible")
        self.say(page, "One more thing")
        page.click(".finish")
        page.click(".end button:has-text('Start again')")
        self.say(page, "A new matter")
        self.assertNotEqual(self.found("A new matter"), chat)
        self.soon(lambda: self.assertEqual(self.operator.ask("GET", f"/{chat}")["chat"]["closed_by"], "visitor"))

    def test_tabs(self) -> None:
        """Two tabs that write at the same time have one conversation, and show the same in the same order."""
        context = self.context()
        one, two = self.opened(context), self.chat(context)
        two.wait_for_selector(".field:visible")
        for page, text in ((one, "From tab one"), (two, "From tab two")):
            page.fill(".field", text)
        for page in (one, two):
            page.evaluate(f"{SHADOW}.querySelector('.send').click()")
        for page in (one, two):
            self.soon(lambda page=page: self.assertEqual(len(page.evaluate(BUBBLES)), 2))
            self.until(page, f"['Sent', 'Read'].includes({LAST_MARK})")
        self.soon(lambda: self.assertEqual(one.evaluate(BUBBLES), two.evaluate(BUBBLES)))
        chat = self.found(one.evaluate(BUBBLES)[-1])
        self.soon(lambda: self.assertCountEqual(self.operator.texts(chat), ["From tab one", "From tab two"]))
        self.operator.say(chat, "To both of you")
        for page in (one, two):
            page.wait_for_selector(".bubble:has-text('To both of you')")

    def test_crash(self) -> None:
        """What is written while the daemon is gone arrives once, when it is back; so does what was said meanwhile."""
        page = self.opened()
        self.say(page, "Before the crash")
        chat = self.found("Before the crash")
        assert self.daemon is not None
        self.daemon.kill()
        try:
            page.fill(".field", "During the crash")
            page.locator(".field").press("Enter")
            page.wait_for_selector(".mine .bubble:has-text('During the crash')")
            page.goto("about:blank")
        finally:
            self.daemon.restart()
        self.operator.online()
        self.operator.say(chat, "We are back")
        page.goto(f"{self.url}/demo/chat")
        page.wait_for_selector(".bubble:has-text('We are back')")
        self.soon(lambda: self.assertIn("During the crash", self.operator.texts(chat)))
        self.soon(lambda: self.assertEqual(len(page.evaluate(BUBBLES)), 3))
        self.soon(
            lambda: self.assertCountEqual(
                self.operator.texts(chat), ["Before the crash", "During the crash", "We are back"]
            )
        )

    def test_cut(self) -> None:
        """A network that goes away in the middle of a send: the message arrives once, and nothing said is missed."""
        context = self.context()
        page = self.opened(context)
        self.say(page, "Connected")
        chat = self.found("Connected")
        context.set_offline(True)
        page.fill(".field", "In a tunnel")
        page.locator(".field").press("Enter")
        page.wait_for_selector(".mark:has-text('Sending')")
        self.operator.say(chat, "Are you there?")
        context.set_offline(False)
        page.wait_for_selector(".bubble:has-text('Are you there?')")
        self.until(page, f"['Sent', 'Read'].includes({LAST_MARK})")
        self.soon(lambda: self.assertEqual(len(page.evaluate(BUBBLES)), 3))
        self.soon(lambda: self.assertEqual(self.operator.texts(chat).count("In a tunnel"), 1))

    def test_pictures(self) -> None:
        """Pictures are chosen, pasted and dropped; an upload that failed is tried again; the operator has them all."""
        assert self.daemon is not None
        self.daemon.admin("site set 1 media.pictures yes")
        context = self.context()
        page = self.opened(context, "pictures")
        self.say(page, "Look at these")
        chat = self.found("Look at these")
        page.click(".clip")
        page.wait_for_selector(".mc-picfile", state="attached")
        jpeg = corpus.picture()
        page.locator(".mc-picfile").set_input_files([{"name": "1.jpg", "mimeType": "image/jpeg", "buffer": jpeg}])
        page.wait_for_selector(".mc-picitem .mc-picwords:visible")
        self.given(page, "paste", "clipboardData", jpeg)
        self.until(page, f"{SHADOW}.querySelectorAll('.mc-picwords:not([hidden])').length === 2")
        page.reload()
        page.focus(".field")
        self.until(page, f"{SHADOW}.querySelectorAll('.mc-picwords:not([hidden])').length === 2")
        context.set_offline(True)
        self.given(page, "drop", "dataTransfer", jpeg)
        again = page.get_by_label("Send the picture again").locator("visible=true")
        again.wait_for()
        page.click(".send")
        page.wait_for_selector(".alert:has-text('Wait until the pictures')")
        context.set_offline(False)
        again.click()
        self.until(page, f"{SHADOW}.querySelectorAll('.mc-picwords:not([hidden])').length === 3")
        self.soon(lambda: (page.click(".send"), self.assertEqual(page.locator(".mc-picitem").count(), 0)))
        self.until(page, f"[...{SHADOW}.querySelectorAll('.picture img')].filter(i => i.naturalWidth > 0).length === 3")
        # An address that has run out: the page asks for another.
        page.evaluate(f"{SHADOW}.querySelector('.picture img').src = '{self.daemon.url}/media/1-{'A' * 22}/400.webp'")
        self.until(page, f"/[0-9a-f]{{8}}-.*webp$/.test({SHADOW}.querySelector('.picture').href)")
        self.until(page, f"[...{SHADOW}.querySelectorAll('.picture img')].filter(i => i.naturalWidth > 0).length === 3")

        def told() -> list[int]:
            messages = self.operator.ask("GET", f"/{chat}/messages")["messages"]
            return [len(one["files"]) for one in messages if one["from"] == "visitor"]

        # The widget shows what it sends before the server has it.
        self.soon(lambda: self.assertEqual(told(), [0, 3]))

    def test_files(self) -> None:
        """A paper and a picture go together; each side saves the paper; a program is refused in words."""
        assert self.daemon is not None
        for setting in ("pictures", "files"):
            self.daemon.admin(f"site set 1 media.{setting} yes")
        page = self.opened(wants="files")
        self.say(page, "The bill")
        chat = self.found("The bill")
        page.click(".clip[aria-label='Add files']")
        page.wait_for_selector(".mc-picfile", state="attached")
        page.locator(".mc-picfile").set_input_files([
            {"name": "R\u00e9sum\u00e9 1.pdf", "mimeType": "application/pdf", "buffer": PAPER},
            {"name": "setup.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ\x00\x01"},
            {"name": "1.jpg", "mimeType": "image/jpeg", "buffer": corpus.picture()},
        ])  # fmt: skip
        page.wait_for_selector(".mc-picwords:visible")
        page.wait_for_selector(".mc-picitem:has-text('setup.exe') .mc-picstate:visible")
        page.click(".send")
        page.wait_for_selector(".alert:has-text('Wait until')")
        page.locator(".mc-picitem:has-text('setup.exe')").get_by_label("Remove the picture").click()
        self.soon(lambda: (page.click(".send"), self.assertEqual(page.locator(".mc-picitem").count(), 0)))
        with page.context.expect_event("page") as opened, page.expect_popup():
            page.click("button.file:has-text('R\u00e9sum\u00e9 1.pdf')")
        del opened

        def shown() -> list[list[str]]:
            messages = self.operator.ask("GET", f"/{chat}/messages")["messages"]
            return [[file.get("name", "") for file in one["files"]] for one in messages if one["files"]]

        # Its visitor can open a file before the server has the message.
        self.soon(lambda: self.assertEqual(shown(), [["R\u00e9sum\u00e9 1.pdf", ""]]))
        desk = self.operator.page
        desk.goto(f"{self.operator.url}/panel/sites/1/chat?chat={chat}")
        with desk.expect_download() as saved:
            desk.get_by_role("button", name="R\u00e9sum\u00e9 1.pdf").click()
        self.assertEqual(saved.value.suggested_filename, "R\u00e9sum\u00e9 1.pdf")
        self.assertEqual(Path(saved.value.path()).read_bytes(), PAPER)

    def test_large_files(self) -> None:
        """A large paper of either side goes on after its connection was cut; one taken away in the middle is ended."""
        assert self.daemon is not None
        for setting in ("pictures", "files"):
            self.daemon.admin(f"site set 1 media.{setting} yes")
        way = Cutting(self.daemon.port)
        self.addCleanup(way.close)
        self.url = way.url
        page = self.opened(wants="files")
        self.say(page, "The plan")
        chat = self.found("The plan")
        page.click(".clip[aria-label='Add files']")
        page.wait_for_selector(".mc-picfile", state="attached")
        asked = self.asked(page)
        for taken_away in (True, False):
            raw = large_paper()
            way.hold(1_500_000)
            page.locator(".mc-picfile").set_input_files([
                {"name": "Gr\u00f6\u00dfe.pdf", "mimeType": "application/pdf", "buffer": raw},
            ])  # fmt: skip
            self.until(page, f"{SHADOW}.querySelector('.mc-picbar').value > 0.2")
            if taken_away:
                page.get_by_label("Remove the picture").click()
                self.soon(lambda: self.assertEqual(asked, ["POST", "PATCH", "DELETE"]))
                asked.clear()
            way.cut()
        self.until(page, f"{SHADOW}.querySelectorAll('.mc-picbar[hidden]').length === 1")
        self.assertEqual(asked, ["POST", "PATCH", "HEAD", "PATCH", "GET"])
        self.soon(lambda: (page.click(".send"), self.assertEqual(page.locator(".mc-picitem").count(), 0)))
        desk = self.operator.page
        # The session's cookie is the host's, whatever the port.
        desk.goto(f"{self.operator.url.rpartition(':')[0]}:{way.port}/panel/sites/1/chat?chat={chat}")
        with desk.expect_download() as saved:
            desk.get_by_role("button", name="Gr\u00f6\u00dfe.pdf").click()
        self.assertEqual(Path(saved.value.path()).read_bytes(), raw)
        raw, asked = large_paper(), self.asked(desk)
        way.hold(1_500_000)
        desk.locator(".composer input[type=file]").set_input_files(
            {"name": "answer.pdf", "mimeType": "application/pdf", "buffer": raw}
        )
        self.until(desk, "document.querySelector('.chosen-files progress').value > 0.2")
        way.cut()
        self.until(desk, "!document.querySelector('.chosen-files progress')")
        self.assertEqual(asked, ["POST", "PATCH", "HEAD", "PATCH", "GET"])
        desk.locator(".composer .primary").click()
        with page.expect_download() as saved:
            page.click("button.file:has-text('answer.pdf')")
        self.assertEqual(Path(saved.value.path()).read_bytes(), raw)

    def asked(self, page: Any) -> list[str]:
        """The methods of a page's requests about uploads in parts, as they come."""
        methods: list[str] = []

        def note(request: Any) -> None:
            if "/uploads" in request.url and request.method != "OPTIONS":
                methods.append(request.method)

        page.on("request", note)
        return methods

    def given(self, page: Any, event: str, member: str, jpeg: bytes) -> None:
        """A file is pasted into the field, or dropped on it."""
        page.evaluate(
            f"""([event, member, bytes]) => {{
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], 'a.jpg', {{type: 'image/jpeg'}}));
                const made = new Event(event, {{bubbles: true, cancelable: true, composed: true}});
                Object.defineProperty(made, member, {{value: data}});
                {SHADOW}.querySelector('.field').dispatchEvent(made);
            }}""",
            [event, member, list(jpeg)],
        )

    def test_signals(self) -> None:
        """Who types is shown and told, quick replies are sent, and who comes and goes is seen at once."""
        page = self.opened()
        self.operator.ask("PUT", "/desk", {"state": "away"})
        self.until(page, f"{SHADOW}.querySelector('.sub').innerText === 'We will be back shortly'")
        self.operator.online()
        self.until(page, f"{SHADOW}.querySelector('.sub').innerText === 'We are here'")
        self.say(page, "Anybody?")
        chat = self.found("Anybody?")

        def typing() -> None:
            # Nothing keeps the sign: a page that does not listen yet never has it.
            self.operator.ask("PUT", f"/{chat}/typing", {})
            page.locator(".status", has_text=re.compile("^operator.* is writing…$")).wait_for(timeout=2000)

        self.soon(typing)
        self.operator.ask("POST", f"/{chat}/messages", {"text": "Which size?", "quick": ["Small", "Large"]})
        self.until(page, f"!{SHADOW}.querySelector('.status').innerText")
        with page.expect_request("**/typing"):
            page.locator(".field").press_sequentially("La")
        page.click(".quick button:has-text('Large')")
        self.soon(lambda: self.assertEqual(self.operator.texts(chat), ["Anybody?", "Which size?", "Large"]))
        self.soon(lambda: self.assertEqual(page.input_value(".field"), "La"))

    def test_invitation(self) -> None:
        """A rule of the site offers the chat once a visit; the conversation that it began is an ordinary one."""
        assert self.daemon is not None
        owner = Operator(self, role="owner")
        setup = owner.ask("GET", "/setup")
        # Two texts that are the same, so that either may be shown.
        words = "Questions about sizes?"
        rule = {"id": "r1", "text": words, "other": words, "address": "/demo/*", "seconds": 1}
        owner.change("/setup", {**setup, "invitations": [rule], "greeting": {"name": "Olga"}})
        self.addCleanup(owner.change, "/setup", setup)
        context = self.context()
        page = self.chat(context)
        first = f"{self.url}/bootstrap?widget=Chat&site=1"
        self.soon(lambda: self.assertTrue(page.request.get(first).json()["chat"]["invitations"]))
        page.reload()
        page.click(".invite .words:has-text('Questions about sizes?')")
        self.say(page, "Yes, about large ones")
        self.found("Yes, about large ones")
        # It is counted what became of it.
        kinds = ("shown", "opened", "started")
        self.soon(lambda: self.assertEqual(
            sorted(tuple(one[kind] for kind in kinds) for one in owner.ask("GET", "/report")["invitations"]),
            [(0, 0, 0), (1, 1, 1)],
        ))  # fmt: skip
        page.click(".finish")
        page.reload()
        page.wait_for_selector("button.b")
        # The visit is kept as one that had its invitation.
        self.until(
            page, "Object.keys(sessionStorage).some(k => /chatvisit/.test(k) && /done.:true/.test(sessionStorage[k]))"
        )
        self.soon(lambda: self.assertEqual(page.locator(".invite").count(), 0))

    def test_offline(self) -> None:
        """Where nobody is there, a form takes the message; it waits as a conversation that operators see."""
        assert self.daemon is not None
        site = self.daemon.admin('site add "Two" 127.0.0.1:*')["site"]
        self.daemon.admin(f"site set {site} chat.enabled yes")
        context = self.context()
        context.route("**/demo/chat.js", lambda r: r.fulfill(body=MOUNT % site, content_type="text/javascript"))
        page = self.chat(context)
        page.click("button.b")
        page.wait_for_selector(".fields input[type=email]")
        page.fill(".field", "Call me back")
        page.locator(".field").press("Enter")
        page.wait_for_selector(".err:has-text('needed')")
        page.fill(".fields input[type=email]", "ann@example.org")
        page.click(".send")
        page.wait_for_selector(".mine .bubble:has-text('Call me back')")
        self.until(page, f"{SHADOW}.querySelector('.status').innerText.includes('has arrived')")
