"""The address space: which path is whose, the loader's old names, and who may listen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.api.public_root import LOADER_ALIASES, listening_refused
from cackled.api.static_pages import StaticPages
from tests.api.common import ApiCase


class FrontTests(ApiCase):
    """Over sockets, without the demo."""

    async def test_addresses(self) -> None:
        """Everything public is there; nothing of the operators is."""
        for path in ("/healthz", "/widget.js", "/bootstrap?site=1&channel=k", "/api/v1/openapi.json"):
            self.assertEqual((await self.ask("GET", path)).status, 200, path)
        for path in ("/metrics", "/admin", "/admin/command", "/demo", "/widget", "/api", "/.git/config", "/..%2f"):
            self.assertEqual((await self.ask("GET", path)).status, 404, path)
        root = await self.ask("GET", "/")
        self.assertEqual((root.status, root.headers["location"]), (302, "/healthz"))

    async def test_leaves(self) -> None:
        """What answers at its own address answers at no other: a cache takes "/x/a.css" for a file."""
        for path in (
            "/bootstrap", "/healthz", "/readyz", "/widget.js", "/mc.widget.js", "/api/v1/openapi.json", "/rt/poll",
            "/rt/sse", "/rt/ws", "/api/v1/sites/1/comments",
        ):
            for more in (
                "/a.css", "/", "/%2e%2e/a.css", "//a.css", "/a.css;x", "/..%2fa.css", "%2fa.css", ";a.css", "/a/b.js",
            ):
                answer = await self.ask("GET", f"{path}{more}?site=1&channel=k&sub=1/5@0&wait=0")
                self.assertEqual(answer.status, 404, path + more)
        self.assertEqual((await self.ask("GET", "/bootstrap?site=1&channel=k")).status, 200)

    async def test_aliases(self) -> None:
        """StaticPages made years ago find the loader under its old names."""
        loader = await self.ask("GET", "/widget.js")
        for name in LOADER_ALIASES:
            answer = await self.ask("GET", f"/{name.decode()}")
            self.assertEqual((answer.status, answer.body), (200, loader.body))

    async def test_listening(self) -> None:
        """Live connections: pages of the site's origins and programs may, others not; unknown sites are 404."""
        for site, origin, status in (
            (1, "https://one.example", None), (1, None, None), (1, "https://two.example", 403), (1, "null", 403),
            (9, None, 404), (9, "https://one.example", 404),
        ):  # fmt: skip
            refused = listening_refused(self.application.sites, self.application.grants, site, 5, origin, ())
            self.assertEqual(None if refused is None else refused.status, status, (site, origin))
            headers = {} if origin is None else {"origin": origin}
            answer = await self.ask("GET", f"/rt/poll?sub={site}/5@0&wait=0", **headers)
            self.assertEqual(answer.status, status or 200, (site, origin, answer))


class ExemptTests(ApiCase):
    """Limits and addresses that are none."""

    async def test_no_address(self) -> None:
        """A caller on a unix socket has no address: it is limited as such, and nothing breaks."""
        limits = self.application.limits
        assert limits is not None
        for address in ("", "unix", "fe80::1%eth0", "127.0.0.1", "::ffff:127.0.0.1"):
            for _ in range(3):
                limits.take("reads", address, 1)


class PagesTests(SynchronousTestCase):
    """The demo's static files."""

    def setUp(self) -> None:
        from pathlib import Path

        folder = Path(self.mktemp())
        (folder / "sub").mkdir(parents=True)
        (folder / "index.html").write_text("index")
        (folder / "a.css").write_text("a {}")
        (folder / "secret.key").write_text("secret")
        (folder.parent / "outside.html").write_text("outside")
        self.folder = folder
        self.pages = StaticPages(folder)

    def get(self, *path: bytes, etag: bytes | None = None, pages: StaticPages | None = None) -> object:
        from types import SimpleNamespace

        request = SimpleNamespace(postpath=list(path), getHeader=lambda name: etag)
        return (pages or self.pages).render_GET(request)

    def test_files(self) -> None:
        """Known kinds of files by name, with or without .html; nothing else, and nothing outside."""
        for path, status, body in (
            ((), 200, b"index"), ((b"",), 200, b"index"), ((b"index",), 200, b"index"), ((b"a.css",), 200, b"a {}"),
            ((b"secret.key",), 404, None), ((b"..", b"outside"), 404, None), ((b"../outside",), 404, None),
            ((b"sub",), 404, None), ((b"\xff",), 404, None), ((b"a.css\x00",), 404, None),
            ((b"index.html", b""), 404, None), ((b"", b"a.css"), 404, None), ((b"index", b"a.css"), 404, None),
        ):  # fmt: skip
            answer = self.get(*path)
            self.assertEqual(answer.status, status, path)  # type: ignore[attr-defined]
            if body is not None:
                self.assertEqual(answer.body, body)  # type: ignore[attr-defined]
                for name in (b"content-security-policy", b"x-content-type-options", b"etag"):
                    self.assertIsNotNone(answer.header(name))  # type: ignore[attr-defined]

    def test_etag(self) -> None:
        """The same bytes are not sent twice; in development a change is seen at once."""
        etag = self.get().header(b"etag")  # type: ignore[attr-defined]
        self.assertEqual(self.get(etag=etag).status, 304)  # type: ignore[attr-defined]
        devel = StaticPages(self.folder, devel=True)
        (self.folder / "index.html").write_text("changed")
        self.assertEqual(self.get(etag=etag, pages=devel).body, b"changed")  # type: ignore[attr-defined]
        self.assertEqual(self.get().body, b"index")  # type: ignore[attr-defined]
