"""The chat's ends that lead elsewhere: the department that a page chose, and the conversation by mail."""

from __future__ import annotations

from tests.browser.test_chat import SHADOW
from tests.browser.test_chat_daemon import ChatDaemonCase, Operator
from tests.browser.test_panel import PanelCase
from tests.support.daemon import Daemon
from tests.support.letters import MailServer

SETTINGS = """
[limits]
exempt = ["127.0.0.0/8"]
[mail]
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "shop@example.org"
"""


class EndTests(ChatDaemonCase):
    """A daemon that sends mail."""

    def setUp(self) -> None:
        self.mail = MailServer()
        self.addCleanup(self.mail.stop)
        before = PanelCase.daemon
        PanelCase.daemon = Daemon.for_test(self, SETTINGS.format(port=self.mail.port))
        self.addCleanup(setattr, PanelCase, "daemon", before)
        for line in ("chat.enabled true", "chat.offline true"):
            PanelCase.daemon.admin(f"site set 1 {line}")
        super().setUp()

    def test_department_and_transcript(self) -> None:
        """`setDepartment` is where the conversation goes; at its end its visitor has it sent by mail."""
        owner = Operator(self, role="owner")
        sales = owner.ask("POST", "/departments", {"name": "Sales"})["id"]
        owner.ask("POST", "/departments", {"name": "Support"})
        page = self.opened()
        page.evaluate("id => Cackle.Chat.push(['setDepartment', id])", sales)
        self.say(page, "What does the lamp cost?")
        chat = self.found("What does the lamp cost?")
        rows = self.operator.ask("GET", f"?state=all&department={sales}")["chats"]
        self.assertEqual([(row["id"], row["department"]) for row in rows], [(chat, sales)])
        self.operator.say(chat, "Twenty, with a bulb.")
        page.wait_for_selector(".bubble:has-text('Twenty, with a bulb.')")
        self.operator.ask("POST", f"/{chat}/note", {"text": "a hidden note"})
        page.click(".finish")
        field = page.locator(".copy input")
        # What is no address is not sent.
        field.fill("nobody")
        page.click(".copy button")
        self.until(page, "document.activeElement !== document.body")
        field.fill("vi@example.org")
        page.click(".copy button")
        page.locator(".end [role=status]", has_text="A copy is on its way.").wait_for()
        self.soon(lambda: self.assertEqual(len(self.mail.letters), 1))
        to, letter = self.mail.letters[0]
        self.assertEqual((to, letter["to"]), (["vi@example.org"], "vi@example.org"))
        text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        at = [text.find(words) for words in ("What does the lamp cost?", "Twenty, with a bulb.")]
        self.assertTrue(0 <= at[0] < at[1], text)
        self.assertNotIn("hidden", text)

    def test_keys_at_the_end(self) -> None:
        """Whoever writes while the operator closes is at the stars then, which are seen; Escape closes the panel."""
        page = self.opened(viewport={"width": 700, "height": 480})
        self.say(page, "Is it in stock?")
        chat = self.found("Is it in stock?")
        for number in range(4):
            self.operator.say(chat, f"Line {number}")
        page.wait_for_selector(".bubble:has-text('Line 3')")
        page.focus(".field")
        self.operator.ask("POST", f"/{chat}/close", {"reason": "done"})
        at = f"{SHADOW}.activeElement?.getAttribute('aria-label')"
        star = f"{SHADOW}.activeElement?.classList.contains('star')"
        self.until(page, star)
        self.until(page, f"(n => n.scrollHeight - n.scrollTop - n.clientHeight < 2)({SHADOW}.querySelector('.scroll'))")
        for key, words in (("ArrowRight", "2"), ("ArrowRight", "3")):
            page.keyboard.press(key)
            self.until(page, f"{star} && {at}.includes({words})")
        # Where it is read from right to left the next star is on the left.
        page.evaluate(f"{SHADOW}.querySelector('.stars').style.direction = 'rtl'")
        page.keyboard.press("ArrowLeft")
        self.until(page, f"{star} && {at}.includes('4')")
        page.keyboard.press("Escape")
        page.locator(".panel").wait_for(state="hidden")
        self.until(page, f"{SHADOW}.activeElement?.className === 'b'")
