"""Letters as mail programs show them: each kind in a browser, in light and dark, on a phone, from right to left.

With CACKLED_TEST_PICTURES their pictures are kept in that folder, to be looked at.
"""

from __future__ import annotations

import os
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from cackled import identity
from cackled.domain.mail_templates import LetterKind, Template
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site
from cackled.languages import Language
from cackled.products import PRODUCTS
from tests.browser.test_access import AXE
from tests.support.browser import BrowserCase

PICTURES = os.environ.get("CACKLED_TEST_PICTURES", "")
SITE = Site(1, "Lamps & Shades", SiteSettings())
OWN = Template(intro="Dear reader,\n\nnews of the workshop.", footer="Lamps Ltd, 1 High Street")
LOOKS: dict[str, tuple[Language, int, Any]] = {
    "light": ("en", 760, "light"),
    "dark": ("de", 760, "dark"),
    "phone": ("en", 360, "dark"),
    "rtl": ("ar", 760, "light"),
}
# Letters are no pages: mail programs have the landmarks and the headings.
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ['violations'], rules: Object.fromEntries(
  ['landmark-one-main', 'page-has-heading-one', 'region'].map(name => [name, {enabled: false}]))})).violations
  .map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120) + n.failureSummary).join(' | ')}`)"""
# Brightness of what is behind the letter, from 0 to 1.
GROUND = """(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
})()"""


class LetterTests(BrowserCase):
    """The samples that owners look at, with words of their own."""

    def letter(self, kind: LetterKind, language: Language) -> EmailMessage:
        """A letter about nobody."""

        async def sample() -> EmailMessage:
            return await kind.sample(SITE, language, OWN)

        return self.successResultOf(Deferred.fromCoroutine(sample()))

    def test_shown(self) -> None:
        """Nothing is wider than the window, words stand out from what is behind them, dark is dark."""
        shown = set()
        for kind in [kind for one in (*PRODUCTS, identity.FEATURE) for kind in one.letters]:
            for look, (language, width, scheme) in LOOKS.items():
                part = self.letter(kind, language).get_body(("html",))
                if part is None:
                    continue
                shown.add(kind.name)
                where = f"{kind.name} {look}"
                context = self.context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                page.set_content(str(part.get_content()))
                if PICTURES:
                    page.screenshot(path=str(Path(PICTURES) / f"letter-{kind.name}-{look}.png"), full_page=True)
                self.assertFalse(page.evaluate("document.documentElement.scrollWidth > innerWidth"), where)
                self.assertEqual(page.evaluate(GROUND) < 0.5, scheme == "dark", where)
                direction = "getComputedStyle(document.body).direction"
                self.assertEqual(page.evaluate(direction), "rtl" if language == "ar" else "ltr", where)
                self.assertIn("Lamps Ltd", page.inner_text("body"), where)
                page.add_script_tag(path=str(AXE))
                self.assertEqual(page.evaluate(VIOLATIONS), [], where)
                context.close()
        self.assertEqual(shown, {"notices", "confirm", "review-request"})
