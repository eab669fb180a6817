"""Translations in the console, by a site's own server on this machine."""

from __future__ import annotations

import json

from cackled.database.testing import server
from tests.browser.test_access import AXE
from tests.browser.test_console import ConsoleCase
from tests.browser.test_panel import VIOLATIONS
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon
from tests.support.translator import SECRET, StrictTranslator


class TranslateTests(ConsoleCase):
    """An operator who reads German, and a visitor who writes French."""

    def setUp(self) -> None:
        BrowserCase.setUp(self)
        self.translator = StrictTranslator()
        self.addCleanup(self.translator.close)
        base = server().create()
        self.addCleanup(server().drop, base)
        self.daemon = Daemon.for_test(  # type: ignore[misc]
            self,
            f"[database]\ndsn = {json.dumps(server().dsn(base))}\n"
            f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = [{self.translator.port}]\n",
        )
        self.url = self.daemon.url
        self.site = self.daemon.admin('site add "Lamps" 127.0.0.1')["site"]
        for name, value in (("enabled", "true"), ("translate_url", f"{self.translator.url}/translate"),
                            ("translate_secret", f'"{SECRET}"')):  # fmt: skip
            self.daemon.admin(f"site set {self.site} chat.{name} {value}")

    def test_both_ways(self) -> None:
        """One message, then all; a reply is shown in both languages before it is sent; a failure loses nothing."""
        page = self.operator("lena")
        self.online(page, capacity=0)
        chat = self.start("Ada", "Bonjour", language="fr")
        page.get_by_role("combobox", name="Language").select_option("de")
        self.at(page, f"/sites/{self.site}/chat?chat={chat[0]}", "Chat")
        line = page.locator(".line.theirs", has_text="Bonjour")
        line.get_by_role("button", name="Übersetzen").click()
        line.locator(".translated", has_text="Guten Tag").wait_for()
        line.get_by_text("Übersetzt aus: Französisch").wait_for()
        page.get_by_role("button", name="Übernehmen").first.click()
        page.locator(".talk-head").get_by_role("button", name="Aktionen").click()
        page.get_by_role("menuitem", name="Übersetzen: Deutsch").click()
        self.say(chat, "Merci")
        page.locator(".line.theirs", has_text="Merci").locator(".translated", has_text="Danke").wait_for()
        # The translator is down: the words stay where they are.
        self.translator.says = [(500, {})]
        field = page.locator(".composer > textarea")
        field.fill("Ich helfe gern.")
        field.press("Enter")
        draft = page.locator(".composer .translated")
        draft.get_by_text("Der Übersetzer hat nicht geantwortet.").wait_for()
        self.assertEqual(field.input_value(), "Ich helfe gern.")
        draft.get_by_role("button", name="Erneut versuchen").click()
        self.until(page, "document.querySelector('.composer .translated textarea')?.value === "
                         "'Je vous aide volontiers.'")  # fmt: skip
        page.evaluate(AXE.read_text())
        self.soon(lambda: self.assertEqual(page.evaluate(VIOLATIONS), []))
        draft.get_by_role("button", name="Senden auf Französisch").click()
        self.sent(page, "Je vous aide volontiers.")
        ours = page.locator(".line.ours", has_text="Je vous aide volontiers.")
        ours.locator(".translated", has_text="Ich helfe gern.").wait_for()
        self.assertNotIn("Ich helfe", self.read(chat))
        self.assertIn("Je vous aide volontiers.", self.read(chat))
        # After a reload it is all there, and nothing was asked twice.
        asked = len(self.translator.asked)
        page.reload()
        for words in ("Guten Tag", "Danke", "Ich helfe gern."):
            page.locator(".translated", has_text=words).wait_for()
        self.assertEqual(len(self.translator.asked), asked)
        # Other words than those that were translated are another reply.
        field.fill("Noch etwas")
        field.press("Enter")
        self.until(page, "document.querySelector('.composer .translated textarea')?.value === '[fr] Noch etwas'")
        field.press("Enter")
        self.sent(page, "[fr] Noch etwas")
        field.fill("Und noch etwas")
        page.locator(".composer .tools").get_by_role("button", name="Übersetzen").click()
        draft.locator("textarea").wait_for()
        field.fill("Noch etwas mehr")
        draft.wait_for(state="detached")
        page.get_by_role("button", name="Nicht mehr übersetzen").click()
        field.press("Enter")
        self.sent(page, "Noch etwas mehr")
        self.assertIn("Noch etwas mehr", self.read(chat))
        self.assertEqual(self.translator.wrong, [])
