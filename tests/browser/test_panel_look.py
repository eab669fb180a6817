"""What is looked at in the panel: things stand in lines, charts run as words do, the menu says where one is."""

from __future__ import annotations

from tests.browser.test_panel import PanelCase
from tests.support.reviews import review

# Where the first parts of the two first cards begin, and whether they move with the page.
CARDS = """() => [...document.querySelectorAll('.item')].slice(0, 2).map(one => [
  one.querySelector('.avatar').getBoundingClientRect().x, one.querySelector('.text').getBoundingClientRect().x,
  getComputedStyle(one).position])"""
# Distance in pixels of each bar's middle from the label of its day.
BARS = """() => { const chart = document.querySelector('.chart');
  const middle = one => { const box = one.getBoundingClientRect(); return box.x + box.width / 2; };
  const last = chart.querySelector('.axis span:last-child');
  return [...chart.querySelectorAll('rect')].map(one => Math.abs(middle(one) - middle(last))); }"""
# The fields of each row of a pair: the tops of what people type into.
TOPS = """() => [...document.querySelectorAll('.pair')].map(pair => [...pair.querySelectorAll(':scope > .field')]
  .map(one => [one, one.querySelector('input, select, textarea')].map(node => node.getBoundingClientRect().y)))"""


class LookTests(PanelCase):
    """By measuring."""

    def test_chosen(self) -> None:
        """A card that was chosen stays as it was, but for its colour."""
        for text in ("first to look at", "- one\n- two"):
            self.write(text, "panel-look")
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=all&channel=panel-look", "Queue")
        page.locator(".item").nth(1).wait_for()
        before = page.evaluate(CARDS)
        page.locator(".item").first.get_by_role("checkbox").check()
        page.get_by_role("toolbar").wait_for()
        self.assertEqual(page.evaluate(CARDS), before)
        self.assertEqual(
            page.evaluate("getComputedStyle(document.querySelector('.item .text ul')).listStyleType"), "disc"
        )

    def test_menu(self) -> None:
        """Pages that belong to another one in the menu show it there."""
        page = self.staff("owner")
        for path, heading, entry in (
            ("/sites/1/look", "Look", "Settings"), ("/sites/1/deletion", "Delete the site", "Settings"),
            ("/sites/1/queue", "Queue", "Queue"), ("/sites/1/exports", "Exports", "Import and export"),
        ):  # fmt: skip
            page.goto(f"{page.url.partition('/panel')[0]}/panel{path}")
            page.get_by_role("heading", level=1).wait_for()
            current = page.locator(".menu a[aria-current]")
            current.wait_for()
            self.assertEqual(current.all_inner_texts(), [entry], heading)

    def test_charts(self) -> None:
        """What was today stands above today, in whichever direction one reads; days without anything have room."""
        review(self.url, "panel-look-review", star=4, text="Stars of today")
        for language in ("en", "ar"):
            page = self.reader(language)
            page.goto(f"{page.url.partition('/panel')[0]}/panel/sites/1/reviews?days=30")
            page.locator(".chart rect").first.wait_for()
            width = page.evaluate("document.querySelector('.chart svg').getBoundingClientRect().width")
            found = page.evaluate(BARS)
            self.assertLess(min(found), 60, language)
            # Demo reviews of twenty days ago.
            self.assertGreater(max(found), width * 0.45, language)

    def reader(self, language: str):
        """A moderator who reads *language*."""
        PanelCase.made += 1
        told = PanelCase.daemon.admin(f"account add reader{PanelCase.made}@staff.example --role moderator --site 1")
        page = self.page(told["link"], context=self.context(locale=language), wait="h1")
        page.get_by_role("button").last.click()
        page.wait_for_url("**/panel/")
        page.locator(f"html[lang={language}] h1").wait_for()
        return page

    def test_fields(self) -> None:
        """Fields side by side stand in one line, also where one's label takes two."""
        page = self.staff("admin", viewport={"width": 820, "height": 900})
        self.at(page, "/sites/1/rules", "Rules")
        page.locator(".pair").first.wait_for()
        rows = 0
        for pair in page.evaluate(TOPS):
            for top in {one[0] for one in pair}:
                inputs = {round(one[1]) for one in pair if one[0] == top}
                self.assertEqual(len(inputs), 1, pair)
                rows += len([one for one in pair if one[0] == top]) > 1
        self.assertGreater(rows, 3)
