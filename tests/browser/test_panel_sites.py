"""A site of one's own in the panel: made, its host shown with what proves it, shared with others, deleted by two."""

from __future__ import annotations

from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon


class SiteTests(BrowserCase):
    """A daemon where anybody may make a site."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = Daemon.for_test(self, '[accounts]\nsignup = "open"\n')

    def staff(self, email: str, site: str):
        """An owner, signed in."""
        link = self.daemon.admin(f"account add {email} --role owner --site {site}")["link"]
        page = self.page(link, context=self.context(), wait="h1")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        return page

    def test_life(self) -> None:
        """From the first origin to the end."""
        ann = self.staff("ann@staff.example", "1")
        ann.get_by_role("button", name="New site").click()
        form = ann.get_by_role("dialog")
        form.get_by_label("Name").fill("Shop & Sons")
        form.get_by_label("Origins").fill("https://shop.example\n*.shop.example")
        form.get_by_role("button", name="New site").click()
        ann.get_by_role("heading", name="shop.example").wait_for()
        self.assertRegex(
            ann.get_by_label("DNS record").input_value(), r'^_cackled\.shop\.example\. TXT "cackled-site=[\w-]{20,}"$'
        )
        site = ann.url.split("/sites/")[1].partition("/")[0]
        ann.goto(ann.url.replace("/hosts", "/members"))
        ann.get_by_role("button", name="Invite").click()
        form.get_by_label("Mail address").fill("mia@staff.example")
        form.get_by_label("Role").select_option("moderator")
        form.get_by_label("Sections").fill("/sport")
        form.get_by_role("button", name="Invite").click()
        form.get_by_role("button", name="Done").click()
        row = ann.get_by_role("row", name="mia@staff.example")
        row.get_by_text("/sport").wait_for()
        row.get_by_text("in 7 days").or_(row.get_by_text("next wk.")).or_(row.get_by_text("in 1 wk.")).wait_for()
        bob = self.staff("bob@staff.example", site)
        for page, button in ((ann, "Delete the site"), (bob, "Agree to delete it")):
            page.goto(f"{self.daemon.url.replace('127.0.0.1', 'localhost')}/panel/sites/{site}/deletion")
            page.get_by_role("button", name=button).click()
            form = page.get_by_role("dialog")
            form.get_by_role("textbox").fill("Shop & Sons")
            form.get_by_role("button", name="Delete the site").click()
            form.wait_for(state="detached")
        # Who agreed is led away from what is no more.
        bob.get_by_role("heading", name="Your sites").wait_for()
        self.assertEqual(bob.get_by_text("Shop & Sons").count(), 0)

    def test_provider(self) -> None:
        """A way to sign in under a name that is taken: that is said, and what was typed stays."""
        page = self.staff("ann@staff.example", "1")
        page.goto(f"{self.daemon.url.replace('127.0.0.1', 'localhost')}/panel/sites/1/providers")
        for secret in ("first", "second"):
            page.get_by_role("button", name="Add a provider").click()
            form = page.get_by_role("dialog")
            form.get_by_label("Client id").fill(secret)
            form.get_by_label("Secret").fill(secret)
            form.get_by_role("button", name="Save").click()
            if secret == "first":
                form.wait_for(state="detached")
                page.get_by_role("button", name="Change: google").wait_for()
        form.get_by_role("alert").get_by_text("There is a provider of that name already.").wait_for()
        self.assertEqual(form.get_by_label("Client id").input_value(), "second")
