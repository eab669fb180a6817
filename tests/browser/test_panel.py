"""The panel in a browser: signing in, the queue that two moderators work on at once, rules, members, keys."""

from __future__ import annotations

import re

import pyotp
from twisted.trial.unittest import SkipTest

from tests.browser.test_access import AXE
from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.daemon import Daemon
from tests.support.reviews import review

VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(' | ')}`)"""


class PanelCase(BrowserCase):
    """A daemon for all, and whoever signs in."""

    daemon: Daemon | None = None
    made = 0

    def setUp(self) -> None:
        super().setUp()
        if PanelCase.daemon is None:
            # All who write here have one address; what its limits refuse is tested elsewhere.
            PanelCase.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
        self.url = PanelCase.daemon.url

    def staff(self, role: str = "owner", **options):
        """Somebody with *role* on site 1, signed in by a link, on their first page."""
        PanelCase.made += 1
        told = PanelCase.daemon.admin(f"account add {role}{PanelCase.made}@staff.example --role {role} --site 1")
        link = told["link"]
        page = self.page(
            link, context=self.context(**{"viewport": {"width": 1200, "height": 900}, **options}), wait="h1"
        )
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Your sites").wait_for()
        return page

    def at(self, page, path: str, heading: str) -> None:
        """Go to a page of the panel as its links do."""
        page.goto(f"{page.url.partition('/panel')[0]}/panel{path}")
        page.get_by_role("heading", name=heading, level=1).wait_for()

    def write(self, text: str, channel: str, name: str = "Ada") -> Visitor:
        """Somebody writes a comment."""
        visitor = Visitor(self.url, name=name)
        answer = visitor.post(channel, text)
        self.assertEqual(answer.status, 201, answer.body)
        return visitor


class QueueTests(PanelCase):
    """The queue."""

    def test_two_moderators(self) -> None:
        """What one decides leaves the other's list at once, says who did it, shows on open pages, and can be undone."""
        words = [f"Queue comment number {n}" for n in range(3)]
        for text in words:
            self.write(text, "panel-queue")
        ann, ben = self.staff("moderator"), self.staff("moderator")
        reader = self.page(f"{self.url}/demo?embed=1", context=self.context(), wait="")
        for page in (ann, ben):
            self.at(page, "/sites/1/queue?state=approved&channel=panel-queue", "Queue")
            self.until(page, "document.querySelectorAll('.item').length === 3")
            page.get_by_text("Live", exact=True).wait_for()
        first = ann.locator(".item", has_text=words[1])
        first.get_by_role("button", name="Reject").click()
        self.until(ann, "document.querySelectorAll('.item').length === 2")
        self.until(ben, "document.querySelectorAll('.item').length === 2")
        ben.get_by_text(re.compile(r"moderator\d+.*Rejected 1 item")).wait_for()
        ann.get_by_role("button", name="Undo").click()
        self.until(ann, "document.querySelectorAll('.item').length === 3")
        reader.close()

    def test_write_from_the_queue(self) -> None:
        """What is open is taken, which a colleague sees; moderators answer, change a text and undo that."""
        self.write("Please answer me", "panel-write")
        ann, ben = self.staff("moderator"), self.staff("moderator")
        for page in (ann, ben):
            self.at(page, "/sites/1/queue?state=approved&channel=panel-write", "Queue")
            page.locator(".item").wait_for()
            page.get_by_text("Live", exact=True).wait_for()
        ann.locator(".item").get_by_role("button", name="Context").click()
        dialog = ann.get_by_role("dialog")
        ben.get_by_text(re.compile(r"moderator\d+ is at it")).wait_for()
        dialog.get_by_role("button", name="Reply", exact=True).click()
        dialog.get_by_label("Your reply").fill("Here is an answer")
        dialog.locator("form").get_by_role("button", name="Reply", exact=True).click()
        ann.get_by_text("Your reply is published.").wait_for()
        dialog.get_by_role("button", name="Edit", exact=True).click()
        dialog.get_by_label("New text").fill("Please answer her")
        dialog.locator("form").get_by_role("button", name="Edit", exact=True).click()
        dialog.locator(".small.own", has_text="Please answer her").wait_for()
        # She is at it still, and everybody's list has the new words.
        for page in (ann, ben):
            page.locator(".item", has_text="Please answer her").wait_for()
        ben.get_by_text(re.compile(r"moderator\d+ is at it")).wait_for()
        ann.keyboard.press("Escape")
        self.until(ben, "!/is at it/.test(document.body.textContent)")
        ann.get_by_role("button", name="Undo").click()
        for page in (ann, ben):
            page.locator(".item", has_text="Please answer me").wait_for()
        # Who is at it holds with the keyboard, too.
        ben.locator(".item", has_text="answer me").focus()
        ben.keyboard.press("c")
        ben.get_by_text("You are at it").wait_for()
        ann.get_by_text(re.compile(r"moderator\d+ is at it")).wait_for()
        ben.goto("about:blank")
        self.until(ann, "!/is at it/.test(document.body.textContent)")

    def test_keys(self) -> None:
        """The keyboard alone: next, choose, reject what is chosen, undo; no key acts while somebody types."""
        for n in range(3):
            self.write(f"Key comment number {n}", "panel-keys")
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-keys", "Queue")
        self.until(page, "document.querySelectorAll('.item').length === 3")
        # What is drawn anew is what changed: no text is read again for a key.
        page.evaluate("""() => {
          window.read = 0;
          const parse = DOMParser.prototype.parseFromString;
          DOMParser.prototype.parseFromString = function (...given) {
            window.read += 1;
            return parse.apply(this, given);
          };
        }""")
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        page.get_by_text("2 chosen").first.wait_for()
        self.soon(lambda: self.assertEqual(page.evaluate("window.read"), 0))
        page.keyboard.press("/")
        page.keyboard.type("rs")
        self.soon(lambda: self.assertEqual(page.locator(".item").count(), 3))
        page.keyboard.press("Backspace")
        page.keyboard.press("Backspace")
        page.locator(".item").first.focus()
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("Approve").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
        self.until(page, "!!document.activeElement.closest('.item')")
        page.keyboard.press("r")
        self.until(page, "document.querySelectorAll('.item').length === 1")
        page.get_by_text("Rejected 2 items.").wait_for()
        page.keyboard.press("u")
        self.until(page, "document.querySelectorAll('.item').length === 3")

    def test_all_that_match(self) -> None:
        """What matches the search is decided on by the server, after it said how many; all of it is undone at once."""
        for n in range(4):
            self.write(f"Matching comment number {n}", "panel-all")
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-all", "Queue")
        self.until(page, "document.querySelectorAll('.item').length === 4")
        page.get_by_role("button", name="All that match").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("everything that matches the search: 4.").wait_for()
        dialog.get_by_role("button", name="Reject").first.click()
        dialog.locator("footer").get_by_role("button", name="Reject").click()
        self.until(page, "document.querySelectorAll('.item').length === 0")
        with page.expect_response(lambda answer: answer.url.endswith("/undo")) as answer:
            page.get_by_role("button", name="Undo").click()
        self.assertEqual(answer.value.status, 200)

        def back() -> None:
            # Undoing what a search matched goes on in the background.
            page.reload()
            page.locator(".item, .empty").first.wait_for()
            self.assertEqual(page.locator(".item").count(), 4)

        self.soon(back)

    def test_hostile_words(self) -> None:
        """Nothing that a visitor wrote runs in the panel, and names are text."""
        name = '<img src=x onerror="window.hit=1">'
        self.write(
            "[x](javascript:window.hit=2) <script>window.hit=3</script> <b onclick=window.hit=4>b</b>",
            "panel-xss",
            name,
        )
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-xss", "Queue")
        page.locator(".item").wait_for()
        self.soon(lambda: self.assertIn("onerror", page.locator(".item .name").inner_text()))
        self.soon(lambda: self.assertIsNone(page.evaluate("window.hit ?? null")))
        self.soon(
            lambda: self.assertEqual(
                page.locator(".item [onclick], .item script, .item a[href^='javascript']").count(), 0
            )
        )

    def test_ban_of_an_author(self) -> None:
        """A ban says what it would hide, takes it along, and refuses the author from then on."""
        mallory = self.write("To be banned", "panel-ban", "Mallory")
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-ban", "Queue")
        page.locator(".item").get_by_role("button", name="Ban").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("1 comment of the last 30 days").wait_for()
        dialog.get_by_label("What they wrote").select_option("reject")
        dialog.get_by_role("button", name="Ban", exact=True).click()
        page.get_by_text("Done: 1 item.").wait_for()
        self.assertEqual(mallory.post("panel-ban", "Again").status, 403)
        self.at(page, "/sites/1/bans", "Bans")
        page.get_by_role("button", name=re.compile("^Lift")).first.click()
        page.get_by_role("dialog").get_by_role("button", name="Lift", exact=True).click()
        page.get_by_text("The ban is lifted.").wait_for()
        # The log says details in words, and leaves out what says nothing.
        self.at(page, "/sites/1/audit", "Audit log")
        row = page.get_by_role("row", name="made a ban").first
        self.soon(lambda: self.assertIn("Kind: Visitor", row.inner_text()))
        self.soon(lambda: self.assertNotRegex(page.locator("table").inner_text(), r"shadow|true|false|action: \d"))


class OfficeTests(PanelCase):
    """Rules, members, keys, settings, the log."""

    def test_rules(self) -> None:
        """Rules are tried before they are kept; who saves on top of others' changes is told."""
        self.write("a word that is looked for: xyzzy", "panel-rules")
        page, other = self.staff("admin"), self.staff("admin")
        for one in (page, other):
            self.at(one, "/sites/1/rules", "Rules")
        words = page.get_by_role("group", name="Words")
        words.get_by_role("button", name="Add").click()
        words.get_by_role("textbox").fill("xyzzy")
        page.get_by_role("button", name="Try on the last 30 days").click()
        page.get_by_text(re.compile(r"Of [\d,]+ comments, 1 would not have been shown")).wait_for()
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved.").wait_for()
        other.get_by_label("Links allowed in a comment").fill("3")
        other.get_by_role("button", name="Save").click()
        other.get_by_text("Somebody else changed this meanwhile").wait_for()
        other.get_by_role("button", name="Show their version").click()
        self.until(other, "[...document.querySelectorAll('.rows input')].some(one => one.value === 'xyzzy')")
        other.get_by_role("button", name="Remove line 1").first.click()
        other.get_by_role("button", name="Save").click()
        other.get_by_text("Saved.").wait_for()

    def test_members_and_keys(self) -> None:
        """An invitation's link makes an account with a role; a key is shown once."""
        page = self.staff("owner")
        self.at(page, "/sites/1/members", "Members")
        page.get_by_role("button", name="Invite").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Mail address").fill("new@staff.example")
        dialog.get_by_label("Role").select_option("analyst")
        dialog.get_by_role("button", name="Invite").click()
        link = dialog.get_by_label("Link").input_value()
        guest = self.page(link, context=self.context(), wait="h1")
        guest.get_by_label("Name").fill("New Colleague")
        guest.get_by_label("Password").fill("a password that is long")
        guest.get_by_role("button", name="Join").click()
        guest.get_by_role("link", name="Statistics").wait_for()
        self.soon(lambda: self.assertEqual(guest.get_by_role("link", name="Keys").count(), 0))
        self.at(page, "/sites/1/keys", "Keys")
        page.get_by_role("button", name="New key").click()
        dialog.get_by_label("Name").fill("web server")
        dialog.get_by_role("button", name="New key").click()
        self.soon(lambda: self.assertTrue(dialog.get_by_label("Key", exact=True).input_value().startswith("cackled_")))
        dialog.get_by_role("button", name="Done").click()
        page.get_by_text("web server").wait_for()
        self.at(page, "/sites/1/audit", "Audit log")
        page.get_by_role("link", name="made a key").first.wait_for()

    def test_mail(self) -> None:
        """The site's own words: the sample shows them and what can't be; kept by language, and reset."""
        page = self.staff("admin")
        self.at(page, "/sites/1/mail", "Mail")
        page.get_by_label("Mail", exact=True).select_option(label="To visitors: signing in by mail")
        sample = page.get_by_role("region", name="Sample")
        sample.get_by_text("123 456").wait_for()
        page.get_by_label("Subject").fill("{nobody}")
        sample.get_by_role("alert").wait_for()
        page.get_by_label("Subject").fill("Your key to {site}")
        page.get_by_label("At the end").fill("<b>Street 1</b>")
        sample.get_by_text("Your key to").wait_for()
        sample.get_by_text("<b>Street 1</b>").wait_for()
        page.get_by_role("button", name="Save").click()
        reset = page.get_by_role("button", name="Reset to the default")
        reset.wait_for()
        page.locator("main").get_by_label("Language").select_option("de")
        sample.get_by_text("Street 1").wait_for(state="detached")
        page.locator("main").get_by_label("Language").select_option("en")
        sample.get_by_text("Your key to").wait_for()
        reset.click()
        sample.get_by_text("Your key to").wait_for(state="detached")
        self.soon(lambda: self.assertEqual(page.get_by_label("Subject").input_value(), ""))

    def test_undo_from_the_log(self) -> None:
        """A decision is undone long after it was made; the log says what was done in words, and is downloaded."""
        self.write("Rejected and brought back", "panel-log")
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=panel-log", "Queue")
        page.locator(".item").get_by_role("button", name="Reject").click()
        page.get_by_text("Rejected 1 item.").wait_for()
        self.at(page, "/sites/1/audit", "Audit log")
        row = page.get_by_role("row", name="rejected it").first
        row.get_by_role("button", name="Undo").click()
        page.get_by_text("Undid 1 decision.").wait_for()
        self.soon(lambda: self.assertEqual(page.get_by_role("button", name="Download").count(), 0))
        self.at(page, "/sites/1/queue?state=approved&channel=panel-log", "Queue")
        page.locator(".item", has_text="brought back").wait_for()
        admin = self.staff("admin")
        self.at(admin, "/sites/1/audit", "Audit log")
        admin.get_by_role("button", name="Download").click()
        for kind in ("csv", "jsonl"):
            dialog = admin.get_by_role("dialog")
            dialog.get_by_label("Format").select_option(kind)
            with admin.expect_download() as got:
                dialog.get_by_role("button", name="Download").click()
            self.assertIn("moderation.reject", got.value.path().read_text())
            if kind == "csv":
                admin.get_by_role("button", name="Download").click()
        analyst = self.staff("analyst")
        self.at(analyst, "/sites/1/audit", "Audit log")
        analyst.get_by_role("row", name="rejected it").first.wait_for()
        self.soon(lambda: self.assertEqual(analyst.get_by_role("button", name="Undo").count(), 0))

    def test_look(self) -> None:
        """A colour is seen in the preview at once, and given out as CSS."""
        page = self.staff("admin")
        self.at(page, "/sites/1/look", "Look")
        inside = page.frame_locator("iframe")
        inside.locator(".mc-root").wait_for()
        page.get_by_label("Accent").fill("#aa0055")
        self.until(
            page,
            "[...document.querySelectorAll('textarea')].some(one => one.value.includes('--mc-accent: #aa0055;'))",
        )
        self.until(
            page,
            """document.querySelector('iframe').contentDocument.querySelector('.mc-root')
            .style.getPropertyValue('--mc-accent').trim() === '#aa0055'""",
        )

    def test_own_account(self) -> None:
        """A password, an app's codes and a passkey are set up; each signs in afterwards."""
        page = self.staff("moderator")
        mail = f"moderator{PanelCase.made}@staff.example"
        virtual = page.context.new_cdp_session(page)
        virtual.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        virtual.send(
            "WebAuthn.addVirtualAuthenticator",
            {"options": {**options, "isUserVerified": True, "automaticPresenceSimulation": True}},
        )
        self.at(page, "/account", "Your account")
        dialog = page.get_by_role("dialog")
        page.get_by_role("button", name="Choose one").click()
        dialog.get_by_label("New password").fill("a password that is long")
        dialog.get_by_role("button", name="Save").click()
        page.get_by_text("is set", exact=True).wait_for()
        page.get_by_role("button", name="Add a passkey").click()
        dialog.get_by_label("Name").fill("test device")
        dialog.get_by_role("button", name="Add a passkey").click()
        page.get_by_text("Passkey: test device").wait_for()
        page.get_by_role("button", name="Add a passkey").click()
        dialog.get_by_label("Name").fill("the same device")
        dialog.get_by_role("button", name="Add a passkey").click()
        dialog.get_by_text("This device has a passkey of your account already.").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Set up").click()
        dialog.get_by_role("button", name="Set up").click()
        secret = dialog.get_by_label("Secret to type into the app").input_value()
        dialog.get_by_label("Code", exact=True).fill(pyotp.TOTP(secret).now())
        dialog.get_by_role("button", name="Ask for codes from now on").click()
        codes = dialog.get_by_label("Recovery codes").input_value().split()
        dialog.get_by_role("button", name="Done").click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_label("Mail address").fill(mail)
        page.get_by_label("Password").fill("a password that is long")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Code").fill(codes[0])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_role("button", name="Use a passkey").click()
        page.get_by_role("button", name="Sign out", exact=True).wait_for()

    def test_nobody_else(self) -> None:
        """Without a session there is a sign-in and nothing more; a wrong password says so and keeps what was typed."""
        page = self.page(f"{self.url}/panel/sites/1/queue", context=self.context(), wait="h1")
        page.get_by_label("Mail address").fill("nobody@staff.example")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("Mail address and password don't belong together.").wait_for()
        self.soon(lambda: self.assertEqual(page.get_by_label("Mail address").input_value(), "nobody@staff.example"))
        analyst = self.staff("analyst")
        self.at(analyst, "/sites/1/members", "Not found")
        # Passkeys belong to names, not to addresses.
        for host, ways in (("localhost", 1), ("127.0.0.1", 0)):
            page = self.page(f"{self.url.replace('127.0.0.1', host)}/panel/", context=self.context(), wait="h1")
            page.get_by_role("link", name="Password forgotten?").wait_for()
            self.assertEqual(page.get_by_role("button", name="Use a passkey").count(), ways)

    def test_axe(self) -> None:
        """axe-core finds nothing on any page, light and dark, on a desk and on a phone."""
        if not AXE.exists():
            raise SkipTest("axe-core is not installed (scripts/test does that where npm is)")
        self.write("Something to look at, with [a link](https://example.com)", "panel-axe")
        review(self.url, "panel-axe-review", star=4, text="Stars to look at")
        for scheme, width in (("light", 1200), ("dark", 360)):
            page = self.staff("owner", color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
            for path, heading in (
                ("/", "Your sites"), ("/account", "Your account"), ("/sites/1/hosts", "Hosts"),
                ("/sites/1/usage", "Usage"), ("/sites/1/look", "Look"), ("/sites/1/mail", "Mail"),
                ("/sites/1/polls", "Polls"),
                ("/sites/1/providers", "Visitors' sign-in"), ("/sites/1/deletion", "Delete the site"),
                ("/sites/1/queue?state=all", "Queue"), ("/sites/1/bans", "Bans"),
                ("/sites/1/rules", "Rules"), ("/sites/1/statistics", "Statistics"),
                ("/sites/1/spam", "Spam filter"), ("/sites/1/audit", "Audit log"),
                ("/sites/1/settings", "Settings"), ("/sites/1/members", "Members"), ("/sites/1/keys", "Keys"),
                ("/sites/1/webhooks", "Webhooks"),
            ):  # fmt: skip
                self.at(page, path, heading)
                self.until(page, "!document.querySelector('.skeleton')")
                page.add_script_tag(path=str(AXE))
                where = f"{path} {scheme} {width}"
                self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), [], where))
                wide = "document.documentElement.scrollWidth > innerWidth"
                self.soon(lambda: self.assertFalse(page.evaluate(wide), where))
