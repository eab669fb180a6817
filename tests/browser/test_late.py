"""Files of comments that are fetched late, and can't be had at first: told where somebody waits, and fetched again."""

from __future__ import annotations

from typing import Any

from tests.support.browser import MockCase

CODE = '<pre><code class="language-python">def run(): # fast\n    return "a" + 1\n</code></pre>'


class LateTests(MockCase):
    def refusing(self, name: str) -> tuple[Any, list[str]]:
        """A context in which files of this name can't be had the first time; and what was refused."""
        context, refused = self.context(), list[str]()

        def refuse(route: Any) -> None:
            if refused:
                route.continue_()
            else:
                refused.append(name)
                route.abort()

        context.route(f"**/{name}*", refuse)
        return context, refused

    def test_decoration(self) -> None:
        """What makes a text nicer comes by itself, as soon as it can be had."""
        self.seed({"html": CODE})
        context, refused = self.refusing("highlight")
        page = self.plain(context=context)
        page.wait_for_selector(".mc-hl-k")
        self.assertEqual(len(refused), 1)

    def test_way_back(self) -> None:
        """Who comes back from signing in is told, and goes on with it without doing anything."""
        context, refused = self.refusing("people")
        page = self.page(
            f"{self.base}/pages/plain.html#cackle-signin=abcdefghijklmnopqrstuvwxyz", context=context, wait=""
        )
        page.wait_for_selector(".mc-on:has-text('There is no connection')")
        self.until(page, "location.hash === ''")
        self.assertEqual(len(refused), 1)
