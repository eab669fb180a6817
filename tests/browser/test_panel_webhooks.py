"""Webhooks in the panel: made, tested, their log looked at, what was given up sent again."""

from __future__ import annotations

import json
import re

from tests.browser.test_access import AXE
from tests.browser.test_panel import VIOLATIONS, PanelCase
from tests.support.daemon import Daemon
from tests.support.receiver import Receiver

OUTBOUND = "[outbound]\nnetworks = ['127.0.0.0/8']\nports = [80, 443, %d]\n"


class WebhookTests(PanelCase):
    """A daemon that may reach a server of this machine: it says that it is gone, and later that it is there."""

    receiver: Receiver | None = None

    def setUp(self) -> None:
        if WebhookTests.receiver is None:
            WebhookTests.receiver = Receiver(410)
            PanelCase.daemon = Daemon(OUTBOUND % WebhookTests.receiver.server_address[1])
        super().setUp()

    def test_webhook(self) -> None:
        """An address that can't be used, one that does not answer, a new secret; dark and clean for axe."""
        page = self.staff("owner", bypass_csp=True)
        self.at(page, "/sites/1/webhooks", "Webhooks")
        page.get_by_role("button", name="Add a webhook").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Address").fill("http://10.0.0.1/hook")
        form.get_by_role("button", name="Add a webhook").click()
        form.get_by_text("is no public address").wait_for()
        # A name that no resolver knows: the test says what went wrong.
        form.get_by_label("Address").fill("https://hooks.invalid/x")
        form.get_by_label("All events").uncheck()
        form.get_by_label("comment.created").check()
        form.get_by_role("button", name="Add a webhook").click()
        self.soon(lambda: self.assertRegex(form.get_by_label("Secret").input_value(), r"^whsec_[A-Za-z0-9+/=]{40,}$"))
        form.get_by_role("button", name="Done").click()
        page.get_by_role("link", name="https://hooks.invalid/x").click()
        page.get_by_role("heading", name="https://hooks.invalid/x").wait_for()
        page.get_by_role("button", name="Send a test").click()
        page.get_by_text("The test failed").wait_for()
        self.write("told to a webhook", "panel-hooks")
        self.until(
            page,
            """document.title && fetch(location.pathname.replace('/panel', '/api/v1') + '/deliveries')
            .then(r => r.json()).then(d => d.deliveries[0]?.tries > 0)""",
        )
        page.reload()
        page.get_by_role("button", name="comment.created").click()
        page.get_by_role("dialog").get_by_text("told to a webhook").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="New secret").click()
        page.get_by_role("dialog").get_by_role("button", name="New secret").click()
        page.get_by_role("dialog").get_by_role("button", name="Done").click()
        page.get_by_text("Two secrets sign until").wait_for()
        if AXE.exists():
            page.add_script_tag(path=str(AXE))
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))

    def test_given_up(self) -> None:
        """A server that is gone is left alone; once it is back, it is sent what was given up, and one of it again."""
        receiver = WebhookTests.receiver
        assert receiver is not None
        address = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
        page = self.staff("owner")
        self.at(page, "/sites/1/webhooks", "Webhooks")
        page.get_by_role("button", name="Add a webhook").click()
        form = page.get_by_role("dialog")
        form.get_by_label("Address").fill(address)
        form.get_by_label("All events").uncheck()
        form.get_by_label("comment.created").check()
        form.get_by_role("button", name="Add a webhook").click()
        form.get_by_role("button", name="Done").click()
        row = page.get_by_role("row", name=address)
        row.get_by_text("on", exact=True).wait_for()
        self.write("given up once", "panel-given-up")
        # What the list says of it, as often as one looks.
        self.soon(lambda: self.looked(page, lambda: row.get_by_text("stopped", exact=True).wait_for(timeout=1000)))
        self.assertEqual(row.get_by_role("cell").all_inner_texts()[-2:], ["0", "1"])
        page.get_by_role("link", name=address).click()
        page.get_by_text("the server answered 410").first.wait_for()
        log = page.get_by_role("table", name="Log")
        log.get_by_text("given up", exact=True).wait_for()
        # Nothing more is sent there; then its owner says that it is back.
        page.get_by_role("button", name="Change").click()
        form.get_by_label("Switched on").check()
        form.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Send again what was given up").click()
        page.get_by_text("It is sent again.").wait_for()
        self.soon(lambda: self.assertEqual(len(receiver.got), 2))
        (first, body), (again, same) = receiver.got
        self.assertEqual((first["webhook-id"], body), (again["webhook-id"], same))
        self.assertIn("given up once", json.loads(same)["data"]["comment"]["html"])
        self.soon(lambda: self.looked(page, lambda: log.get_by_text("sent", exact=True).wait_for(timeout=1000)))
        self.assertEqual(page.get_by_role("button", name="Send again what was given up").count(), 0)
        log.get_by_role("button", name=re.compile("^Send again: comment.created")).click()
        self.soon(lambda: self.assertEqual([one[0]["webhook-id"] for one in receiver.got], [first["webhook-id"]] * 3))

    def looked(self, page, check) -> None:
        """What a fresh look at the page shows."""
        page.reload()
        check()
