"""Options of comments that pages made for Cackle have."""

from __future__ import annotations

from time import time
from typing import Any

from tests.support.browser import MockCase

CHOOSE = "o => { window.cackle_widget = [{widget: 'Comment', id: 1, channel: 'plain', ...o}]; Cackle.bootstrap(true); }"


class OptionsTests(MockCase):
    def shown(self, options: str) -> Any:
        """The plain page with *options* (JavaScript)."""
        page = self.plain()
        page.evaluate(f"() => {{ window.told = []; ({CHOOSE})({{{options}}}); }}")
        page.wait_for_selector(".mc-header")
        page.locator(".mc-input >> nth=0").focus()
        page.wait_for_selector(".mc-foot")
        return page

    def test_agreement(self) -> None:
        """What the page wants agreed to is asked for once, as text with links; nothing is sent before."""
        page = self.shown("agreement: 'I know the <a href=\"https://x.example/r\">rules</a><script>x</script>'")
        page.fill(".mc-input >> nth=0", "words")
        self.soon(lambda: self.assertTrue(page.is_disabled(".mc-formbtn >> nth=0")))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-agree"), "I know the rulesx"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-agree a", "href"), "https://x.example/r"))
        page.keyboard.press("Control+Enter")
        self.soon(lambda: self.assertEqual(page.locator(".mc-c").count(), 0))
        page.check(".mc-agree input")
        page.click(".mc-formbtn >> nth=0")
        page.wait_for_selector(".mc-c:not(.mc-sending)")
        self.soon(lambda: self.assertEqual(page.locator(".mc-agree").count(), 0))
        page.reload()
        page.wait_for_selector(".mc-foot", state="attached")
        self.soon(lambda: self.assertEqual(page.locator(".mc-agree").count(), 0))

    def test_looks(self) -> None:
        """timeFormat, textHigh, guestFirst; values of wrong types are as if they were not there."""
        self.seed({"text": "one", "ago": time() - 1_709_629_620})
        page = self.shown("timeFormat: '[on] DD.MM.YYYY h A', textHigh: '222', replies: {}, badge: [], providers: 7")
        self.until(page, "/^on 0[456]\\.03\\.2024 \\d+ [AP]M$/.test(document.querySelector('.mc-c time').textContent)")
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("getComputedStyle(document.querySelector('.mc-input')).minHeight"), "222px"
            )
        )
        page.evaluate(CHOOSE, {"textHigh": "high", "timeFormat": "", "agreement": "false"})
        page.wait_for_selector(".mc-foot", state="attached")
        self.soon(lambda: self.assertEqual(page.locator(".mc-agree").count(), 0))

    def test_guests(self) -> None:
        """guestFirst: false puts signing in before the name; badges are hidden, or have the page's word."""
        self.seed({"text": "one", "badges": ["staff"]})
        page = self.shown("guestFirst: false, ssoProvider: {url: 'https://x.example/in'}, badge: 'Team'")
        kinds = "[...document.querySelector('.mc-who').children].map(n => n.className)"
        self.soon(lambda: self.assertEqual(page.evaluate(kinds), ["mc-sign", "mc-nick"]))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-staff"), "Team"))
        page.evaluate(CHOOSE, {"badgeHide": True})
        self.until(page, "document.querySelector('.mc-c') && !document.querySelector('.mc-staff')")

    def test_folded(self) -> None:
        """`replies`: threads with more answers begin folded, and open."""
        first, *_ = self.seed("root")
        self.seed(*({"text": f"answer {n}", "parent": first} for n in range(3)))
        page = self.shown("replies: 2, sort: 'old'")
        page.wait_for_selector(".mc-collapsed .mc-unfold")
        page.click(".mc-unfold")
        page.wait_for_selector("text=answer 2")
        page.evaluate(CHOOSE, {"replies": 3, "channel": "plain"})
        page.wait_for_selector("text=answer 2")

    def test_stream(self) -> None:
        """`stream: false`: nothing comes by itself, and what one writes stands there."""
        self.seed("one")
        page = self.shown("stream: false")
        self.seed("two")
        self.post(page, "mine")
        self.assertNotIn("two", self.texts(page))
        self.soon(lambda: self.assertIn("mine", self.texts(page)))

    def test_share(self) -> None:
        """The networks that the page names, in its order; nothing of them is loaded; off where it says so."""
        (number,) = self.seed("A comment & more")
        page = self.shown("shareSocial: ['x', 'vk', 'nonsense', 'constructor', 'telegram']")
        page.click(".mc-acts .mc-more")
        page.click(".mc-entry >> text=Share …")
        page.wait_for_selector(".mc-entry >> text=Telegram")
        self.soon(
            lambda: self.assertEqual(page.locator(".mc-menu .mc-entry").all_inner_texts(), ["X", "VK", "Telegram"])
        )
        page.evaluate("void (window.open = (...what) => { told.push(what); })")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        self.until(page, "told.length")
        address, target, features = page.evaluate("told[0]")
        self.assertTrue(address.startswith("https://vk.com/share.php?url=http%3A%2F%2F"), address)
        self.assertTrue(address.endswith(f"mc-{number}&title=A%20comment%20%26%20more"), address)
        self.assertEqual(target, "_blank")
        self.assertIn("noopener", features)
        page.evaluate(CHOOSE, {"shareSocial": False})
        page.wait_for_selector(".mc-acts .mc-more")
        page.click(".mc-acts .mc-more")
        page.wait_for_selector(".mc-entry >> text=Copy link")
        self.soon(lambda: self.assertEqual(page.locator(".mc-entry >> text=Share").count(), 0))

    def test_video_titles(self) -> None:
        """Where previews are wanted a video's button says what its site calls it, as text; no row is kept for it."""
        url = "https://youtu.be/abcdefghijk"
        links = [{"url": url, "title": "A <b>film", "site": "YouTube", "video": True}]
        self.steer(settings={"previews": True})
        self.seed({"html": f'<p><a href="{url}">{url}</a></p>', "links": links})
        page = self.page(f"{self.base}/pages/plain.html")
        page.wait_for_selector(".mc-video")
        self.soon(
            lambda: self.assertEqual(page.locator(".mc-video").all_inner_texts(), ["Play the video (A <b>film)"])
        )
        self.assertEqual(page.locator(".mc-album").count(), 0)

    def test_videos(self) -> None:
        """A line that is a video's address has a button below it; nothing foreign is loaded before that is pressed."""
        link = '<a href="%s">%s</a>'
        youtube, vimeo = "https://youtu.be/abcdefghijk?t=9", "https://vimeo.com/123456/abcdef0123"
        bad = "https://www.youtube.com/watch?v=short"
        self.seed({"html": "".join(f"<p>{link % (one, one)}</p>" for one in (youtube, vimeo, bad))},
                  {"html": f"<p>see {link % (youtube, youtube)} there</p>"})  # fmt: skip
        context = self.context()
        asked: list[str] = []
        context.route("https://**", lambda route: (asked.append(route.request.url), route.fulfill(body="a player")))
        page = self.page(f"{self.base}/pages/plain.html", context=context)
        page.wait_for_selector(".mc-video")
        shown = ["Play the video (YouTube)", "Play the video (Vimeo)"]
        self.soon(lambda: self.assertEqual(page.locator(".mc-video").all_inner_texts(), shown))
        self.assertEqual(asked, [])
        page.click(".mc-video >> text=Vimeo")
        page.wait_for_selector("iframe.mc-video")
        self.until(page, "document.activeElement.localName === 'iframe'")
        page.focus(".mc-press.mc-video")
        page.keyboard.press("Enter")
        self.until(page, "document.querySelectorAll('iframe.mc-video').length === 2")
        for want in ("https://player.vimeo.com/video/123456?dnt=1&autoplay=1&h=abcdef0123",
                     "https://www.youtube-nocookie.com/embed/abcdefghijk?autoplay=1&playsinline=1"):  # fmt: skip
            self.soon(
                lambda: self.assertIn(want, page.evaluate("[...document.querySelectorAll('iframe')].map(n => n.src)"))
            )
