"""Pictures of staff in a browser: chosen on the account's page, seen by colleagues and by visitors who are answered."""

from __future__ import annotations

from tests.browser.test_access import AXE
from tests.browser.test_chat import SHADOW
from tests.browser.test_chat_daemon import ChatDaemonCase, Operator
from tests.browser.test_panel import VIOLATIONS, PanelCase
from tests.media import corpus

SEEN = "(() => { const i = %s; return !!i && i.complete && i.naturalWidth === 160 })()"


class StaffPictureTests(ChatDaemonCase):
    """An owner who answers chats and comments."""

    def setUp(self) -> None:
        # Nobody else is at a desk: conversations come to them.
        PanelCase.setUp(self)
        self.operator = self.owner = Operator(self, role="owner")
        self.owner.online()
        self.addCleanup(self.owner.leave)

    def upload(self) -> None:
        """Choose a picture on the account's page."""
        page = self.owner.page
        self.at(page, "/account", "Your account")
        section = page.locator("section", has=page.get_by_role("heading", name="Your picture", exact=True))
        with page.expect_file_chooser() as chosen:
            section.get_by_role("button", name="Upload a picture").click()
        raw = corpus.picture("PNG", (600, 400), "#2040c0")
        chosen.value.set_files([{"name": "me.png", "mimeType": "image/png", "buffer": raw}])
        self.until(page, SEEN % "document.querySelector('.own-picture img.avatar')")
        self.until(page, SEEN % "document.querySelector('.top .me img.avatar')")

    def clean(self) -> None:
        """axe finds nothing."""
        if AXE.exists():
            self.owner.page.evaluate(AXE.read_text())
            self.soon(lambda: self.assertEqual(self.owner.page.evaluate(VIOLATIONS), []))

    def test_seen(self) -> None:
        """It is in the panel's head and lists, in the visitor's chat and at a reply to a comment, until it goes."""
        self.upload()
        page = self.owner.page
        self.clean()
        self.at(page, "/sites/1/members", "Members")
        self.until(page, SEEN % "document.querySelector('.page img.avatar')")
        self.clean()
        # The chat: with the greeting, and beside what was said.
        visitor = self.opened(self.context())
        self.say(visitor, "Who is there?")
        chat = self.found("Who is there?")
        self.owner.ask("POST", f"/{chat}/take")
        self.owner.say(chat, "It is me.")
        self.until(visitor, SEEN % f"{SHADOW}.querySelector('.about .face img')")
        self.until(visitor, SEEN % f"{SHADOW}.querySelector('.row .face img')")
        self.owner.ask("POST", f"/{chat}/close", {"reason": "done"})
        # A reply to a comment.
        self.write("What about pictures?", "demo")
        first = f"{self.url}/bootstrap?widget=Comment&site=1&channel=demo&sort=new"
        comment = page.request.get(first).json()["page"]["comments"][0]["id"]
        made = page.request.post(
            f"{self.owner.url}/api/v1/sites/1/moderation/comments", data={"comment": comment, "text": "Here is one."},
            headers={"origin": self.owner.url, "x-cackled-panel": "1", "sec-fetch-site": "same-origin"},
        )  # fmt: skip
        self.assertEqual(made.status, 201, made.text())
        reader = self.page(f"{self.url}/demo?embed=1", context=self.context())
        reply = reader.locator("[role=article], article", has_text="Here is one.").last
        face = reply.locator("img.mc-face").first
        face.scroll_into_view_if_needed()
        self.assertIn("/avatar/staff/", str(face.get_attribute("src")))
        self.soon(lambda: self.assertEqual(face.evaluate("i => i.naturalWidth"), 160))
        # Removed: nowhere any more.
        self.at(page, "/account", "Your account")
        page.get_by_role("button", name="Remove the picture").click()
        self.until(page, "!document.querySelector('img.avatar')")
