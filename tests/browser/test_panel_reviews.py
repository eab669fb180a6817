"""The panel's pages of reviews: the queue's cards, neutral reasons, answers, statistics, requests, criteria."""

from __future__ import annotations

import time

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS
from tests.support.browser import BrowserCase
from tests.support.client import call
from tests.support.daemon import PATIENCE, Daemon
from tests.support.reviews import fill, review, settle


class PanelReviewTests(BrowserCase):
    """One daemon, one owner."""

    daemon: Daemon | None = None
    link = ""

    def setUp(self) -> None:
        super().setUp()
        if PanelReviewTests.daemon is None:
            PanelReviewTests.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
            settle(PanelReviewTests.daemon)
        self.url = PanelReviewTests.daemon.url

    def staff(self, name: str):
        """Somebody who owns site 1, signed in."""
        told = PanelReviewTests.daemon.admin(f"account add {name}@staff.example --role owner --site 1")
        page = self.page(told["link"], context=self.context(viewport={"width": 1200, "height": 900}), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        return page

    def at(self, page, path: str, heading: str) -> None:
        """Go to a page of the panel."""
        page.goto(f"{page.url.partition('/panel')[0]}/panel{path}")
        page.get_by_role("heading", name=heading, level=1).wait_for()

    def press_slowly(self, page, card) -> None:
        """Press "Answer" of a card that is cut at the lower edge, and let go once the card is the current one."""
        button = card.get_by_role("button", name="Answer")
        button.evaluate("b => scrollBy(0, b.getBoundingClientRect().bottom - innerHeight)")
        where = button.bounding_box()
        page.mouse.move(where["x"] + 5, where["y"] + 5)
        page.mouse.down()
        self.until(page, "!!document.querySelector('.item.current:focus-within')")
        page.wait_for_timeout(200)
        page.mouse.up()

    def test_queue(self) -> None:
        """A card has stars and facts; hiding takes a neutral reason, which the author is told; an answer is shown."""
        fill(self.url, "panel-cards")
        author, written = review(self.url, "panel-cards", star=1, text="Hide me")
        page = self.staff("cards")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-cards", "Queue")
        self.until(page, "document.querySelectorAll('.item').length === 5")
        card = page.locator(".item", has_text="Chipped")
        card.get_by_role("img", name="2 stars").wait_for()
        self.soon(lambda: self.assertIn("Does not recommend it", card.inner_text()))
        self.press_slowly(page, card)
        page.get_by_role("dialog").get_by_label("Answer").fill("We send you another one.")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        page.get_by_role("dialog").wait_for(state="detached")
        page.locator(".item", has_text="Hide me").get_by_role("button", name="Reject").click()
        dialog = page.get_by_role("dialog")
        self.soon(lambda: self.assertTrue(dialog.get_by_role("button", name="Reject").is_disabled()))
        dialog.get_by_label("Why", exact=True).select_option("offtopic")
        dialog.get_by_role("button", name="Reject").click()
        self.until(page, "document.querySelectorAll('.item').length === 4")
        number = written["review"]["id"]
        self.until_rejected(author, number)
        found = author.call("/reviews?channel=panel-cards").json()
        self.assertEqual(found["summary"]["count"], 4)
        self.soon(
            lambda: self.assertEqual([one["reply"] is not None for one in found["page"]["reviews"]].count(True), 1)
        )

    def until_rejected(self, author, number: str) -> None:
        """The author reads why it is hidden; the panel shows what was decided before it is."""
        page = f"/bootstrap?widget=Review&site=1&channel=panel-cards&me={author.id}.{author.view}"
        end = time.monotonic() + PATIENCE
        while True:
            (own,) = call(f"{self.url}{page}").json()["me"]["own"]
            if "state" in own or time.monotonic() > end:
                break
            time.sleep(0.1)
        self.assertEqual((own["id"], own.get("state"), own.get("reason")), (number, "rejected", "offtopic"))

    def test_pages(self) -> None:
        """Statistics, requests and the form's criteria: each opens, does its thing, and is clean for axe."""
        fill(self.url, "panel-pages")
        page = self.staff("pages")
        self.at(page, "/sites/1/reviews", "Reviews")
        page.get_by_text("Reviews by day and stars").wait_for()
        self.clean(page)
        self.at(page, "/sites/1/reviews/requests", "Reviews")
        page.get_by_label("Whether buyers are asked for reviews by mail").select_option("consent")
        save = page.get_by_role("button", name="Save")
        self.soon(lambda: self.assertTrue(save.is_disabled()))
        page.get_by_label("I confirm that this legal ground").check()
        save.click()
        page.get_by_text("Saved").first.wait_for()
        page.get_by_label("CSV", exact=True).fill(
            "order,email,channel,title,event\n17,bo@shop.example,panel-pages,Kettle,delivered\n18,x,,,nonsense\n"
        )
        page.get_by_role("button", name="Take in").click()
        page.get_by_text("1 orders taken in, from 2 rows.").wait_for()
        page.locator("td", has_text="waiting").first.wait_for()
        self.soon(lambda: self.assertNotIn("bo@shop.example", page.inner_text("main")))
        self.clean(page)
        self.at(page, "/sites/1/reviews/form", "Reviews")
        page.get_by_role("button", name="Add").first.click()
        page.get_by_label("What is rated besides 3").fill("Noise")
        page.get_by_role("button", name="Add").last.click()
        save = page.get_by_role("button", name="Save").first
        page.get_by_label("Attributes with values to choose from 2", exact=True).fill("Used for")
        self.soon(lambda: self.assertTrue(save.is_disabled()))
        page.get_by_label("Attributes with values to choose from 2: Values").fill("work, travel;=, ")
        save.click()
        page.get_by_text("Saved").first.wait_for()
        kept = PanelReviewTests.daemon.admin("site settings 1")
        self.assertIn("size: Size = small, right, large; used-for: Used for = work, travel", str(kept))
        self.assertIn("quality: Quality; value: Value for money; noise: Noise", str(kept))
        page.get_by_label("Feed of product ratings").select_option("private")
        page.get_by_role("button", name="Save").last.click()
        address = page.get_by_label("Address of the feed")
        address.wait_for()
        before = address.input_value()
        self.assertIn("/feeds/1/reviews.xml.gz?key=", before)
        page.get_by_role("button", name="New key").click()
        self.soon(lambda: self.assertNotEqual(address.input_value(), before))
        self.clean(page)

    def test_link(self) -> None:
        """An order by hand: its link opens the form, and comes as a QR code that can be saved."""
        page = self.staff("link")
        self.at(page, "/sites/1/reviews/requests", "Reviews")
        page.get_by_label("Order", exact=True).fill("A 17/b")
        page.get_by_label("Address of the product").fill("https://one.example/kettle")
        page.get_by_label("The buyer gets something").check()
        page.get_by_role("button", name="Make the link").click()
        page.get_by_role("img", name="QR code of the link for order A 17/b").wait_for()
        link = page.get_by_label("Link for an order", exact=True).input_value()
        self.assertTrue(link.startswith("https://one.example/kettle#mc-review="), link)
        with page.expect_download() as got:
            page.get_by_role("link", name="Save as SVG").click()
        self.assertEqual(got.value.suggested_filename, "review-A_17_b.svg")
        self.assertIn("<svg xmlns", got.value.path().read_text())
        self.clean(page)

    def test_label(self) -> None:
        """A review is labelled in the queue, and the criteria have their names there."""
        review(self.url, "panel-label", star=5, text="Label me", criteria={"value": 3})
        page = self.staff("label")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-label", "Queue")
        card = page.locator(".item", has_text="Label me")
        card.get_by_text("Value for money").wait_for()
        card.get_by_role("button", name="Context").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("What to do").select_option("incentivize")
        dialog.get_by_role("button", name="Do it").click()
        card.get_by_text("Got something for it").wait_for()

    def clean(self, page) -> None:
        """axe finds nothing, light and dark."""
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if AXE.exists():
                page.evaluate(AXE.read_text())
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
