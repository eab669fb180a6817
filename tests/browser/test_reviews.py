"""The reviews widgets against the real daemon: reading, filtering, writing, votes, live; by mouse, keys, on phones."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import psycopg2
from twisted.trial.unittest import SkipTest

import cackled
from cackled.database import embedded
from tests.browser.bundles import Built, gzipped
from tests.browser.test_access import AXE
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon
from tests.support.reviews import LONG, fill, review, settle

SERVERS = [{"url": "https://a.comments.example", "weight": 3}, {"url": "https://b.comments.example", "weight": 2}]
SHIFTS = """new PerformanceObserver(l => l.getEntries().forEach(e => {
  if (!e.hadRecentInput) window.shift = (window.shift || 0) + e.value;
})).observe({type: 'layout-shift', buffered: true})"""
VIOLATIONS = """async () => (await axe.run('#mc-review', {resultTypes: ['violations']})).violations
  .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + n.failureSummary).join(' | ')}`)"""
IDS = "[...document.querySelectorAll('.mcr-list > .mcr-c .mcr-who')].map(n => n.innerText)"


class ReviewCase(BrowserCase):
    """One daemon for all tests: each has a page of its own."""

    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if ReviewCase.daemon is None:
            # All visitors of these tests come from one address.
            # Titles of videos are asked of nobody.
            ReviewCase.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n[outbound]\nports = [9]\n')
            settle(ReviewCase.daemon)
        self.url = ReviewCase.daemon.url

    def open(self, key: str, query: str = "", fragment: str = "", **options):
        """The demo's page with the reviews of *key*, in a browser of its own."""
        context = options.pop("context", None) or self.context(**options)
        return self.page(
            f"{self.url}/demo/reviews?channel={key}{query}{fragment}", context=context, wait="#mc-review .mcr-head",
            script=SHIFTS,
        )  # fmt: skip

    def ready(self, page) -> None:
        """Wait until what comes after the first render is there."""
        self.until(page, "!!window.Cackle['reviewing.js']")


class ReadingTests(ReviewCase):
    """What readers see, and what they ask for."""

    def test_figures(self) -> None:
        """The mean, stars exact to the half, bars in words, criteria; the page does not move."""
        fill(self.url, "figures")
        page = self.open("figures")
        self.soon(lambda: self.assertEqual(page.inner_text(".mcr-number"), "4.0"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mcr-big .mcr-full", "width"), "80"))
        self.soon(lambda: self.assertEqual(page.text_content("[data-star='5'] .mcr-hidden"), "5 stars: 2 reviews"))
        self.soon(lambda: self.assertIn("67% recommend it", page.inner_text(".mcr-big")))
        self.soon(lambda: self.assertEqual(page.locator(".mcr-criterion .mcr-value").all_inner_texts(), ["3.7", "3.5"]))
        self.ready(page)
        page.wait_for_timeout(500)
        self.soon(lambda: self.assertEqual(page.evaluate("window.shift || 0"), 0))

    def test_filters(self) -> None:
        """Bars filter, several together; words are searched; orders change the order; nothing fits says so."""
        fill(self.url, "filters")
        page = self.open("filters")
        page.click("[data-star='2']")
        self.until(page, f"{IDS}.join() === 'Chi'")
        self.soon(lambda: self.assertEqual(page.get_attribute("[data-star='2']", "aria-pressed"), "true"))
        page.focus("[data-star='4']")
        page.keyboard.press("Enter")
        self.until(page, f"{IDS}.sort().join() === 'Bo,Chi'")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.dataset.star"), "4"))
        page.click("[data-star='2']")
        page.click("[data-star='4']")
        self.until(page, f"{IDS}.length === 4")
        page.select_option(".mcr-sort", "low")
        self.until(page, f"{IDS}[0] === 'Chi'")
        page.fill(".mcr-search", "enamel")
        page.keyboard.press("Enter")
        self.until(page, f"{IDS}.join() === 'Chi'")
        page.fill(".mcr-search", "zebra")
        page.get_by_text("No review fits.").wait_for()
        page.get_by_role("button", name="Show all").click()
        self.until(page, f"{IDS}.length === 4")

    def test_long(self) -> None:
        """A long text is folded and opens."""
        review(self.url, "long", star=5, text=LONG)
        page = self.open("long")
        self.soon(lambda: self.assertEqual(page.locator(".mcr-cut").count(), 1))
        page.get_by_role("button", name="Read more").click()
        self.soon(lambda: self.assertEqual(page.locator(".mcr-cut").count(), 0))

    def test_videos(self) -> None:
        """A video has a button, with its title once that is known; nothing foreign is asked for before the press."""
        review(self.url, "videos", star=5, text="Unpacked here:\n\nhttps://youtu.be/dQw4w9WgXcQ")
        # The demo's own policy forbids frames; other people's pages do not.
        page = self.open("videos", bypass_csp=True)
        foreign: list[str] = []
        page.context.route("https://**", lambda route: (foreign.append(route.request.url), route.abort()))
        page.reload()
        page.get_by_role("button", name="Play the video (YouTube)").wait_for()
        self.titled("videos", "Six mugs & a box")
        button = page.get_by_role("button", name="Play the video (Six mugs & a box)")
        button.wait_for()
        self.assertEqual(foreign, [])
        with page.expect_request("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?**"):
            button.click()
        page.wait_for_selector("iframe.mcr-video[title='Six mugs & a box']", state="attached")

    def titled(self, key: str, title: str) -> None:
        """The worker has found the title of the video that the only review of *key* names."""
        assert self.daemon is not None
        folder = (self.daemon.data() / "postmaster.pid").read_text().splitlines()[4]
        connection = psycopg2.connect(host=folder, port=5432, user=embedded.ROLE, dbname=embedded.DATABASE)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    "select count(*) from review r join channel c on c.site_id = r.site_id and c.id = r.channel_id,"
                    " lateral set_review_videos(1, r.id, md5(r.html), json_build_array(json_build_object("
                    " 'url', 'https://youtu.be/dQw4w9WgXcQ', 'title', %s::text))::text) s where c.key = %s",
                    (title, key),
                )
                self.assertEqual(cursor.fetchone(), (1,))
        finally:
            connection.close()

    def test_hostile(self) -> None:
        """What somebody wrote is text, wherever it stands."""
        evil = '<img src=x onerror="window.hit=1"><script>window.hit=2</script>'
        review(
            self.url, "hostile", name="<b onclick=window.hit=3>x", star=1, title=evil, pros=evil, cons=evil, text=evil,
            variant=evil,
        )  # fmt: skip
        page = self.open("hostile")
        self.ready(page)
        self.soon(lambda: self.assertIn("onerror", page.inner_text(".mcr-name")))
        self.soon(lambda: self.assertIsNone(page.evaluate("window.hit ?? null")))
        self.soon(
            lambda: self.assertEqual(page.locator(".mcr-c script, .mcr-c [onclick], .mcr-c [onerror]").count(), 0)
        )

    def test_mirrored(self) -> None:
        """From right to left words of the site, in whatever language, stand above what they name; addresses are written
        from the left; fields have room for what they ask for; a window's button stands beside its title.
        """
        fill(self.url, "mirrored")
        look = {"viewport": {"width": 390, "height": 844}}
        page = self.open("mirrored", "&lang=ar&dir=rtl", **look)
        self.ready(page)
        page.click(".mcr-head .mcr-btn")
        page.wait_for_selector(".mcr-form")
        align = "[...document.querySelectorAll('.mcr-label, .mcr-criterion > span:first-child')]"
        align += ".map(n => getComputedStyle(n).textAlign)"
        self.assertEqual(set(page.evaluate(align)), {"right"})
        self.assertEqual(page.get_attribute("[name=mc-media]", "dir"), "ltr")
        page = self.open("mirrored", "", **look)
        self.ready(page)
        page.get_by_role("button", name="How reviews are checked").click()
        head = page.locator(".mcr-pane .mcr-head")
        title, button = head.locator(".mcr-title").bounding_box(), head.locator(".mcr-icon").bounding_box()
        self.assertGreaterEqual(button["x"], title["x"] + title["width"] - 1)
        self.assertLess(abs(button["y"] - title["y"]), 30)
        wide = self.open("mirrored", "")
        self.ready(wide)
        wide.click(".mcr-head .mcr-btn")
        tall = wide.evaluate("['pros', 'text'].map(n => document.querySelector(`[name=mc-${n}]`).offsetHeight / 16)")
        self.assertGreater(tall[0], 3.5)
        self.assertGreater(tall[1], 6.5)

    def test_empty(self) -> None:
        """A page without reviews invites to write the first, and shows no figures."""
        page = self.open("nothing")
        page.get_by_text("No reviews yet. Be the first.").wait_for()
        self.soon(lambda: self.assertFalse(page.is_visible(".mcr-figures")))

    def test_link(self) -> None:
        """A link leads to its review, and focuses it."""
        found = fill(self.url, "linked")
        number = found[2][1]["review"]["id"]
        page = self.open("linked", fragment=f"#cr-{number}")
        self.until(page, f"document.activeElement.id === 'cr-{number}'")

    def test_checks(self) -> None:
        """How reviews are checked is told in words; Escape or a press beside it closes it and gives the focus back."""
        page = self.open("checks")
        self.ready(page)
        page.get_by_role("button", name="How reviews are checked").click()
        page.get_by_role("dialog").wait_for()
        told = page.locator(".mcr-checks > div").count()
        self.assertGreater(told, 5)
        page.keyboard.press("Escape")
        self.until(page, "document.activeElement.innerText === 'How reviews are checked'")
        # The page behind is inert; a press beside it closes it as well.
        page.keyboard.press("Enter")
        self.until(page, "!!document.querySelector('dialog:modal')")
        page.mouse.click(3, 3)
        self.until(page, "!document.querySelector('dialog')")
        self.until(page, "document.activeElement.innerText === 'How reviews are checked'")

    def test_versions(self) -> None:
        """The mark of an edit opens what was said before, also on a dark phone from right to left."""
        visitor, told = review(
            self.url, "versions", star=2, title="First", text="old *words*", pros="cheap", criteria={"quality": 2}
        )
        changed = visitor.call(f"/reviews/{told['review']['id']}", "PATCH", {"star": 4, "text": "new", "title": "Now"})
        self.assertEqual(changed.status, 200, changed.body)
        for query, options in (
            ("", {}),
            ("&lang=ar&dir=rtl", {"color_scheme": "dark", "viewport": {"width": 375, "height": 740}}),
        ):
            page = self.open("versions", query, **options)
            self.ready(page)
            page.locator(".mcr-edited").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_text("old words").wait_for()
            self.soon(lambda: self.assertIn("cheap", dialog.inner_text()))
            self.soon(lambda: self.assertEqual(dialog.locator(".mcr-c").count(), 1))
            if AXE.is_file():
                page.evaluate(AXE.read_text())
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
            if os.environ.get("CACKLED_SHOTS"):
                page.screenshot(path=f"{os.environ['CACKLED_SHOTS']}-versions{len(query)}.png")
            page.keyboard.press("Escape")
            self.until(page, "document.activeElement.classList.contains('mcr-edited')")

    def test_access(self) -> None:
        """axe finds nothing: light, dark, right to left; the list and the form."""
        if not AXE.is_file():
            raise SkipTest("axe-core is not installed")
        fill(self.url, "access")
        for query, options in (
            ("", {}),
            ("", {"color_scheme": "dark"}),
            ("&lang=ar&dir=rtl", {"viewport": {"width": 360, "height": 740}}),
        ):
            page = self.open("access", query, **options)
            self.ready(page)
            page.evaluate(AXE.read_text())
            self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
            page.click(".mcr-head .mcr-btn")
            page.wait_for_selector(".mcr-form")
            self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
            self.soon(
                lambda: self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0)
            )

    def test_size(self) -> None:
        """Loader, script and style of the first render: at most 22 KB (22,528 bytes) over the wire."""
        built = Built(servers=SERVERS)
        total = gzipped(built.loader) + gzipped(built.body("reviews.js")) + gzipped(built.body("reviews.css"))
        self.assertLessEqual(total, 22_528)


class WritingTests(ReviewCase):
    """Writing, changing, taking back; votes; what others see live."""

    def test_write_and_live(self) -> None:
        """Written by keys alone; it stands in another window at once; a second one is offered as a change."""
        fill(self.url, "write")
        one, two = self.open("write"), self.open("write")
        self.ready(one)
        self.ready(two)
        one.get_by_role("button", name="Write a review").focus()
        one.keyboard.press("Enter")
        one.wait_for_selector(".mcr-form")
        self.soon(lambda: self.assertEqual(one.evaluate("document.activeElement.type"), "radio"))
        one.keyboard.press("Space")
        for _ in range(3):
            one.keyboard.press("ArrowRight")
        one.get_by_text("Good", exact=True).first.wait_for()
        one.fill("[name=mc-title]", "Works")
        one.fill("[name=mc-text]", "It *works*.")
        one.fill("[name=mc-name]", "Eve")
        one.fill("[name=mc-experienced]", "2026-01-02")
        one.keyboard.press("Control+Enter")
        one.get_by_text("Thank you. Your review is there.").wait_for()
        self.until(one, f"{IDS}[0] === 'Eve'")
        self.soon(lambda: self.assertEqual(one.inner_text(".mcr-total >> nth=0"), "5 reviews"))
        # In the other window: counted at once; shown, or offered where it would move what is read.
        self.until(two, "document.querySelector('.mcr-total').innerText === '5 reviews'")
        if two.is_visible(".mcr-pill"):
            two.click(".mcr-pill")
        self.until(two, f"{IDS}.includes('Eve')")
        one.get_by_role("button", name="Edit your review").click()
        self.soon(lambda: self.assertEqual(one.input_value("[name=mc-text]"), "It *works*."))
        one.fill("[name=mc-text]", "It works well.")
        one.get_by_role("button", name="Save").click()
        self.until(two, "document.body.innerText.includes('It works well.')")
        two.locator(".mcr-c", has_text="It works well.").get_by_text("edited").wait_for()

    def test_stars_needed(self) -> None:
        """Without stars it is not sent, and says so; what was typed survives closing and a reload."""
        page = self.open("draft")
        self.ready(page)
        page.click(".mcr-head .mcr-btn")
        page.fill("[name=mc-text]", "Half a thought")
        page.get_by_role("button", name="Send review").click()
        page.get_by_text("Choose the stars first.").wait_for()
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mcr-form").count(), 0))
        page.reload()
        self.ready(page)
        page.click(".mcr-head .mcr-btn")
        self.soon(lambda: self.assertEqual(page.input_value("[name=mc-text]"), "Half a thought"))

    def test_phone(self) -> None:
        """On a phone the form asks one thing at a time, by touch, and goes on only with stars."""
        page = self.open("phone", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        self.ready(page)
        page.tap(".mcr-head .mcr-btn")
        page.wait_for_selector(".mcr-form")
        self.soon(lambda: self.assertFalse(page.is_visible("[name=mc-text]")))
        page.get_by_role("button", name="Next").tap()
        page.get_by_text("Choose the stars first.").wait_for()
        page.tap(".mcr-big .mcr-pick >> nth=4")
        page.get_by_role("button", name="Next").tap()
        page.fill("[name=mc-text]", "From a phone")
        page.get_by_role("button", name="Next").tap()
        page.get_by_role("button", name="Next").tap()
        page.get_by_text("Step 4 of 4").wait_for()
        page.get_by_role("button", name="Send review").tap()
        page.get_by_text("Thank you. Your review is there.").wait_for()
        small = page.evaluate(
            """[...document.querySelectorAll('#mc-review button, #mc-review .mc-press')]
              .filter(n => n.offsetParent && n.getBoundingClientRect().height < 39)
              .map(n => n.outerHTML.slice(0, 80))"""
        )
        self.assertEqual(small, [])

    def test_votes(self) -> None:
        """A vote counts up in place and elsewhere, and is taken back by the same button."""
        review(self.url, "votes", star=4, text="Vote for me")
        one, two = self.open("votes"), self.open("votes")
        self.ready(one)
        self.ready(two)
        one.locator(".mcr-up").click()
        self.until(one, "document.querySelector('.mcr-up').innerText === 'Helpful (1)'")
        self.soon(lambda: self.assertEqual(one.locator(".mcr-up").get_attribute("aria-pressed"), "true"))
        self.until(two, "document.querySelector('.mcr-up').innerText === 'Helpful (1)'")
        one.locator(".mcr-up").click()
        self.until(two, "document.querySelector('.mcr-up').innerText === 'Helpful'")

    def test_take_back(self) -> None:
        """One's own is taken back after a question; it goes elsewhere too, with its stars."""
        fill(self.url, "back")
        one, two = self.open("back"), self.open("back")
        self.ready(one)
        self.ready(two)
        one.click(".mcr-head .mcr-btn")
        one.locator(".mcr-big .mcr-pick").nth(0).click()
        one.fill("[name=mc-text]", "Regretted")
        one.get_by_role("button", name="Send review").click()
        mine = one.locator(".mcr-c", has_text="Regretted")
        mine.wait_for()
        mine.locator(".mcr-menu").click()
        one.get_by_role("menuitem", name="Delete").click()
        one.get_by_role("dialog").get_by_role("button", name="Delete").click()
        one.get_by_text("Your review is gone.").wait_for()
        for page in (one, two):
            self.until(page, "document.querySelector('.mcr-total').innerText === '4 reviews'")
            self.soon(lambda: self.assertNotIn("Regretted", page.inner_text("#mc-review")))

    def test_report(self) -> None:
        """A report is sent with its reason."""
        review(self.url, "report", star=1, text="Report me")
        page = self.open("report")
        self.ready(page)
        page.locator(".mcr-menu").click()
        page.get_by_role("menuitem", name="Report").click()
        page.get_by_role("dialog").locator("textarea").fill("spam")
        page.get_by_role("dialog").get_by_role("button", name="Report").click()
        page.get_by_text("Reported. Thank you.").wait_for()

    def test_links_open_the_form(self) -> None:
        """A link of a mail opens the form with its stars; Cackle's old one fills in the name and grants nothing."""
        page = self.open("opened", fragment="#mc-review=abc.def&star=4")
        page.wait_for_selector(".mcr-form")
        self.soon(lambda: self.assertEqual(page.locator(".mcr-big input:checked").get_attribute("value"), "4"))
        self.assertNotIn("abc.def", page.url)
        old = self.open("opened2", fragment="#cr/true:1:2:3:e30%3D:Bob%20B:bob@x.example/")
        old.wait_for_selector(".mcr-form")
        self.soon(lambda: self.assertEqual(old.input_value("[name=mc-name]"), "Bob B"))

    def test_used_link(self) -> None:
        """A link that was used, or is for another product, promises nothing; a good one says what it does."""
        told = {"order": "1", "name": "Bea", "language": "", "expires": "2027-01-01T00:00:00Z"}
        current: dict[str, str] = {}
        context = self.context()
        plain = "application/json"
        context.route("**/reviews/order", lambda route: route.fulfill(body=current["body"], content_type=plain))
        for key, used, words in (
            ("linked", False, "Your purchase is confirmed"),
            ("linked", True, "A review was written with this link before"),
            ("other", False, "This link is for another product"),
        ):
            products = [{"key": key, "url": "", "title": "", "used": used}]
            current["body"] = json.dumps({**told, "products": products})
            page = self.open("linked", fragment="#mc-review=abc.def&star=4", context=context)
            page.locator(".mcr-order", has_text=words).wait_for()
            if not used:
                self.soon(lambda page=page: self.assertEqual(page.locator(".mcr-big input:checked").count(), 1))
            page.close()

    def test_questions(self) -> None:
        """A question is asked and answered below the reviews."""
        page = self.open("asked")
        self.ready(page)
        page.get_by_role("button", name="Questions and answers (0)").click()
        page.locator(".mcr-ask textarea").fill("Does it whistle?")
        page.locator(".mcr-ask .mcr-btn").click()
        page.get_by_text("Does it whistle?", exact=True).wait_for()
        page.get_by_role("button", name="Answer", exact=True).click()
        page.locator(".mcr-c .mcr-ask textarea").fill("Loudly.")
        page.locator(".mcr-c .mcr-ask .mcr-btn").click()
        page.locator(".mcr-reply", has_text="Loudly.").wait_for()
        # The server has it, but its answer is lost. Other words are another question then, and not refused.
        lost = re.compile("/sites/1/reviews$")
        page.route(lost, lambda route: (route.fetch(), route.abort()))
        page.locator(".mcr-ask textarea").first.fill("Is it heavy?")
        page.locator(".mcr-ask .mcr-btn").first.click()
        page.locator(".mcr-ask .mcr-error:not(:empty)").first.wait_for()
        page.unroute(lost)
        page.locator(".mcr-ask textarea").first.fill("Is it heavy when full?")
        page.locator(".mcr-ask .mcr-btn").first.click()
        for text in ("Is it heavy?", "Is it heavy when full?"):
            page.get_by_text(text, exact=True).wait_for()


class RatingTests(ReviewCase):
    """ReviewRating."""

    def test_batch(self) -> None:
        """Stars of 50 products come with one request; a hostile template is left alone."""
        review(self.url, "rated-1", star=5, text="x")
        review(self.url, "rated-1", star=4, text="x")
        rows = "".join(f'<i class="mc-review-rating" data-cackle-channel="rated-{n}"></i>' for n in range(50))
        page = self.context().new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/ratings" in request.url else None)
        page.goto(f"{self.url}/demo/empty")
        page.evaluate(
            """rows => {
              const box = document.createElement('div');
              box.id = 'rows';
              rows.split('</i>').forEach(one => {
                const found = /channel="([^"]+)"/.exec(one);
                if (!found) return;
                const i = document.createElement('i');
                i.className = 'mc-review-rating';
                i.dataset.cackleChannel = found[1];
                box.append(i);
              });
              document.body.append(box);
              window.cackle_widget.push({widget: 'ReviewRating', id: 1});
            }""",
            rows,
        )
        self.until(page, "!!document.querySelector('#rows .mcr-stars')")
        self.assertEqual(len(asked), 1)
        self.soon(lambda: self.assertEqual(page.locator("#rows .mcr-stars").count(), 1))
        self.soon(lambda: self.assertEqual(page.inner_text("#rows [data-cackle-channel=rated-1]").strip(), "4.5 (2)"))
        self.soon(lambda: self.assertEqual(page.get_attribute("#rows .mcr-full", "width"), "90"))
        self.soon(lambda: self.assertEqual(page.get_attribute("#rows .mcr-stars", "aria-label"), "4.5 out of 5 stars"))

    def test_template(self) -> None:
        """A page's template is filled in; one that would run something is refused, and the usual one shown."""
        page = self.open("demo-kettle")
        told = "document.querySelector('.rated .mc-review-rating').innerText.trim()"
        self.until(page, rf"/^\d\.\d \d+ reviews$/.test({told})")
        page.evaluate(
            """() => window.cackle_widget.push(
              {widget: 'ReviewRating', id: 1, html: '{{=alert(1)}}<b>{{=it.numr}}</b>'})"""
        )
        self.until(page, rf"/^\d\.\d \(\d+\)$/.test({told})")

    def test_no_evaluation(self) -> None:
        """No script of these widgets makes code of text."""
        folder = Path(cackled.__file__).parent / "products" / "reviews" / "web"
        for path in folder.glob("*.js"):
            text = path.read_text()
            for word in ("new Function", "eval(", "innerHTML", "setTimeout('"):
                self.assertNotIn(word, text, path.name)
        self.assertTrue(json.loads((folder / "bundles.json").read_text()))
