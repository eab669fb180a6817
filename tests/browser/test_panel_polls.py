"""The panel's polls: made with a preview, watched, changed, made again from an old one."""

from __future__ import annotations

from typing import Any

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS
from tests.support.browser import BrowserCase
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon

VIDEO = {"provider": "youtube", "id": "dQw4w9WgXcQ", "hash": "", "title": ""}


class PanelPollTests(BrowserCase):
    """One daemon, one owner."""

    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if PanelPollTests.daemon is None:
            # Titles of videos are asked of nobody.
            PanelPollTests.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n[outbound]\nports = [9]\n')
        self.url = PanelPollTests.daemon.url

    def staff(self) -> Any:
        """The owner of site 1, signed in, at the list of polls."""
        assert PanelPollTests.daemon is not None
        told = PanelPollTests.daemon.admin("account add polls@staff.example --role owner --site 1")
        page = self.page(told["link"], context=self.context(viewport={"width": 1200, "height": 900}), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/polls")
        page.get_by_role("heading", name="Polls", level=1).wait_for()
        return page

    def poll(self, number: str) -> Any:
        """A poll as the API has it."""
        return call(f"{self.url}/api/v1/sites/1/polls/{number}").json()["poll"]

    def test_editor(self) -> None:
        """From an empty form to a poll with votes, a copy of it, and a change that keeps the rest."""
        page = self.staff()
        page.get_by_role("button", name="New poll").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Kind").select_option("multiple")
        dialog.get_by_label("Question").fill("Which birds?")
        for number, text in enumerate(("Duck", "Goose"), 1):
            dialog.get_by_label(f"Options {number}", exact=True).fill(text)
        # Words are written in the direction of their own language, addresses from the left, wherever the panel's goes.
        for label, way in (("Question", "auto"), ("Options 1", "auto"), ("Options 2", "auto"), ("Description", "")):
            field = dialog.get_by_label(label, exact=True)
            self.soon(lambda field=field, way=way: self.assertEqual(field.get_attribute("dir") or "", way))
        dialog.get_by_text("Picture or video").first.click()
        dialog.get_by_label("Options 1: Video on YouTube or Vimeo").fill("https://youtu.be/dQw4w9WgXcQ")
        dialog.get_by_label("At most", exact=True).fill("2")
        dialog.get_by_label("New votes of one network in an hour").fill("50")
        preview = dialog.get_by_role("group", name="Preview")
        self.soon(lambda: self.assertRegex(preview.inner_text(), r"(?s)Which birds\?.*Duck.*Goose.*1–2"))
        self.clean(page, "editor")
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        page.get_by_role("link", name="Which birds?").click()
        page.get_by_role("heading", name="Which birds?", level=1).wait_for()
        number = page.url.rpartition("/")[2]
        made = self.poll(number)
        self.assertEqual((made["min"], made["max"], made["options"][0]["video"]), (1, 2, VIDEO))
        # A vote is seen without a reload, and where it came from.
        self.assertEqual(Visitor(self.url).call(f"/polls/{number}/vote", "PUT", {"options": ["1", "2"]}).status, 200)
        page.get_by_text("1 voter").wait_for()
        page.get_by_text("Percentages are of voters, who may have several votes each.").wait_for()
        page.get_by_role("heading", name="Votes by page").wait_for()
        self.clean(page, "results")
        self.changed(page, number)
        self.copied(page, number)

    def changed(self, page: Any, number: str) -> None:
        """A typing error is put right; the video stays. What the votes forbid is said in the form."""
        page.get_by_role("button", name="Change", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Options 1", exact=True).fill("Ducks")
        self.soon(lambda: self.assertEqual(dialog.get_by_label("New votes of one network").input_value(), "50"))
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        option = self.poll(number)["options"][0]
        self.assertEqual((option["text"], option["video"], option["votes"]), ("Ducks", VIDEO, 1))
        page.get_by_role("button", name="Change", exact=True).click()
        dialog.get_by_label("At most", exact=True).fill("1")
        dialog.get_by_role("button", name="Save").click()
        dialog.get_by_role("alert").wait_for()
        dialog.get_by_role("button", name="Close").click()
        dialog.wait_for(state="detached")

    def copied(self, page: Any, number: str) -> None:
        """The copy has all of it, and no votes."""
        page.get_by_role("button", name="Make a copy").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="detached")
        self.until(page, "was => !location.pathname.endsWith('/' + was)", number)
        page.get_by_text("0 voters").wait_for()
        copy = self.poll(page.url.rpartition("/")[2])
        self.assertEqual([one["text"] for one in copy["options"]], ["Ducks", "Goose"])
        self.assertEqual((copy["voters"], copy["max"], copy["options"][0]["video"]), (0, 2, VIDEO))

    def clean(self, page: Any, name: str) -> None:
        """axe-core finds nothing, in light, in the dark, on a phone."""
        if not AXE.is_file():
            return
        page.evaluate(AXE.read_text())
        for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), [], f"{name} {scheme} {width}"))
            wide = page.evaluate("document.documentElement.scrollWidth")
            self.assertLessEqual(wide, width, f"{name} {width}")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1200, "height": 900})
