"""The panel's pages: one for all addresses, under a policy without exceptions."""

from __future__ import annotations

from cackled.api.panel import POLICY, PanelPages
from cackled.transport.assets import Assets
from tests.api.common import Answer, ApiCase


class PanelTests(ApiCase):
    """What every answer below /panel/ has."""

    def sealed(self, answer: Answer) -> None:
        """No framing, no other window, no scripts but ours."""
        self.assertEqual(answer.headers["content-security-policy"], POLICY.decode())
        self.assertNotIn("unsafe", POLICY.decode())
        for name, value in (
            ("x-frame-options", "DENY"), ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"), ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ):  # fmt: skip
            self.assertEqual(answer.headers[name], value)
        self.assertNotIn("access-control-allow-origin", answer.headers)

    async def test_addresses(self) -> None:
        """Every address below answers with the one page; without the slash the browser is sent on."""
        self.infrastructure.assets.urls = lambda: {  # type: ignore[method-assign]
            "panel.js": ["/widget/1/panel.js"], "panel.css": ["/widget/1/panel.css"],
        }  # fmt: skip
        bodies = set()
        self.tree_with(self.infrastructure.assets)
        for path in ("/panel/", "/panel/queue/1", "/panel/link", "/panel/a/b/c?x=1", "/panel//evil", "/panel/%2e%2e/x"):
            answer = await self.ask("GET", path)
            self.assertEqual(answer.status, 200, path)
            self.sealed(answer)
            bodies.add(answer.body)
        (body,) = bodies
        self.assertIn(b'<script type="module" src="/widget/1/panel.js"></script>', body)
        self.assertIn(b'<link rel="stylesheet" href="/widget/1/panel.css">', body)
        self.assertEqual(body.count(b"<script"), 1)
        self.assertNotIn(b"style=", body)
        answer = await self.ask("GET", "/panel?site=1")
        self.assertEqual((answer.status, answer.headers["location"]), (308, "/panel/?site=1"))
        self.sealed(answer)
        self.assertEqual((await self.ask("POST", "/panel/", b"")).status, 405)

    async def test_words(self) -> None:
        """Other languages are fetched from beside the page, which names them; nothing else is there."""
        self.infrastructure.assets.urls = lambda: {"panel.js": ["/widget/1/panel.js"]}  # type: ignore[method-assign]
        tree = PanelPages(self.infrastructure.assets.urls, {"ru": b'{"undo":"x"}', "de": b"{}"})
        self.infrastructure.http.root.putChild(b"panel", tree)  # type: ignore[attr-defined]
        self.assertIn(b'<div id="panel" data-languages="de ru" data-parts="', (await self.ask("GET", "/panel/")).body)
        answer = await self.ask("GET", "/panel/words/ru.json")
        self.assertEqual((answer.json(), answer.headers["content-type"]), ({"undo": "x"}, "application/json"))
        self.sealed(answer)
        again = await self.ask("GET", "/panel/words/ru.json", if_none_match=answer.headers["etag"])
        self.assertEqual((again.status, again.body), (304, b""))
        for name in ("en.json", "xx.json", "..%2fde.json", "%ff", "ru.json/x"):
            answer = await self.ask("GET", f"/panel/words/{name}")
            self.assertIn(answer.status, (404, 200), name)
            self.assertNotIn(b"undo", answer.body, name)
            self.sealed(answer)

    def tree_with(self, assets: Assets) -> None:
        """Serve the panel of other bundles."""
        self.infrastructure.http.root.putChild(b"panel", PanelPages(assets.urls))  # type: ignore[attr-defined]

    async def test_not_built(self) -> None:
        """Without the bundle it says so."""
        self.infrastructure.assets.urls = dict  # type: ignore[method-assign]
        self.tree_with(self.infrastructure.assets)
        answer = await self.ask("GET", "/panel/")
        self.assertEqual(answer.slug, "not-found")
        self.sealed(answer)
