"""The page of the API in a browser: a call is found, tried, and its answer read; by staff and with a key."""

from __future__ import annotations

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS, PanelCase


class DocsTests(PanelCase):
    def test_try(self) -> None:
        page = self.staff("owner", bypass_csp=True)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{page.url.partition('/panel')[0]}/api/docs")
        page.get_by_role("heading", name="API of cackled").wait_for()
        page.get_by_label("Find a call").fill("getSettings")
        call = page.locator("#getSettings")
        call.locator("summary").click()
        self.soon(lambda: self.assertEqual(page.locator("details:visible").count(), 1))
        # With the sign-in to the panel.
        call.get_by_role("button", name="Send").click()
        call.locator(".status").get_by_text("200").wait_for()
        call.get_by_text('"origins"').wait_for()
        # A key that is none: the answer says so, and the sign-in is not used instead.
        page.get_by_label("Key of the site").fill("cackled_1_nonsense")
        call.get_by_role("button", name="Send").click()
        call.locator(".status").get_by_text("401").wait_for()
        page.get_by_label("Key of the site").fill("")
        # What changes something, with a body.
        page.get_by_label("Find a call").fill("makeWebhook")
        call = page.locator("#makeWebhook")
        call.locator("summary").click()
        call.get_by_label("Body").fill('{"url": "https://docs.invalid/"}')
        call.get_by_role("button", name="Send").click()
        call.locator(".status").get_by_text("201").wait_for()
        call.get_by_text("whsec_").wait_for()
        if AXE.exists():
            page.add_script_tag(path=str(AXE))
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
        self.assertEqual(errors, [])

    def test_policy(self) -> None:
        """It works under its own policy too."""
        address = f"{self.url}/api/docs#listComments"
        page = self.page(address, context=self.context(locale="ar"), wait="details[open] form")
        self.soon(lambda: self.assertEqual(page.evaluate("document.documentElement.dir"), "rtl"))
        page.locator("#listComments").get_by_label("channel").fill("demo")
        page.locator("#listComments button").click()
        page.locator("#listComments").get_by_text('"position"').wait_for()
