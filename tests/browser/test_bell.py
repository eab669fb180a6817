"""The bell over the real daemon: following a conversation, being told live, reading, and by keyboard alone."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.browser.test_adapters import Pages
from tests.browser.test_live import ALONE
from tests.products.comments.test_push import Browser as Device
from tests.products.comments.test_push import PushService
from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.daemon import Daemon
from tests.support.receiver import Receiver

# A browser whose vendor gives a subscription, and keeps it over a reload.
SUBSCRIBE = """
  const subscription = {
    endpoint: device.endpoint, toJSON: () => device,
    unsubscribe: async () => { sessionStorage.removeItem('there'); return (window.ended = true); },
  };
  PushManager.prototype.getSubscription = async () => sessionStorage.getItem('there') && subscription;
  PushManager.prototype.subscribe = async function (options) {
    const key = btoa(String.fromCharCode(...options.applicationServerKey));
    window.asked = {
      visible: options.userVisibleOnly, key: key.replace(/[+]/g, '-').replace(/[/]/g, '_').replace(/=/g, ''),
    };
    sessionStorage.setItem('there', '1');
    return subscription;
  };
"""
CHANNEL = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: %r, lang: %r}]; "
# Where pictures of this test go, for those who look at them.
PICTURES = os.environ.get("CACKLED_PICTURES", "")


class Asked:
    """A request as `PushService.check` looks at it."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.getHeader = headers.get


class BellTests(BrowserCase):
    daemon: Daemon | None = None
    # A push service, and a site's own server.
    service: Receiver | None = None
    pages: Pages | None = None

    def setUp(self) -> None:
        super().setUp()
        if BellTests.daemon is None:
            BellTests.service, BellTests.pages = Receiver(201), Pages()
            BellTests.daemon = Daemon(
                '[mail]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\nurl = "https://comments.example"\n'
                f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = [{BellTests.service.server_address[1]}]\n"
            )
        self.url = BellTests.daemon.url

    def reader(self, channel: str, lang: str = "en", **options):
        """A page with the conversation *channel* alone."""
        context = self.context(**options)
        context.add_init_script(ALONE)
        script = CHANNEL % (channel, lang)
        context.route("**/demo/demo.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        page = self.page(f"{self.url}/demo?embed=1", context=context)
        page.wait_for_selector(".mc-belltop")
        return page

    def picture(self, page, name: str) -> None:
        """Keep a picture, where somebody wants to look."""
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}.png")

    def write(self, channel: str, text: str, name: str = "Bob") -> None:
        """Somebody else writes."""
        Visitor(self.url, 1, name).post(channel, text)

    def test_told(self) -> None:
        """Follow, hear of an answer live, read it; the count is there after a reload and in another language."""
        page = self.reader("bell-told")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-belltop").strip(), "Follow"))
        page.click(".mc-belltop")
        page.wait_for_selector(".mc-bellbox .mc-bellfollow[aria-pressed=false]")
        self.picture(page, "bell-empty")
        page.evaluate(
            "() => { window.told = []; const w = document.querySelector('.mc-root').cackle.widget;"
            " w.o.callback.subscribe = [e => told.push(!!e.channel)]; }"
        )
        page.click(".mc-bellfollow")
        page.wait_for_selector(".mc-bellfollow[aria-pressed=true]")
        self.until(page, "told.length === 1 && told[0]")
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellbox").count(), 0))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-belltop')")))
        self.write("bell-told", "the first answer")
        page.wait_for_selector(".mc-bellcount:not([hidden])")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-bellcount"), "1"))
        self.write("bell-told", "a *second* <b>answer</b>", name="Eve <x>")
        page.wait_for_selector(".mc-bellcount:text-is('2')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-bellone")
        self.picture(page, "bell-told")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellone").count(), 2))
        self.soon(lambda: self.assertIn("Eve <x> wrote", page.inner_text(".mc-bellitem >> nth=0")))
        page.wait_for_selector(".mc-bellcount", state="hidden")
        page.reload()
        page.wait_for_selector(".mc-belltop[aria-label=Notices]")
        self.soon(lambda: self.assertEqual(page.locator(".mc-bellcount:not([hidden])").count(), 0, "they were read"))
        for lang, scheme, size in (("ar", "dark", (360, 700)), ("de", "light", (360, 700))):
            other = self.reader("bell-told", lang, color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
            other.click(".mc-belltop")
            other.wait_for_selector(".mc-bellfollow")
            box = other.locator(".mc-bellbox").bounding_box()
            self.assertGreaterEqual(box["x"], 0, lang)
            self.assertLessEqual(box["x"] + box["width"], size[0], lang)
            self.picture(other, f"bell-{lang}")

    def test_mail(self) -> None:
        """An address is taken, a malformed one is not; the person of a comment is followed from its menu."""
        page = self.reader("bell-mail")
        fay = Visitor(self.url, 1, "Fay")
        fay.post("bell-mail", "follow me")
        page.wait_for_selector("text=follow me")
        page.locator(".mc-acts .mc-act.mc-more").first.click()
        page.click("text=Follow Fay")
        page.wait_for_selector("text=You follow Fay.")
        page.click(".mc-belltop")
        page.fill(".mc-bellmail", "nobody")
        # News that come meanwhile leave it alone.
        fay.post("bell-mail", "followed")
        page.wait_for_selector(".mc-bellbox .mc-bellone")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-bellmail"), "nobody"))
        page.click(".mc-bellrow button")
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-bellmail", "aria-invalid"), "true"))
        page.fill(".mc-bellmail", "ann@mail.example")
        page.click(".mc-bellrow button")
        page.wait_for_selector("text=Confirm it with the mail")
        self.picture(page, "bell-mail")

    def test_push(self) -> None:
        """The site's own service worker is registered by a press and shows what we send; pressed again, that ends.

        Neither a vendor's push service nor a desktop can be had here. A local service stands for the one, which gives
        out keys that this test has; what is to be shown is kept in the worker. All else is the browser's.
        """
        pages, service = BellTests.pages, BellTests.service
        assert pages is not None and service is not None
        push = PushService()
        push.origin = f"http://127.0.0.1:{service.server_address[1]}"
        device = Device(f"{push.origin}/a-browser")
        page = self.article(f"window.device = {json.dumps(device.json())};" + SUBSCRIBE)
        cdp = page.context.new_cdp_session(page)
        found: list[dict[str, Any]] = []
        cdp.on("ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(told["registrations"]))
        cdp.send("ServiceWorker.enable")
        page.click(".mc-belltop")
        page.click(".mc-bellfollow")
        page.wait_for_selector(".mc-bellfollow[aria-pressed=true]")
        page.click(".mc-bellpush[aria-pressed=false]")
        page.wait_for_selector(".mc-bellpush[aria-pressed=true]")
        push.key = page.evaluate("window.asked.key")
        self.assertTrue(page.evaluate("window.asked.visible"))
        self.soon(lambda: self.assertEqual(len(page.context.service_workers), 1))
        worker = page.context.service_workers[0]
        worker.evaluate("self.shown = []; ServiceWorkerRegistration.prototype.showNotification = async (...all) => "
                        "{ self.shown.push(all); }; true")  # fmt: skip
        self.write("bell-push", "a canary", name="Zoë <b>")
        self.soon(lambda: self.assertEqual(len(service.got), 1))
        headers, body = service.got[0]
        push.check(Asked(headers))
        self.assertEqual((push.wrong, b"canary" in body), ([], False))
        told = device.read(body)
        self.soon(lambda: self.assertTrue(found))
        for data in (json.dumps(told), "no JSON", '{"title": "another server\'s", "tag": "x"}'):
            cdp.send("ServiceWorker.deliverPushMessage",
                     {"origin": pages.url, "registrationId": found[-1]["registrationId"], "data": data})  # fmt: skip
        self.soon(lambda: self.assertEqual(len(worker.evaluate("self.shown")), 1))
        title, options = worker.evaluate("self.shown[0]")
        self.assertTrue(title.startswith("Zoë <b> wrote: "), title)
        self.assertTrue(options["data"]["cackled"].startswith("http://localhost/page#mc-"), options)
        # After a reload it is known; pressed again, nothing more comes.
        page.reload()
        page.click(".mc-belltop")
        with page.expect_response("**/notices/push/gone") as gone:
            page.click(".mc-bellpush[aria-pressed=true]")
        self.assertEqual(gone.value.status, 204)
        page.wait_for_selector(".mc-bellpush[aria-pressed=false]")
        self.assertTrue(page.evaluate("window.ended"))

    def test_no_push(self) -> None:
        """A browser that refuses is no server that is away."""
        page = self.article(
            "PushManager.prototype.subscribe = async () => { throw new DOMException('', 'NotAllowedError'); }"
        )
        page.click(".mc-belltop")
        page.click(".mc-bellpush")
        page.get_by_text("Your browser does not allow this here.").wait_for()
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-bellpush", "aria-pressed"), "false"))

    def article(self, script: str):
        """A page of a site that hosts our service worker."""
        pages = BellTests.pages
        assert pages is not None
        pages.files["/article"] = (
            "text/html",
            f"""<!doctype html><html lang=en><title>An article</title><body><div id="mc-container"></div><script>
            window.cackle_widget = [{{widget: 'Comment', id: 1, channel: 'bell-push', lang: 'en',
              pushWorker: '/own.js'}}];
            </script><script async src="{self.url}/widget.js"></script>""",
        )
        pages.files["/own.js"] = ("text/javascript", f"importScripts('{self.url}/notices/push.js')")
        return self.page(f"{pages.url}/article", context=self.context(), script=script, wait=".mc-belltop")
