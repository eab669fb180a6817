"""What a node answers for sites of another deployment: the way there, and nothing else."""

from __future__ import annotations

from tests.api.common import ApiCase

EU = "https://eu.c.example"


class SignpostTests(ApiCase):
    """A node of ``global`` that knows of ``eu``."""

    toml = ApiCase.toml + (
        '[[deployments]]\nname = "global"\nurl = "https://c.example"\nsites = [1, 999]\n'
        f'[[deployments]]\nname = "eu"\nurl = "{EU}/"\nsites = [1000, 1999]\n'
    )

    async def test_loader(self) -> None:
        """The loader of a site elsewhere is sent on with its number; others are served, and name this deployment."""
        for site in ("1000", "01000"):
            answer = await self.ask("GET", f"/widget.js?site={site}")
            self.assertEqual((answer.status, answer.headers["location"]), (302, f"{EU}/widget.js?site=1000"))
        await self.application.sites.pin(7, "eu")
        self.assertEqual((await self.ask("GET", "/mc.widget-min.js?site=7")).status, 302)
        for query in ("", "?site=1", "?site=x", "?site=", "?site=1000&site=1", "?site=99999999999", "?site=%C2%B2"):
            answer = await self.ask("GET", f"/widget.js{query}")
            self.assertEqual(answer.status, 200, query)
            self.assertIn(b'"servers":[{"url":"https://c.example"', answer.body)

    async def test_calls(self) -> None:
        """API, first render and live connections say 421 with the address, readable by any page."""
        body = self.comment("nobody's business")
        for method, path, given in (
            ("GET", "/bootstrap?widget=Comment&site=1234&channel=page", None),
            ("GET", "/api/v1/sites/1234/comments?channel=page", None),
            ("POST", "/api/v1/sites/1234/comments", body),
            ("POST", "/api/v1/sites/1234/sessions", None),
            ("PUT", "/api/v1/sites/1234/comments/5/vote", {"value": 1}),
        ):
            answer = await self.ask(method, path, given, origin="https://shop.example")
            self.assertEqual((answer.status, answer.slug), (421, "other-deployment"), path)
            self.assertEqual((answer.json()["deployment"], answer.json()["url"]), ("eu", EU))
            self.assertEqual(answer.headers["access-control-allow-origin"], "*", path)
        for path in ("/rt/sse?sub=1234/5", "/rt/poll?sub=1234/5"):
            answer = await self.ask("GET", path, origin="https://shop.example")
            self.assertEqual((answer.status, answer.slug), (421, "other-deployment"), path)
            self.assertIn(EU, answer.json()["detail"])
        self.assertEqual((await self.ask("GET", "/api/v1/sites/77/comments?channel=page")).slug, "unknown-site")

    async def test_strangers_from_the_mesh(self) -> None:
        """Signals and hints of sites that are not served here go nowhere."""
        from cackled.cluster.messages import Hint, Signal

        told: list[object] = []
        self.patch(self.application.hub.presence, "remote", lambda *args: told.append(args))
        self.patch(self.application.hub, "signal", lambda *args: told.append(args))
        self.patch(self.application.router, "wrote", told.append)
        for site in (1234, 77):
            self.application.router.signalled("n2", Signal(site, 5, "presence", {"count": 2}))
            self.application.router.signalled("n2", Signal(site, 5, "typing", {"name": "Ann"}))
            self.application.router.hinted(Hint(site, 5, 3))
        self.assertEqual(told, [])
        self.application.router.signalled("n2", Signal(1, 5, "presence", {"count": 2}))
        self.application.router.hinted(Hint(1, 5, 3))
        self.assertEqual(len(told), 2)
