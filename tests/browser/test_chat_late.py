"""The chat where something is refused: files, storage, a start. Its visitor is told, and loses nothing."""

from __future__ import annotations

import time
from typing import Any

from tests.browser import test_chat
from tests.browser.test_chat import SHADOW
from tests.support.browser import MockCase

# As browsers refuse them together, where their owner blocks all cookies.
REFUSED = """for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }});
window.BroadcastChannel = class { constructor() { throw new DOMException('no', 'SecurityError'); } };
LockManager.prototype.request = async () => { throw new DOMException('no', 'SecurityError'); };
Object.defineProperty(document, 'cookie', {get() { throw new DOMException('no', 'SecurityError'); }});"""
SOUNDS = """window.sounds = 0;
window.AudioContext = class {
    state = 'running'; currentTime = 0; destination = {};
    async resume() {} close() {}
    createOscillator() { window.sounds++; return {frequency: {}, connect: x => x, start() {}, stop() {}}; }
    createGain() { return {gain: {setValueAtTime() {}, exponentialRampToValueAtTime() {}}, connect: x => x}; }
};"""
ALERT = f"{SHADOW}.querySelector('.alert').innerText"


class LateTests(MockCase):
    chat, opened, say = test_chat.ChatTests.chat, test_chat.ChatTests.opened, test_chat.ChatTests.say
    starts, bubbles = test_chat.ChatTests.starts, test_chat.ChatTests.bubbles

    def refusing(self, *names: str, times: int = 1) -> tuple[Any, list[str]]:
        """A context in which files of these names can't be had the first *times*; and what was refused."""
        context, refused = self.context(), list[str]()
        for name in names:

            def refuse(route: Any, *, name: str = name) -> None:
                if refused.count(name) < times:
                    refused.append(name)
                    route.abort()
                else:
                    route.continue_()

            context.route(f"**/{name}*", refuse)
        return context, refused

    def again(self, page: Any) -> None:
        """Words stand there, and a way to try again, which is taken."""
        self.until(page, f"{ALERT}.startsWith('There is no connection')")
        page.click(".alert button:has-text('Try again')")

    def test_panel(self) -> None:
        """The panel's script and style: the launcher says it, and the next press opens the panel."""
        for name in ("chatpanel.js", "chatpanel.css", "chatwords-de"):
            context, refused = self.refusing(name)
            page = self.chat("?lang=de" if "words" in name else "", context=context)
            page.click("button.b")
            self.until(page, f"!!{SHADOW}.querySelector('.n').innerText && !Cackle.Chat.isOpen()")
            self.assertEqual(refused, [name])
            self.until(page, f"{SHADOW}.querySelector('.b').getAttribute('aria-label').length > 6")
            page.click("button.b")
            page.wait_for_selector(".field:visible")
            self.until(page, f"!{SHADOW}.querySelector('.n').innerText")
            self.say(page, "Hello")

    def test_files(self) -> None:
        """What is fetched when it is asked for: emoji, editing, earlier messages, the end; what was typed stays."""
        names = ("chatemoji.js", "chatediting.js", "chatending.js", "chatearlier.js")
        context, refused = self.refusing(*names)
        page = self.opened(context=context)
        page.fill(".field", "Half a ")
        page.click(".smile")
        self.again(page)
        page.click(".emoji button >> nth=0")
        self.until(page, f"{SHADOW}.querySelector('.field').value.startsWith('Half a \\u{{1f600}}')")
        page.fill(".field", "")
        self.say(page, "Helo")
        page.hover(".mine .bubble")
        page.click(".mine .foot button:has-text('Edit')")
        self.again(page)
        self.until(page, f"{SHADOW}.querySelector('.field').value === 'Helo'")
        page.fill(".field", "Hello")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mine .bubble:has-text('Hello')")
        page.hover(".mine .bubble")
        page.click(".mine .foot button:has-text('Delete')")
        page.wait_for_selector(".gone")
        page.fill(".field", "A draft")
        page.click(".finish")
        self.again(page)
        page.wait_for_selector(".end .star")
        self.assertEqual(set(refused), {"chatemoji.js", "chatediting.js", "chatending.js"})
        # What was being written begins the next conversation.
        page.click(".end button:has-text('Start again')")
        self.until(page, f"{SHADOW}.querySelector('.field').value === 'A draft'")

    def test_earlier(self) -> None:
        """Earlier messages, whose file comes with the second try."""
        context, refused = self.refusing("chatearlier.js")
        page = self.opened(context=context)
        self.say(page, "The first")
        for number in range(60):
            self.steer(operator={"say": f"Line {number}"})
        page.reload()
        page.wait_for_selector(".bubble:has-text('Line 59')")
        page.click(".older")
        self.again(page)
        page.wait_for_selector(".bubble:has-text('The first')", state="attached")
        self.assertEqual(refused, ["chatearlier.js"])

    def test_calls(self) -> None:
        """What the page says of its visitor arrives before the first message, however often its file is refused."""
        context, refused = self.refusing("chatcalls.js", times=2)
        page = self.opened(context=context)
        page.evaluate("Cackle.Chat.push(['setAttributes', {plan: 'gold'}], ['identify', '42', {name: 'Vera'}])")
        self.say(page, "It is me")
        self.assertEqual(len(refused), 2)
        (start,) = self.starts()
        self.assertEqual((start["attributes"], start["name"]), ({"plan": "gold"}, "Vera"))

    def test_nothing_kept(self) -> None:
        """With cookies blocked, storage, channels between tabs, locks and cookies are refused together: it works."""
        page = self.opened(script=REFUSED)
        self.say(page, "Hello")
        self.steer(operator={"say": "Hi"})
        page.wait_for_selector(".bubble:has-text('Hi')")
        self.say(page, "Thanks")
        self.soon(lambda: self.assertEqual(self.bubbles(page), ["Hello", "Hi", "Thanks"]))
        page.evaluate("Cackle.Chat.push(['setLocale', 'de'])")
        self.until(page, f"{SHADOW}.querySelector('.field')?.placeholder.includes('Nachricht')")

    def test_no_network(self) -> None:
        """A start that fails is said, kept and sent again, once."""
        page = self.opened()
        self.steer(fail=[{"method": "POST", "path": "/chats", "status": 503, "times": 2}])
        page.fill(".field", "Hello")
        page.keyboard.press("Enter")
        self.until(page, f"!!{ALERT}")
        self.until(page, f"{SHADOW}.querySelector('.mark')?.innerText === 'Sent'")
        self.until(page, f"!{ALERT}")
        self.assertEqual([one["text"] for one in self.starts()], ["Hello"])

    def test_disowned(self) -> None:
        """A token of the site that has run out: the visitor goes on as a guest, and is not stopped."""
        page = self.opened()
        page.evaluate("Cackle.Chat.push(['identify', '42', {name: 'Vera'}, 'old'])")
        self.steer(fail=[{"method": "POST", "path": "/chats", "status": 401, "times": 2, "slug": "bad-statement"}])
        self.say(page, "Hello")
        (start,) = self.starts()
        self.assertEqual((start.get("identity"), start["name"]), (None, "Vera"))

    def test_one_sound(self) -> None:
        """Nothing rings in a tab behind the one that is looked at; where none is, one of them rings."""
        context = self.context()
        one = self.opened(context=context, script=SOUNDS + "document.hasFocus = () => !!window.looked;")
        two = self.chat(context=context, script=SOUNDS + "document.hasFocus = () => false;")
        self.say(one, "Hello")
        for page in (one, two):
            page.wait_for_selector(".bubble:has-text('Hello')")
            page.mouse.click(5, 5)
            self.until(page, f"{SHADOW}.querySelector('.sound')?.dataset.quiet === 'false'")
        sounds = lambda: one.evaluate("sounds") + two.evaluate("sounds")  # noqa: E731
        self.steer(operator={"say": "Aloud"})
        self.soon(lambda: self.assertEqual(sounds(), 2))
        one.evaluate("window.looked = 1")
        self.steer(operator={"say": "In silence"})
        for page in (one, two):
            page.wait_for_selector(".bubble:has-text('In silence')")
        one.evaluate("window.looked = 0")
        self.steer(operator={"say": "Aloud again"})
        self.soon(lambda: self.assertGreaterEqual(sounds(), 4))
        self.assertEqual(sounds(), 4)

    def test_end(self) -> None:
        """What was typed about the conversation stays, whichever star is chosen then; the page's title is its own."""
        page = self.opened()
        page.evaluate("document.title = '(3) My shop'")
        self.say(page, "Hello")
        page.keyboard.press("Escape")
        self.steer(operator={"say": "Hi"})
        self.until(page, "document.title === '(1) (3) My shop'")
        page.click("button.b")
        self.until(page, "document.title === '(3) My shop'")
        self.steer(operator={"close": True})
        page.click(".star >> nth=1")
        page.fill(".end textarea", "Kind, if slow")
        page.fill(".end input", "ann@example.org")
        page.click(".star >> nth=3")
        self.until(page, f"{SHADOW}.querySelectorAll('.star.lit').length === 4")
        self.assertEqual(page.input_value(".end textarea"), "Kind, if slow")
        self.assertEqual(page.input_value(".end input"), "ann@example.org")

    def test_departments(self) -> None:
        """Where nobody of the chosen department is there, its visitor is asked what is asked then; words stay."""
        departments = [{"id": "1", "name": "Sales", "status": "online"}, {"id": "2", "name": "Parts", "status": "away"}]
        need = {"kind": "text", "required": True, "options": []}
        self.steer(chat={"departments": departments, "before": [{**need, "name": "order", "label": "Order"}],
                         "offline": [{**need, "name": "phone", "label": "Telephone"}]})  # fmt: skip
        page = self.opened()
        page.fill(".field", "Hello")
        page.select_option(".fields select", "Parts")
        page.get_by_label("Telephone").fill("123")
        self.soon(lambda: self.assertEqual(page.get_by_label("Order").count(), 0))
        page.focus(".field")
        page.keyboard.press("Enter")
        self.until(page, f"{SHADOW}.querySelector('.mark')?.innerText === 'Sent'")
        (start,) = self.starts()
        self.assertEqual((start["department"], start["fields"], start["offline"]), ("2", {"phone": "123"}, True))

    def test_nothing_taken(self) -> None:
        """Where nobody is there and nothing is taken, that is said, with the day it opens; there is no field."""
        opens = time.time() + 10 * 86_400
        stamp = time.strftime("%Y-%m-%dT09:00:00Z", time.gmtime(opens))
        self.steer(chat={"status": "offline", "accepting": False, "leave": False, "next_opening": stamp})
        page = self.chat(timezone_id="Asia/Tokyo", locale="en-GB")
        page.click("button.b")
        page.wait_for_selector(".hello:has-text('Nobody is here')")
        words = page.locator(".hello").inner_text()
        # In the visitor's zone; one that is not near has its date.
        self.assertIn("18:00" if "18" in words else "6:00", words)
        self.assertIn(time.strftime("%B", time.gmtime(opens)), words)
        self.assertEqual(page.locator(".composer:visible").count(), 0)
        page.keyboard.press("Escape")
        page.locator(".panel").wait_for(state="hidden")

    def test_root(self) -> None:
        """A page that puts another root element in the place of its own keeps the chat, time and again."""
        page = self.opened()
        page.fill(".field", "Half a sen")
        for _ in range(2):
            page.evaluate("""document.documentElement.replaceWith(document.createElement('html'));
                document.documentElement.append(document.createElement('head'), document.createElement('body'))""")
            self.until(page, "!!document.querySelector('html > cackle-chat')?.isConnected")
        self.soon(lambda: self.assertEqual(page.input_value(".field"), "Half a sen"))

    def test_signed_out_early(self) -> None:
        """`logout` where nothing was started: what is kept of the visitor goes, and the token ends, without a panel."""
        context = self.context()
        page = self.opened(context=context)
        page.evaluate("Cackle.Chat.push(['identify', '42', {name: 'Vera'}])")
        self.say(page, "It is me")
        page.close()
        page = self.page(f"{self.base}/pages/plain.html", context=context)
        page.evaluate("cackle_widget.push({widget: 'Chat', id: 1, autoStart: false})")
        self.until(page, "!!window.Cackle?.Chat?.start")
        page.evaluate("Cackle.Chat.logout()")
        self.soon(lambda: self.assertIn({"logout": "1"}, self.steer()["chats"]))
        self.until(page, "!/Vera|secret/.test(localStorage['cackle:chat:1'])")
        self.assertEqual(page.locator("cackle-chat").count(), 0)
        page.evaluate("Cackle.Chat.open()")
        page.wait_for_selector(".field:visible")
        self.assertEqual(page.locator(".bubble").count(), 0)
