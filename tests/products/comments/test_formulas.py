"""Formulas in comments, over the API and in the page without scripts."""

from __future__ import annotations

import json
from typing import Any

from cackled.importing.formats import Parts, Ready
from cackled.products.comments.importing.record import ImportedComment
from cackled.products.comments.importing.writer import CommentWriter
from tests.api.common import ApiCase

COMMENTS = "/api/v1/sites/1/comments"
FORMULAS = "/api/v1/sites/1/formulas"


class FormulaTests(ApiCase):
    async def write(self, text: str) -> Any:
        """A comment; gives its HTML."""
        body = {"channel": {"key": "page"}, "name": "Ann", "text": text}
        answer = await self.ask("POST", COMMENTS, body, authorization=await self.visitor())
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["comment"]["html"]

    async def test_setting(self) -> None:
        """Off, dollars are dollars, and there is nothing to ask; on, TeX is marked, and MathML is to be had."""
        self.assertEqual(await self.write("$x^2$"), "<p>$x^2$</p>")
        self.assertEqual((await self.ask("GET", f"{FORMULAS}?inline=x")).status, 404)
        await self.application.sites.change(1, "comments.math", True)
        self.assertEqual(await self.write("$x^2$"), '<p><code class="language-math">x^2</code></p>')
        answer = await self.ask("GET", f"{FORMULAS}?inline=x%5E2&inline=%7B&block=x%3Cy")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json(), {
            "inline": ["<math><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>", None],
            "block": ['<math display="block"><mrow><mi>x</mi><mo>&lt;</mo><mi>y</mi></mrow></math>'],
        })  # fmt: skip
        self.assertIn("max-age", answer.headers["cache-control"])
        page = await self.ask("GET", "/threads/1?channel=page")
        self.assertIn("<math><mrow><msup>", page.body.decode())

    async def test_imported(self) -> None:
        """What is imported is rendered as what is posted, by the same setting."""
        for on in (False, True):
            await self.application.sites.change(1, "comments.math", on)
            writer = CommentWriter(
                Parts(database=self.application.database, source="s"), self.application.sites.get(1)
            )

            def imported(text: str, markup: Any, writer: CommentWriter = writer) -> str:
                ready = writer.prepare(ImportedComment(id="1", page="/a", created=1.0, text=text, markup=markup))
                assert isinstance(ready, Ready)
                return str(json.loads(ready.stored)["html"])

            for text in ("$x^2$ and $y$", "$$\n\\frac{1}{2}\n$$", "$5 and more", "plain"):
                posted = await self.write(text)
                self.assertEqual(imported(text, "markdown"), posted, (on, text))
            self.assertIn("language-math" if on else "$x^2$", imported("<p>$x^2$</p>", "html"))
            # Where nothing is markup, a dollar is a dollar.
            self.assertEqual(imported("$x^2$", "plain"), "<p>$x^2$</p>")

    async def test_bounds(self) -> None:
        """Too many, or too much, is refused."""
        await self.application.sites.change(1, "comments.math", True)
        for query in ("&".join(["inline=x"] * 51), "inline=" + "x" * 4_001):
            self.assertEqual((await self.ask("GET", f"{FORMULAS}?{query}")).status, 400)
        self.assertEqual((await self.ask("GET", FORMULAS)).json(), {"inline": [], "block": []})
        self.assertEqual((await self.ask("GET", f"{FORMULAS}?inline=%FF")).status, 400)
