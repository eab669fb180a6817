"""The queue's filters, and what goes on in the background for all that match."""

from __future__ import annotations

import re

from tests.browser.test_panel import PanelCase
from tests.support.reviews import review


class QueueListTests(PanelCase):
    """What the queue lists, and what is done to all of it."""

    def test_too_late(self) -> None:
        """Who decides on what a colleague decided on first is told by whom and how, and does not see it any more."""
        for text in ("Decided on twice", "Another one"):
            self.write(text, "panel-late")
        ann, ben = self.staff("moderator"), self.staff("moderator")
        # Nothing is told live: as where both decide in one moment.
        ben.route("**/rt/sse*", lambda route: route.abort())
        for page in (ann, ben):
            self.at(page, "/sites/1/queue?state=approved&channel=panel-late", "Queue")
            self.until(page, "document.querySelectorAll('.item').length === 2")
        ann.locator(".item", has_text="Decided on twice").get_by_role("button", name="Reject").click()
        ann.get_by_text("Rejected 1 item.").wait_for()
        ben.locator(".item", has_text="Decided on twice").get_by_role("button", name="Spam").click()
        ben.get_by_text(re.compile(r"moderator\d+ changed it meanwhile\. It is now: Rejected")).wait_for()
        self.until(ben, "document.querySelectorAll('.item').length === 1")
        ben.get_by_role("link", name="Rejected").first.click()
        ben.locator(".item", has_text="Decided on twice").get_by_role("button", name="Context").click()
        ben.get_by_role("dialog").locator(".history").get_by_text(re.compile(r"^moderator\d+$")).wait_for()

    def test_steered(self) -> None:
        """What goes on in the background says how far it is, rests, goes on and is stopped by its buttons."""
        self.write("Matching something long", "panel-steered")
        page = self.staff("moderator")
        row = {"id": "77", "name": "Ann", "action": "reject", "state": "running", "total": 12480, "done": 480,
               "failed": 0, "at": "2026-11-01T10:00:00Z"}  # fmt: skip
        steps = {"pause": "paused", "resume": "running", "stop": "stopped"}
        asked = []

        # A server that is never done in time to be stopped: `tests.moderation` has the real one.
        def answer(route) -> None:
            verb = route.request.url.rpartition("/")[2]
            if route.request.method == "POST" and verb in steps:
                asked.append(verb)
                row["state"] = steps[verb]
            route.fulfill(json=row)

        page.route(re.compile(r"/moderation/actions(/77.*)?$"), answer)
        self.at(page, "/sites/1/queue?state=approved&channel=panel-steered", "Queue")
        page.locator(".item").wait_for()
        page.get_by_role("button", name="All that match").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("everything that matches the search: 1.").wait_for()
        dialog.locator("footer").get_by_role("button", name="Approve").click()
        running = page.locator(".running")
        self.soon(lambda: self.assertEqual(running.get_by_role("progressbar").get_attribute("value"), "480"))
        running.get_by_role("button", name="Pause").click()
        running.get_by_role("button", name="Go on").click()
        running.get_by_role("button", name="Pause").wait_for()
        row["done"] = 960
        self.soon(lambda: self.assertEqual(running.get_by_role("progressbar").get_attribute("value"), "960"))
        running.get_by_role("button", name="Stop").click()
        page.get_by_text("Done: 960 items.").wait_for()
        running.wait_for(state="detached")
        self.assertEqual(asked, ["pause", "resume", "stop"])

    def test_product(self) -> None:
        """The queue shows one product alone, chosen with the keyboard on a phone; address and reload keep it."""
        self.write("Words of a comment", "panel-product")
        review(self.url, "panel-product", star=4, text="Words of a review")
        page = self.staff("moderator", viewport={"width": 360, "height": 800})
        self.at(page, "/sites/1/queue?state=all&channel=panel-product", "Queue")
        self.until(page, "document.querySelectorAll('.item').length === 2")
        menu = page.get_by_label("Product", exact=True)
        menu.focus()
        # Letters choose in the menu, and are no keys of the queue there.
        page.keyboard.type("Rev")
        self.until(page, "new URLSearchParams(location.search).get('product') === 'reviews'")
        self.until(page, "document.querySelector('.item:only-of-type')?.dataset.item.startsWith('review:')")
        self.soon(lambda: self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth")))
        page.reload()
        page.locator(".item", has_text="Words of a review").wait_for()
        self.soon(lambda: self.assertEqual(menu.input_value(), "reviews"))
        # The other filters stay, and the states keep the product.
        page.get_by_role("link", name="Approved").click()
        self.until(page, "/state=approved/.test(location.search) && /product=reviews/.test(location.search)")
        menu.select_option("Comments")
        page.locator(".item", has_text="Words of a comment").wait_for()
        self.until(page, "document.querySelectorAll('.item').length === 1")
        menu.select_option("All products")
        self.until(page, "!/product/.test(location.search.replace('panel-product', ''))")
        self.until(page, "document.querySelectorAll('.item').length === 2")
