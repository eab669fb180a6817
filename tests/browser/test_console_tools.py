"""What operators have at hand in the console: macros, emoji, mentions in notes."""

from __future__ import annotations

from tests.browser.test_access import AXE
from tests.browser.test_console import ConsoleCase
from tests.browser.test_panel import VIOLATIONS
from tests.support.client import Visitor


class ToolTests(ConsoleCase):
    """One operator, or two."""

    def test_macros(self) -> None:
        """A macro is made by an admin, run by its slash as a whole, and says which step was refused."""
        page = self.operator("gina", "admin")
        self.online(page, capacity=0)
        chat = self.start("Ada", "My money, please")
        self.at(page, f"/sites/{self.site}/chat/macros", "Macros")
        page.get_by_text("There are no macros yet.").wait_for()
        page.get_by_role("button", name="New macro").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("Refund")
        first = dialog.get_by_role("group", name="Step 1")
        first.get_by_label("Text").fill("Paid back, {visitor.name|friend}.")
        for n, kind in ((2, "Labels"), (3, "Close")):
            dialog.get_by_role("button", name="Add", exact=True).click()
            dialog.get_by_role("group", name=f"Step {n}").get_by_label("What to do").select_option(label=kind)
        dialog.get_by_role("group", name="Step 2").get_by_role("textbox", name="Labels").fill("refund, happy")
        # What ends the work on a chat is the last step.
        dialog.get_by_role("button", name="Move step 3 up").click()
        dialog.get_by_text("Nothing can come after").wait_for()
        self.soon(lambda: self.assertTrue(dialog.get_by_role("button", name="Save").is_disabled()))
        dialog.get_by_role("button", name="Move step 2 down").click()
        page.evaluate(AXE.read_text())
        self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        page.locator(".steps li", has_text="Paid back").wait_for()
        page.get_by_role("link", name="Chat", exact=True).last.click()
        self.row(page, "Ada").click()
        field = page.locator(".composer textarea")
        field.fill("/ref")
        page.get_by_role("option", name="Refund").wait_for()
        field.press("Enter")
        page.get_by_text("Done: Refund").wait_for()
        self.soon(lambda: self.assertIn("Paid back, Ada.", self.read(chat)))
        self.soon(lambda: self.assertIn('"state": "closed"', self.read(chat)))
        page.get_by_text("This chat is closed").first.wait_for()
        # A visitor's word that the operator has not seen stops all of it, until it is wanted all the same.
        other = self.start("Bea", "Hello")
        self.row(page, "Bea").click()
        page.locator(".bubble", has_text="Hello").wait_for()
        page.route("**/macros/*", lambda route: (self.say(other, "Wait"), route.continue_())[1], times=1)
        field.fill("/ref")
        page.get_by_role("option", name="Refund").wait_for()
        field.press("Enter")
        page.get_by_role("button", name="Send anyway").wait_for()
        self.assertNotIn("Paid back", self.read(other))
        page.get_by_role("button", name="Send anyway").click()
        self.soon(lambda: self.assertIn('"state": "closed"', self.read(other)))

    def test_emoji_and_mentions(self) -> None:
        """An emoji goes where the caret is; a colleague's name is completed in a note, which the visitor never gets."""
        ann, ben = self.operator("hana"), self.operator("igor")
        for page in (ann, ben):
            self.online(page, capacity=0)
        chat = self.start("Cleo", "Hi")
        self.row(ann, "Cleo").click()
        ann.get_by_role("button", name="Take", exact=True).click()
        ann.locator(".talk-head").get_by_role("button", name="Close").wait_for()
        field = ann.locator(".composer textarea")
        field.fill("Sure thing")
        field.evaluate("node => node.setSelectionRange(4, 4)")
        ann.locator(".tools").get_by_role("button", name="Emoji").click()
        ann.get_by_role("group", name="Emoji").get_by_role("button", name="👍").click()
        self.until(ann, "document.querySelector('.composer textarea').value === 'Sure👍 thing'")
        # The caret stands behind it: writing goes on there.
        self.until(ann, "document.querySelector('.composer textarea').selectionStart === 6")
        field.press("Enter")
        self.sent(ann, "Sure👍 thing")
        self.soon(lambda: self.assertIn("Sure👍 thing", self.read(chat)))
        ann.get_by_role("button", name="Note", exact=False).first.click()
        field.fill("look here @ig")
        ann.get_by_role("option", name="@igor").wait_for()
        field.press("Enter")
        self.until(ann, "document.querySelector('.composer textarea').value === 'look here @igor '")
        field.press("Enter")
        ann.locator(".line.note", has_text="look here @igor").wait_for()
        # Whoever is called is told, wherever they are in the panel.
        ben.get_by_text("hana mentioned you in a note.").wait_for()
        ben.locator(".toast, [role=status], [role=alert]").get_by_role("button", name="Chat").click()
        ben.locator(".line.note", has_text="look here @igor").wait_for()
        self.assertNotIn("look here", self.read(chat))

    def test_card(self) -> None:
        """The card follows the visitor from page to page, names browser and system, and says how a chat went."""
        page = self.operator("kim")
        self.online(page, capacity=0)
        dora = Visitor(self.url, self.site, "Dora")
        self.soon(lambda: self.assertEqual(dora.post("lamps", "I like these lamps").status, 201))
        chat = self.start("Dora", "Hello", by=dora, page={"url": "https://shop.example/a", "title": "Lamps"})
        self.row(page, "Dora").click()
        page.get_by_role("button", name="Take", exact=True).click()
        card = page.locator("aside.visitor")
        card.get_by_role("link", name="Lamps").first.wait_for()
        card.get_by_text("Elsewhere on the site").click()
        card.get_by_role("heading", name="Comments: 1").wait_for()
        card.get_by_text("I like these lamps").wait_for()
        self.ask("PUT", f"/{chat[0]}/visit", {"page": {"url": "https://shop.example/b", "title": "Plates"}}, chat[1])
        # Without a reload, and the newest page first.
        self.until(page, "document.querySelector('aside.visitor section a')?.textContent === 'Plates'")
        self.until(page, "[...document.querySelectorAll('.trail li a')].slice(0, 2).map(n => n.textContent).join()"
                         " === 'Plates,Lamps'")  # fmt: skip
        self.write(page, "Good day")
        self.sent(page, "Good day")
        page.get_by_role("button", name="Close", exact=True).first.click()
        page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).last.click()
        card.get_by_text("Quality").click()
        for words in ("Wait", "First response", "Resolution", "Solved", "1 / 1"):
            card.locator("details[open] .card-pairs", has_text=words).first.wait_for()

    def test_push(self) -> None:
        """A browser is told while the panel is closed: its worker is there, its subscription kept and ended."""
        page = self.operator("jane")
        page.context.grant_permissions(["notifications"])
        # There is no push service here: the browser has the subscription that one would have given.
        page.evaluate("""() => {
          const made = {endpoint: 'https://push.example/jane', unsubscribe: async () => true,
            toJSON: () => ({endpoint: 'https://push.example/jane', expirationTime: null, keys: {
              auth: btoa('a'.repeat(16)).replace(/=+$/, ''), p256dh:
              'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4'}})};
          PushManager.prototype.subscribe = async options => (window.asked = options, window.given = made);
          PushManager.prototype.getSubscription = async () => window.given || null;
          Notification.requestPermission = async () => 'granted';
        }""")
        page.get_by_role("button", name="My desk").click()
        box = page.get_by_role("dialog").get_by_label("Notify this browser too")
        box.click()
        page.get_by_text("Notified while the panel is closed.").wait_for()
        self.until(page, "asked.userVisibleOnly && asked.applicationServerKey.length === 65")
        self.until(page, "navigator.serviceWorker.getRegistration('/panel/').then(one => !!one.active)")
        self.soon(lambda: self.assertTrue(box.is_checked()))
        with page.expect_response("**/desk/push/gone") as gone:
            box.click()
        self.assertEqual(gone.value.status, 204)
