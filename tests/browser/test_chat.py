"""The chat's launcher and panel, before the mock: the whole life of a conversation in a visitor's browser."""

from __future__ import annotations

import json

from tests.browser.bundles import WEB, Built, gzipped
from tests.browser.libraries import HOSTS
from tests.support.browser import MockCase

CHAT = WEB.parent / "products" / "chat" / "web"
AXE = HOSTS / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => (await axe.run('cackle-chat', {resultTypes: ['violations']})).violations
    .map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join(' | '))"""
SHADOW = "document.querySelector('cackle-chat').shadowRoot"
BROKEN_STORAGE = """for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }});"""


class ChatTests(MockCase):
    def chat(self, query: str = "", **options):
        """The demo's page of chat, with the launcher."""
        return self.page(f"{self.base}/demo/chat.html{query}", wait="button.b", **options)

    def opened(self, query: str = "", **options):
        page = self.chat(query, **options)
        page.click("button.b")
        page.wait_for_selector(".field:visible")
        return page

    def say(self, page, text: str) -> None:
        """Write a message and wait until the server has it."""
        page.fill(".field", text)
        page.locator(".field").press("Enter")
        page.wait_for_selector(f".mine .bubble:has-text('{text}')")
        # In every language what is on its way ends with an ellipsis.
        self.until(page, f"[...{SHADOW}.querySelectorAll('.mark')].pop()?.innerText.includes('…') === false")

    def starts(self) -> list[dict]:
        return [one for one in self.steer()["chats"] if "text" in one]

    def bubbles(self, page) -> list[str]:
        return page.locator(".bubble").all_inner_texts()

    def test_launcher(self) -> None:
        """The launcher alone is fetched, moves nothing and opens no connection; Escape leads back to it."""
        look = "l => l.getEntries().map(e => seen.push(e.value))"
        observe = ".observe({type: 'layout-shift', buffered: true})"
        page = self.chat(script=f"window.seen = []; new PerformanceObserver({look}){observe};")
        loaded = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
        self.assertFalse([one for one in loaded if "chatpanel" in one or "/rt/" in one])
        self.soon(lambda: self.assertEqual(page.evaluate("seen"), []))
        page.click("button.b")
        page.wait_for_selector(".field:visible")
        self.until(page, f"{SHADOW}.activeElement === {SHADOW}.querySelector('.field')")
        page.keyboard.press("Escape")
        self.until(page, f"{SHADOW}.activeElement === {SHADOW}.querySelector('button.b')")
        self.soon(lambda: self.assertEqual(page.locator(".panel:visible").count(), 0))

    def test_name(self) -> None:
        """Before any words are loaded the launcher has its name in the page's language, as the catalogues have it."""
        for lang in ("en", "de-AT", "ja", "ar", "ru", "he", "pl", "tr", "uk", "zh"):
            page = self.chat(f"?lang={lang}")
            words = json.loads((CHAT / "locales" / f"{lang[:2]}.json").read_text())["widget"]
            self.soon(lambda: self.assertEqual(page.get_attribute("button.b", "aria-label"), words["chatShort"]))
            page.close()

    def test_limits(self) -> None:
        """What is too long is said and kept; what is too old can't be changed any more."""
        self.steer(chat={"max_length": 20, "edit_seconds": 0})
        page = self.opened()
        page.fill(".field", "A text that is too long")
        page.keyboard.press("Enter")
        page.wait_for_selector(".alert:has-text('3 characters too long')")
        self.soon(lambda: self.assertEqual(page.input_value(".field"), "A text that is too long"))
        self.say(page, "A text that fits")
        self.soon(lambda: self.assertEqual(page.locator(".foot button").count(), 0))
        self.steer(chat={"edit_seconds": 300})
        page.reload()
        page.wait_for_selector(".mine .foot button >> nth=1", state="attached")

    def test_no_start(self) -> None:
        """``autoStart: false``: nothing is shown and asked for until the page says so; the queue works before load."""
        early = "window.Cackle = {Chat: [['setAttributes', {plan: 'gold'}]]}"
        page = self.page(f"{self.base}/pages/plain.html", script=early)
        page.evaluate("cackle_widget.push({widget: 'Chat', id: 1, autoStart: false})")
        self.until(page, "!!window.Cackle && !!Cackle.Chat.start")
        self.soon(lambda: self.assertEqual(page.locator("cackle-chat").count(), 0))
        page.evaluate("Cackle.Chat.push(['prefill', 'How long?'])")
        page.wait_for_selector(".field:visible")
        self.until(page, f"{SHADOW}.querySelector('.field').value === 'How long?'")
        page.locator(".field").press("Enter")
        page.wait_for_selector(".mine .bubble")
        self.until(page, f"{SHADOW}.querySelector('.mark').innerText === 'Sent'")
        self.soon(lambda: self.assertEqual([one["attributes"] for one in self.starts()], [{"plan": "gold"}]))

    def test_life(self) -> None:
        """Start, queue, answer, read, typing, quick replies, reload, the end with a rating, and another start."""
        page = self.opened()
        self.say(page, "Hello there")
        self.until(page, f"{SHADOW}.querySelector('.status').innerText.includes('number 1')")
        self.steer(operator={"join": "Olga", "say": "Good morning", "quick": ["Yes", "No"], "read": True})
        page.click(".quick button >> nth=0")
        page.wait_for_selector(".mine .bubble:has-text('Yes')")
        self.steer(operator={"typing": True})
        self.until(page, f"{SHADOW}.querySelector('.status').innerText === 'Olga is writing…'")
        self.steer(operator={"say": "Fine", "read": True})
        self.until(page, f"[...{SHADOW}.querySelectorAll('.mark')].pop().innerText === 'Read'")
        page.reload()
        page.wait_for_selector(".bubble:has-text('Fine')")
        self.soon(lambda: self.assertEqual(self.bubbles(page), ["Hello there", "Good morning", "Yes", "Fine"]))
        self.steer(operator={"close": True})
        page.click(".star >> nth=3")
        page.click(".end button:has-text('Send')")
        page.wait_for_selector(".end:has-text('Thank you')")
        page.click(".end button:has-text('Start again')")
        self.say(page, "Another thing")
        self.soon(lambda: self.assertEqual([one["text"] for one in self.starts()], ["Hello there", "Another thing"]))

    def test_closed(self) -> None:
        """What was written into a conversation that had closed is not lost: it begins the next one."""
        page = self.opened()
        self.say(page, "One")
        self.steer(block=["ws", "sse", "poll"], drop=True)
        self.steer(operator={"close": True})
        page.fill(".field", "Two")
        page.keyboard.press("Enter")
        page.click(".end button:has-text('Start again')")
        self.until(page, f"[...{SHADOW}.querySelectorAll('.mark')].pop()?.innerText === 'Sent'")
        self.soon(lambda: self.assertEqual([one["text"] for one in self.starts()], ["One", "Two"]))

    def test_once(self) -> None:
        """A message whose answer was lost, and one over a reload, arrive once."""
        page = self.opened()
        self.say(page, "One")
        self.steer(fail=[{"method": "POST", "path": "/messages", "status": 0, "commit": True}])
        self.say(page, "Two")
        self.steer(fail=[{"method": "POST", "path": "/messages", "status": 503, "times": 1}])
        page.fill(".field", "Three")
        page.keyboard.press("Enter")
        page.reload()
        page.wait_for_selector(".mine .bubble:has-text('Three')")
        self.until(page, f"[...{SHADOW}.querySelectorAll('.mark')].pop()?.innerText === 'Sent'")
        self.soon(lambda: self.assertEqual(self.bubbles(page), ["One", "Two", "Three"]))

    def test_tabs(self) -> None:
        """Two tabs have one conversation, and both tell of it; opening and closing is shared."""
        context = self.context()
        one, two = self.opened(context=context), self.chat(context=context)
        two.wait_for_selector(".panel:visible")
        self.say(one, "From one")
        two.wait_for_selector(".mine .bubble:has-text('From one')")
        self.say(two, "From two")
        one.wait_for_selector(".mine .bubble:has-text('From two')")
        self.steer(operator={"say": "To both"})
        for page in (one, two):
            page.wait_for_selector(".bubble:has-text('To both')")
            self.soon(lambda: self.assertEqual(self.bubbles(page), ["From one", "From two", "To both"]))
        self.soon(lambda: self.assertEqual(len(self.starts()), 1))
        one.keyboard.press("Escape")
        two.wait_for_selector(".panel", state="hidden")

    def test_unread(self) -> None:
        """What came while it was closed is counted, in the launcher and in the title."""
        page = self.opened()
        self.say(page, "Hello")
        page.keyboard.press("Escape")
        self.steer(operator={"say": "One"})
        self.steer(operator={"say": "Two"})
        self.until(page, f"{SHADOW}.querySelector('.n').textContent === '2'")
        self.soon(lambda: self.assertTrue(page.title().startswith("(2) ")))
        page.click("button.b")
        self.until(page, "!document.title.startsWith('(')")

    def test_offline(self) -> None:
        """While nobody is there a form takes the message; what is missing is said, and nothing is lost."""
        self.steer(chat={"status": "offline", "accepting": False, "consent": "I agree to be written to."})
        page = self.opened()
        page.wait_for_selector(".fields")
        page.fill(".field", "Call me")
        page.focus(".field")
        page.keyboard.press("Enter")
        page.wait_for_selector(".err:has-text('needed')")
        self.soon(lambda: self.assertEqual(page.input_value(".field"), "Call me"))
        page.fill(".fields input[type=email]", "ann@example.org")
        page.check(".fields input[type=checkbox]")
        page.click(".send")
        page.wait_for_selector(".mine .bubble:has-text('Call me')")
        self.until(page, f"{SHADOW}.querySelector('.status').innerText.includes('has arrived')")
        (start,) = self.starts()
        self.assertEqual((start["mail"], start["consent"], start["offline"]), ("ann@example.org", True, True))

    def test_storage(self) -> None:
        """Where storage is refused it works, for this page."""
        page = self.opened(script=BROKEN_STORAGE)
        self.say(page, "Hello")
        self.steer(operator={"say": "Hi"})
        page.wait_for_selector(".bubble:has-text('Hi')")

    def test_swap(self) -> None:
        """A page that swaps its body, and mounts its widgets anew, keeps the panel, its words and one launcher."""
        page = self.opened()
        page.fill(".field", "Half a sen")
        page.evaluate("document.body = document.createElement('body'); Cackle.bootstrap(true)")
        self.soon(lambda: self.assertEqual(page.input_value(".field"), "Half a sen"))
        self.soon(lambda: self.assertEqual(page.locator("cackle-chat").count(), 1))

    def test_invitation(self) -> None:
        """A rule that holds offers the chat, once a visit."""
        rule = {"id": "9", "name": "delivery", "text": "Questions about delivery?", "address": "/demo/*", "seconds": 0}
        self.steer(chat={"invitations": [{**rule, "address": "/other*"}, rule]})
        page = self.chat()
        page.click(".invite .words")
        page.wait_for_selector(".field:visible")
        self.say(page, "Yes")
        self.soon(lambda: self.assertEqual([one["invitation"] for one in self.starts()], ["9"]))

    def test_invitation_on_a_busy_page(self) -> None:
        """A page that is never idle offers the chat, too: browsers call back when the given time is over."""
        self.steer(chat={"invitations": [{"id": "9", "name": "delivery", "text": "Questions?", "seconds": 0}]})
        busy = "window.requestIdleCallback = (f, {timeout} = {}) => timeout && setTimeout(f, timeout);"
        self.chat(script=busy).wait_for_selector(".invite .words")

    def test_invitation_comes_later(self) -> None:
        """What could not be fetched is fetched again: a visit does not lose its invitation."""
        rule = {"id": "9", "name": "delivery", "text": "Questions about delivery?", "seconds": 0}
        self.steer(chat={"invitations": [rule]})
        context = self.context()
        refused: list[str] = []

        def refuse(route) -> None:
            """The first time."""
            refused.append(route.request.url)
            if len(refused) == 1:
                route.abort()
            else:
                route.continue_()

        context.route("**/chatoffer*.js", refuse)
        page = self.chat(context=context)
        page.wait_for_selector(".invite .words")
        self.assertGreater(len(refused), 1)

    def test_hostile(self) -> None:
        """Nothing that somebody writes becomes more than text."""
        page = self.opened()
        self.say(page, "Hi")
        html = "<img src=x onerror=alert(1)><script>alert(1)</script><a href='javascript:alert(1)'>x</a>"
        self.steer(operator={"join": "<b>Olga</b>", "say": html})
        page.wait_for_selector(".bubble:has-text('onerror')")
        self.assertEqual(page.locator(".log img, .log script, .log b").count(), 0)

    def test_access(self) -> None:
        """No barrier that axe knows: light, dark on a phone, right to left."""
        phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
        looks = [({}, ""), (phone, "?theme=dark"), ({}, "?lang=ar")]
        for options, query in looks:
            page = self.opened(query, **options)
            self.say(page, "Hello")
            self.steer(operator={"join": "Olga", "say": "Hi", "read": True})
            page.wait_for_selector(".bubble:has-text('Hi')")
            page.add_script_tag(path=str(AXE))
            self.soon(lambda: self.assertEqual(page.evaluate(RUN), []))


class BudgetTests(MockCase):
    def test_sizes(self) -> None:
        """The launcher has at most 3 KB (3,072 bytes) over the wire, the panel's script 20 KB (20,480 bytes)."""
        built = Built()
        self.assertLessEqual(gzipped(built.body("chat.js")), 3_072)
        self.assertLessEqual(gzipped(built.body("chatpanel.js")), 20_480)
