"""The widget in other people's pages: their resets leave its structure standing, its looks yield to the site."""

from __future__ import annotations

from pathlib import Path

from tests.browser.libraries import STYLES, style
from tests.support.browser import MockCase

# The smallest ones, each with what it once took apart.
BARE = {
    "star": "*{margin:0;padding:0;box-sizing:border-box}",
    "star with borders": "*,*::before,*::after{margin:0;padding:0;border:0;box-sizing:border-box;list-style:none}",
    "content-box": "*{box-sizing:content-box}",
    "buttons shown": "button{display:inline-block} div,span,p{display:block}",
    "flex column": "body{display:flex;flex-direction:column;align-items:center}",
    "flex row": "body{display:flex;justify-content:center} #below{display:none}",
    "grid": "body{display:grid;place-items:center}",
    "types": "button{width:100%;margin:1em 0;padding:2em;background:none;border:0;color:gray} form{display:flex}"
    "ul,ol{list-style:none;padding:0;margin:0} a{color:inherit;text-decoration:none} svg{width:100%;fill:red}"
    "input,textarea{margin:9px;border:2px solid;box-shadow:0 0 9px;width:auto;height:90px}"
    "div{margin:7px;padding:3px} blockquote{border:0;padding:0}",
    "roles": "[role=button]{padding:20px;background:blue;border:3px solid}[role=group]{display:inline-flex;width:100%}",
}
HTML = (
    "<p>Plain, <a href='https://a.example/'>linked</a> and <code>code</code>.</p><ul><li>one</li><li>two</li></ul>"
    "<ol><li>first</li></ol><blockquote><p>quoted</p></blockquote><pre><code>a\n  b</code></pre>"
)
MEASURE = (Path(__file__).parent / "hosts" / "measure.js").read_text().partition("\n")[2]


# Rules of a site, one class each, in a sheet that comes before the widget's in time.
SITE = {
    ".mc-name": {"color": "rgb(1, 2, 3)", "font-weight": "300"},
    ".mc-formbtn": {"background-color": "rgb(4, 5, 6)", "padding-left": "50px", "border-top-left-radius": "9px"},
    ".mc-text": {"font-size": "30px"},
    ".mc-box": {"border-top-width": "5px", "border-top-color": "rgb(7, 8, 9)"},
    ".mc-reply": {"color": "rgb(10, 11, 12)"},
    ".mc-nest": {"padding-left": "99px"},
    ".mc-c": {"margin-top": "11px"},
    ".mc-title": {"font-size": "33px"},
    ".mc-avatar": {"border-top-left-radius": "3px"},
    "#mc-container": {"max-width": "500px", "width": "500px"},
}


class HostsTests(MockCase):
    def host(self, css: str, query: str = "", **options):
        """The plain page with a style sheet of the site's own."""
        context = self.context(**options)
        context.route("**/pages/looks.css", lambda route: route.fulfill(body=css, content_type="text/css"))
        page = self.page(f"{self.base}/pages/plain.html?{query}", context=context)
        page.click(".mc-input")
        # Both come a moment after the rest.
        page.locator(".mc-bell").wait_for()
        page.locator(".mc-formbtn").wait_for()
        return page

    def conversation(self) -> None:
        """Something of everything that a comment can hold, three deep."""
        self.seed(
            {"text": "x", "html": HTML, "name": "Ann"},
            {"text": "An answer", "name": "Ben", "parent": 0},
            {"text": "And another", "name": "Cem", "parent": 1},
            {"text": "Short", "name": "Dee"},
        )

    def stands(self, sheets: dict[str, str]) -> None:
        """The structure in pages with each of *sheets* is that of a page with none."""
        self.conversation()
        page = self.host("")
        self.maxDiff = None
        plain = page.evaluate(MEASURE)
        page.context.close()
        for name, css in sheets.items():
            page = self.host(css)
            measured = page.evaluate(MEASURE)
            page.context.close()
            wrong = {
                key: (value, measured[key])
                for key, value in plain.items()
                if (abs(value - measured[key]) > 0.16 if isinstance(value, float | int) else value != measured[key])
            }
            self.assertEqual(wrong, {}, name)

    def test_bare(self) -> None:
        """Resets of one line, and type selectors of every kind."""
        self.stands(BARE)

    def test_overridable(self) -> None:
        """One class of the site's own is enough for every look, and for paddings too."""
        self.conversation()
        page = self.host(
            "".join(f"{s} {{{'; '.join(f'{k}: {v}' for k, v in rule.items())}}}" for s, rule in SITE.items())
        )
        for selector, rule in SITE.items():
            for name, value in rule.items():
                seen = page.evaluate(
                    "([s, name]) => getComputedStyle(document.querySelector(s)).getPropertyValue(name)",
                    [selector, name],
                )
                self.assertEqual(seen, value, (selector, name))


def _framework(name: str):
    def test(self: HostsTests) -> None:
        self.stands({name: style(name)})

    test.__doc__ = f"The widget in a page with {name}."
    return test


for _name in STYLES:
    setattr(HostsTests, f"test_{_name.replace('-', '_')}", _framework(_name))
