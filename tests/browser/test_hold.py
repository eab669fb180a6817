"""The height that is held before the first render: nothing below moves by a leap, no void stays, no click misses."""

from __future__ import annotations

from tests.browser.test_live import ALONE
from tests.support.browser import MockCase, Page

FOOTER = """
addEventListener('DOMContentLoaded', () => {
  const link = document.createElement('a');
  link.href = '#clicked'; link.id = 'link'; link.textContent = 'A link of the page';
  document.getElementById('below').append(link);
});
"""
VOID = """() => { const n = document.getElementById('mc-container').getBoundingClientRect();
  return n.bottom - document.querySelector('.mc-listfoot').getBoundingClientRect().bottom; }"""


class HoldTests(MockCase):
    def opened(self, query: str = "", **options) -> Page:
        return self.plain(query, script=ALONE + FOOTER, **options)

    def test_no_void(self) -> None:
        """Below a short thread nothing is held for long, and the page's footer came up without a leap."""
        for count in (0, 1, 3):
            self.steer(reset=True)
            self.seed(*(f"Comment {n}" for n in range(count)))
            for options in ({}, {"viewport": {"width": 360, "height": 700}}):
                page = self.opened(**options)
                self.until(page, f"({VOID})() < 8")
                self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0, (count, options)))
                self.soon(
                    lambda: self.assertLess(
                        page.evaluate("document.getElementById('link').getBoundingClientRect().top"), 900
                    )
                )
                # Pages that move take each other's frames.
                page.context.close()

    def test_readers_wrap_nothing(self) -> None:
        """However wide the column and long the words: the header is as high with the number of readers as without."""
        page = self.opened()
        page.wait_for_selector(".mc-header")
        moved = page.evaluate("""() => {
          const root = document.getElementById('mc-container'), head = root.querySelector('.mc-header');
          const long = root.querySelector('.mc-long'), online = root.querySelector('.mc-online'), moved = [];
          for (let width = 320; width <= 1000; width += 20) {
            root.style.width = width + 'px';
            long.textContent = ''; online.classList.remove('mc-on');
            const before = head.offsetHeight;
            long.textContent = 'Сейчас читают 1\u00a0234 человека, и ещё'; online.classList.add('mc-on');
            if (head.offsetHeight !== before || head.scrollWidth > head.clientWidth) moved.push(width);
          }
          return moved;
        }""")
        self.assertEqual(moved, [])

    def test_padding(self) -> None:
        """With a border and padding of the page's own, in either box model."""
        for model in ("content-box", "border-box"):
            page = self.plain(
                script=ALONE
                + FOOTER
                + f"""
                addEventListener('DOMContentLoaded', () => {{ const s = document.createElement('style');
                  s.textContent = '#mc-container {{box-sizing: {model}; padding: 24px; border: 2px solid}}';
                  document.head.append(s); }});"""
            )
            self.until(page, f"({VOID})() < 30")
            page.wait_for_timeout(200)
            self.soon(
                lambda: self.assertEqual(
                    page.evaluate("document.getElementById('mc-container').style.minHeight"), "", model
                )
            )
            self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0, model))

    def test_first_click(self) -> None:
        """A press on a link below the comments that lasts: the link stays under it, and the click is its own."""
        page = self.opened()
        self.until(page, "document.getElementById('link').getBoundingClientRect().bottom < innerHeight - 20")
        page.evaluate("""() => document.addEventListener('pointerdown', e => { window.hit = e.target.id; }, true)""")
        for _ in range(20):
            box = page.locator("#link").bounding_box()
            # Where it will be by then.
            page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
            page.mouse.down()
            if page.evaluate("window.hit") == "link":
                break
            page.mouse.up()
            page.wait_for_timeout(100)
        before = page.locator("#link").bounding_box()
        page.wait_for_timeout(400)
        self.soon(lambda: self.assertEqual(page.locator("#link").bounding_box(), before))
        page.mouse.up()
        self.until(page, "location.hash === '#clicked'")
        self.until(page, f"({VOID})() < 8")

    def test_reduced_motion(self) -> None:
        """Who wants no motion sees none."""
        page = self.opened(reduced_motion="reduce")
        self.until(page, f"({VOID})() < 8")
        self.soon(
            lambda: self.assertEqual(page.evaluate("document.getElementById('mc-container').style.minHeight"), "")
        )
