"""The panel by keyboard alone: signing in, every page, the keys of the queue, dialogs and the phone's menu."""

from __future__ import annotations

from tests.browser.test_panel import PanelCase

# What Tab should come to: shown, enabled, and not of a group of radio buttons, of which one is. Of the queue's items
# that is the current one, which is another as soon as Tab is in another.
TABBABLE = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, iframe, [tabindex="0"]:not(.item)')]
  .filter(one => !one.disabled && one.tabIndex >= 0 && one.type !== 'radio'
    && one.checkVisibility({visibilityProperty: true}) && !one.closest('fieldset:disabled, [inert]'))
  .map((one, at) => { one.dataset.tab = String(at); return String(at); })"""
# Where the focus is, and whether one sees it there.
FOCUS = """() => { const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {tab: one.dataset.tab ?? '', what: one.outerHTML.slice(0, 100),
    page: one === document.body || one.tagName === 'IFRAME',
    seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
      && box.bottom > 0 && box.top < innerHeight && box.width > 0}; }"""

SHOWN = "tab => document.querySelector(`[data-tab='${tab}']`)?.outerHTML.slice(0, 120)"


class KeyboardTests(PanelCase):
    """No mouse: nothing here clicks."""

    def focus(self, page, selector: str, *, most: int = 200) -> None:
        """Press Tab until *selector* has the focus."""
        for _ in range(most):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not come to {selector}: {page.evaluate(FOCUS)}")

    def inside(self, page) -> None:
        """Tab stays in the dialog, in both directions."""
        self.until(page, "!!document.activeElement.closest('dialog')")
        for key in ["Tab"] * 25 + ["Shift+Tab"] * 5:
            page.keyboard.press(key)
            # Past its end the focus is at the browser's own bar for a moment.
            self.assertTrue(
                page.evaluate("!!document.activeElement.closest('dialog') || document.activeElement === document.body"),
                page.evaluate(FOCUS),
            )

    def test_pages(self) -> None:
        """From the link to every page of the menu: all that can be used has the focus once, and shows it."""
        PanelCase.made += 1
        told = PanelCase.daemon.admin(f"account add keys{PanelCase.made}@staff.example --role owner --site 1")
        self.write("Something to decide on", "keyboard-pages")
        page = self.page(told["link"], context=self.context(viewport={"width": 1200, "height": 900}), wait=".primary")
        self.focus(page, "button.primary")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your sites").wait_for()
        self.focus(page, "a.tile")
        page.keyboard.press("Enter")
        page.locator(".menu a").first.wait_for()
        faults: list[str] = []
        for at in range(page.locator(".menu a").count()):
            link = page.locator(".menu a").nth(at)
            name = link.inner_text()
            target = link.get_attribute("href")
            # From the top: the link over everything else comes first, then the menu.
            page.evaluate("document.activeElement.blur()")
            self.focus(page, f".menu a[href='{target}']")
            # Who opens another page is at its heading; who is there already stays at the link.
            here = link.get_attribute("aria-current") == "page"
            page.keyboard.press("Enter")
            self.until(page, "href => location.pathname === href", target)
            if not here:
                self.until(page, "!!document.activeElement.closest('h1, .item, .console')")
            self.until(page, "!document.querySelector('.skeleton, [aria-busy=true]')")
            faults += [f"{name}: {one}" for one in self.walk(page)]
        for part in ("account", "sites/1/look", "sites/1/hosts", "sites/1/mail", "sites/1/providers",
                     "sites/1/deletion", "sites/1/exports", "sites/1/reviews/form"):  # fmt: skip
            page.goto(f"{page.url.partition('/panel')[0]}/panel/{part}")
            self.until(page, "!!document.querySelector('h1') && !document.querySelector('.skeleton, [aria-busy=true]')")
            faults += [f"{part}: {one}" for one in self.walk(page)]
        self.assertEqual(faults, [], "\n".join(faults))

    def walk(self, page) -> list[str]:
        """Tab through all of a page; what is wrong."""
        wanted = set(page.evaluate(TABBABLE))
        page.evaluate("document.activeElement.blur()")
        faults: list[str] = []
        come: set[str] = set()
        for _ in range(len(wanted) + 300):
            page.keyboard.press("Tab")
            now = page.evaluate(FOCUS)
            if not now["page"] and not now["seen"]:
                faults.append(f"not seen: {now['what']}")
            if now["tab"] in come and come >= wanted:
                break
            come.add(now["tab"])
        return faults + [f"not reached: {page.evaluate(SHOWN, one)}" for one in sorted(wanted - come)]

    def current(self, page) -> str:
        """The words of the item that has the focus."""
        return page.evaluate("document.activeElement.closest('.item')?.querySelector('.text').innerText.trim() ?? ''")

    def test_queue(self) -> None:
        """Each key of the queue, with its dialog: the focus is in it, stays in it, and comes back to the item."""
        words = [f"Keyboard comment {n}" for n in range(6)]
        for text in words:
            self.write(text, "keyboard-queue", name=text[-1] * 3)
        page = self.staff("moderator")
        self.at(page, "/sites/1/queue?state=approved&channel=keyboard-queue", "Queue")
        self.until(page, "document.querySelectorAll('.item').length === 6")
        left = lambda n: self.until(page, "n => document.querySelectorAll('.item').length === n", n)  # noqa: E731
        newest = words[::-1]
        for key, at in (("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
            page.keyboard.press(key)
            self.soon(lambda at=at: self.assertEqual(self.current(page), newest[at]))
        # What is decided leaves, and the next one has the focus; undone it is back.
        for key, said in (("r", "Rejected 1 item."), ("s", "Marked 1 item as spam."), ("d", "Deleted 1 item.")):
            page.keyboard.press(key)
            left(5)
            page.get_by_text(said).wait_for()
            self.soon(lambda: self.assertEqual(self.current(page), newest[1]))
            page.keyboard.press("u")
            left(6)
            page.keyboard.press("k")
            self.soon(lambda: self.assertEqual(self.current(page), newest[0]))
        # Chosen one by one, and all up to another.
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("Shift+X")
        page.get_by_role("toolbar", name="3 chosen").wait_for()
        page.keyboard.press("a")
        page.get_by_text("Approved 3 items.").wait_for()
        for key in ("?", "p", "b"):
            before = page.evaluate("document.activeElement.dataset.item")
            self.assertTrue(before)
            page.keyboard.press(key)
            page.get_by_role("dialog").wait_for()
            self.inside(page)
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="detached")
            self.until(page, "before => document.activeElement.dataset.item === before", before)
        # Letters are letters in the search; Enter searches, and the keys go on from the first item.
        page.keyboard.press("/")
        page.keyboard.type("comment 4 ")
        # Who stops for a moment sees what is found, and types on: no letter is a key, no space is lost.
        left(1)
        self.until(page, "!!document.querySelector('.item.current')")
        page.keyboard.type("drs")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.value"), "comment 4 drs"))
        left(0)
        for _ in "drs":
            page.keyboard.press("Backspace")
        page.keyboard.press("Enter")
        left(1)
        page.keyboard.press("Tab")

        def chosen() -> None:
            # A list that is drawn anew meanwhile takes the key with it.
            page.keyboard.press("j")
            self.assertEqual(self.current(page), words[4])

        self.soon(chosen)
        page.keyboard.press("g")
        self.until(page, "document.querySelector('.item button kbd').checkVisibility()")
        page.keyboard.press("r")
        left(0)
        page.keyboard.press("u")
        left(1)

    def test_dialogs(self) -> None:
        """What opens a dialog gets the focus back; Escape closes; the phone's menu opens, closes and is passed by."""
        page = self.staff("owner")
        for path, heading in (
            ("/sites/1/bans", "Bans"), ("/sites/1/members", "Members"), ("/sites/1/keys", "Keys"),
            ("/sites/1/webhooks", "Webhooks"), ("/sites/1/polls", "Polls"), ("/sites/1/providers", "Visitors' sign-in"),
        ):  # fmt: skip
            self.at(page, path, heading)
            self.focus(page, ".heading button.primary")
            page.keyboard.press("Enter")
            page.get_by_role("dialog").wait_for()
            self.inside(page)
            page.keyboard.press("Escape")
            page.get_by_role("dialog").wait_for(state="detached")
            self.until(page, "document.activeElement.matches('.heading button.primary')")
        page.set_viewport_size({"width": 360, "height": 740})
        self.at(page, "/sites/1/bans", "Bans")
        self.focus(page, ".burger")
        page.keyboard.press("Enter")
        page.locator(".menu a[href$='/rules']").wait_for()
        page.keyboard.press("Escape")
        page.locator(".menu a[href$='/rules']").wait_for(state="hidden")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.matches('.burger')")))
        page.keyboard.press("Enter")
        self.focus(page, ".menu a[href$='/rules']")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Rules", level=1).wait_for()
        page.locator(".menu a[href$='/rules']").wait_for(state="hidden")
