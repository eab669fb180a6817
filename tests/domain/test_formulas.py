"""Formulas: what is one, and that nothing but formulas comes of them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain import formulas, text

PIECES = (
    "\\frac", "\\sqrt", "{", "}", "^", "_", "x", "1", "&", "\\\\", "\\left(", "\\right)", "\\text{", "\\style{a:b}",
    "\\href{javascript:x}", "\\begin{matrix}", "\\end{matrix}", "\\newcommand{\\a}{\\a\\a}", "\\a", "\\hspace{9999em}",
    "\\color{red}", "<script>", '"', "'", "&lt;", "\\rule{9em}{9em}", "\\class{x}", " ", "$", "\\mathbb{R}", "\\sum",
)  # fmt: skip
SAFE = re.compile(r"(<(/?)(math|m[a-z]+|none)( [a-z]+=\"[a-zA-Z0-9 .#+-]*\")*>|[^<>&]|&(lt|gt|amp|quot|#x27);)*")


class FormulaTests(SynchronousTestCase):
    def test_shown(self) -> None:
        """Common formulas become MathML."""
        self.assertEqual(
            formulas.mathml("x^2"), "<math><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>"
        )
        made = formulas.mathml("\\sum_{i=1}^n \\frac{1}{i}", block=True)
        assert made is not None
        self.assertIn('<math display="block">', made)
        self.assertIn("<mfrac>", made)

    def test_not_shown(self) -> None:
        """What is wrong, unknown, too deep, too long, or defines itself without end is no formula."""
        for tex in ("", " ", "{", "\\nope", "{" * 900, "\\sqrt{" * 200 + "x" + "}" * 200, "x" * 2_001,
                    "\\newcommand{\\a}{\\a\\a}\\a", "\\left( x", "x^"):  # fmt: skip
            self.assertIsNone(formulas.mathml(tex), tex)

    def test_hostile(self) -> None:
        """Neither links, styles, classes nor elements of others come through, nor lengths that leave the page."""
        for tex in ("\\href{javascript:alert(1)}{x}", "\\style{color:red}{x}", "\\class{mc-x}{x}", "\\hspace{9999em}x",
                    "\\text{<script>alert(1)</script>}", "\\rule{900em}{900em}x"):  # fmt: skip
            made = formulas.mathml(tex)
            assert made is not None
            self.assertIsNotNone(SAFE.fullmatch(made), made)
            for word in ("javascript", "style", "class", "<script", "999", "900"):
                self.assertNotIn(word, made.replace("mstyle", ""))

    @given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
    def test_any(self, tex: str) -> None:
        """Whatever is typed, it is MathML of known parts, or nothing."""
        made = formulas.mathml(tex)
        if made is not None:
            self.assertIsNotNone(SAFE.fullmatch(made), made)
            self.assertLessEqual(len(made), formulas.MOST_MATHML)

    def test_in_texts(self) -> None:
        """Dollars around a formula; money, code and what is escaped stay what they are."""
        for typed, html in (
            ("a $x^2$ b", '<p>a <code class="language-math">x^2</code> b</p>'),
            ("from $5 to $10", "<p>from $5 to $10</p>"),
            ("$ x $ and \\$x$", "<p>$ x $ and $x$</p>"),
            ("`$x$`", "<p><code>$x$</code></p>"),
            ("so $$x$$ y", '<p>so <code class="language-math-display">x</code> y</p>'),
            ("$$\na\n\n- b\n$$\nc", '<pre><code class="language-math">a\n\n- b</code></pre>\n<p>c</p>'),
            ("$<b>*x*$", '<p><code class="language-math">&lt;b&gt;*x*</code></p>'),
            ("$" * 4_000, "<p>" + "$" * 4_000 + "</p>"),
        ):
            self.assertEqual(text.render(typed, math=True), html)

    @given(st.text(alphabet="$x \\\n1*`-{}", max_size=60))
    def test_off(self, typed: str) -> None:
        """Where the site has none, dollars are dollars."""
        self.assertNotIn("language-math", text.render(typed) if typed.strip() else "")

    def test_pages(self) -> None:
        """In a page without scripts formulas are MathML, as many as its bound allows."""
        html = '<p><code class="language-math">x</code></p><pre><code class="language-math">y\n</code></pre>'
        made, left = formulas.with_formulas(html, 2)
        self.assertEqual(made.count("<math"), 1)
        made, left = formulas.with_formulas(html, 100)
        self.assertEqual((made.count("<math"), left), (2, 97))
        self.assertEqual(
            formulas.with_formulas('<code class="language-math">&lt;script&gt;{</code>', 100)[0],
            '<code class="language-math">&lt;script&gt;{</code>',
        )
