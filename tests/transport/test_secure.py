"""Tests of our own pages over https, and of ACME's files."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import execute
from twisted.web.resource import Resource

from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from cackled.transport.secure import AcmeChallenges, OwnNames, OwnPages, well_known
from tests.support.answers import Answer, answers, get
from tests.support.sockets import Peer
from tests.transport.test_tls import Site, TlsTestCase


class Page(Resource):
    """Answers for itself and everything below it."""

    isLeaf = True

    def render_GET(self, request: Any) -> Response:
        """A page."""
        return Response(200, [(b"Content-Type", b"text/html")], b"page")


class OwnPagesTests(TlsTestCase):
    """Redirect and HSTS."""

    def site(self, **more: Any) -> Site:
        async def widget(request: Any) -> Response:
            return Response(200, [], b"widget")

        tree = Resource()
        tree.putChild(b"leaf", Page())
        return Site(
            self,
            routes={
                b"own": OwnPages(Page(), 300), b"tree": OwnPages(tree, 300), b"plain": OwnPages(Page()),
                b"widget": AsyncResource(widget),
            },
            **more,
        )  # fmt: skip

    def ask(self, site: Site, target: str, *fields: str) -> Answer:
        peer: Peer = site.client() if site.endpoint.certificates is not None else site.plain()
        peer.send(get(target, *fields, host="a.example:8080"))
        return answers(peer.read(10))[0]

    def test_redirect(self) -> None:
        """On a listener that redirects our pages are elsewhere, with path and query; widgets are not."""
        site = self.site(redirect=True)
        for target in ("/own", "/own/x?y=1", "/tree/leaf", "/plain"):
            answer = self.ask(site, target)
            self.assertEqual((answer.status, answer.headers["location"]), (308, "https://a.example" + target))
            self.assertNotIn("strict-transport-security", answer.headers)
        self.assertEqual(self.ask(site, "/widget").status, 200)

    def test_no_redirect(self) -> None:
        """On another listener they are served."""
        answer = self.ask(self.site(), "/own")
        self.assertEqual((answer.status, answer.body), (200, b"page"))
        self.assertNotIn("strict-transport-security", answer.headers)

    def test_hsts(self) -> None:
        """Over TLS our pages say so, where it is configured; widgets never do."""
        site = self.site(folder=self.folder, redirect=True)
        for target in ("/own", "/own/x", "/tree/leaf"):
            answer = self.ask(site, target)
            self.assertEqual((answer.status, answer.headers["strict-transport-security"]), (200, "max-age=300"))
        for target in ("/widget", "/plain"):
            self.assertNotIn("strict-transport-security", self.ask(site, target).headers)

    def test_behind_a_proxy(self) -> None:
        """A browser that speaks https to a trusted proxy is not sent round in circles."""
        site = self.site(redirect=True, settings={"trusted_proxies": ("127.0.0.0/8",)})
        self.assertEqual(self.ask(site, "/own", "X-Forwarded-Proto: https").status, 200)
        self.assertEqual(self.ask(site, "/own", "X-Forwarded-Proto: http").status, 308)

    def test_behind_several_proxies(self) -> None:
        """Each adds how it was spoken to; what the browser spoke comes first, in one field or in several."""
        site = self.site(redirect=True, settings={"trusted_proxies": ("127.0.0.0/8",)})
        for fields, status in (
            (("https,http",), 200), (("https, http, http",), 200), (("HTTPS , http",), 200), (("https", "http"), 200),
            (("http,https",), 308), (("http", "https"), 308), (("wss",), 200), (("",), 308), ((",https",), 308),
            (("ftp",), 308),
        ):  # fmt: skip
            named = [f"X-Forwarded-Proto: {one}" for one in fields]
            self.assertEqual(self.ask(site, "/own", *named).status, status, fields)
        plain = self.site(redirect=True)
        self.assertEqual(self.ask(plain, "/own", "X-Forwarded-Proto: https,http").status, 308)

    def test_foreign_names(self) -> None:
        """Nobody is sent to a name that is not ours: configured, of a certificate or a node, or the address itself."""
        ours = OwnNames(["https://node.example:8443/x", "", "https://[bad"])
        site = Site(
            self, routes={b"own": OwnPages(Page(), 300, ours)}, redirect=True, settings={"hosts": ()},
        )  # fmt: skip
        tls = Site(self, self.folder, routes={})

        def ask(host: str) -> Answer:
            peer = site.plain()
            peer.send(get("/own?x=1", host=host))
            return answers(peer.read(10))[0]

        for host in ("evil.example", "a.example", "127.0.0.2", "localhost.evil.example", "evil.example:443"):
            answer = ask(host)
            self.assertEqual(answer.status, 421, host)
            self.assertNotIn("location", answer.headers)
        for host in ("node.example", "NODE.example:80", "127.0.0.1:8080", "localhost"):
            answer = ask(host)
            name = host.lower().partition(":")[0]
            self.assertEqual((answer.status, answer.headers["location"]), (308, f"https://{name}/own?x=1"))
        # A listener that has a certificate for it makes a name ours.
        site.server.factory.certificates.extend(tls.server.factory.certificates)
        self.assertEqual(len(tls.server.factory.certificates), 1)
        self.assertEqual(ask("a.example").status, 308)
        self.assertEqual(ask("evil.example").status, 421)


class AcmeTests(TlsTestCase):
    """http-01."""

    def test_linked_folder(self) -> None:
        """A link on the way is followed as little as one at the end; the folder itself may be one."""
        folder, outside, link = self.mktemp(), self.mktemp(), self.mktemp()
        for place in (os.path.join(folder, ".well-known"), outside):
            os.makedirs(place)
        with open(os.path.join(outside, "token"), "w") as file:
            file.write("secret")
        os.symlink(os.path.abspath(outside), os.path.join(folder, ".well-known", "acme-challenge"))
        self.assertIsNone(AcmeChallenges(folder, execute)._read("token"))
        os.symlink(os.path.abspath(outside), link)
        self.assertEqual(AcmeChallenges(link, execute)._read("token"), b"secret")

    def test_files(self) -> None:
        """Files of the folder by their names, and nothing else."""
        folder = self.mktemp()
        os.makedirs(os.path.join(folder, ".well-known", "acme-challenge"))
        for name in ("to-ken_1", "secret.pem", os.path.join(".well-known", "acme-challenge", "nested")):
            with open(os.path.join(folder, name), "w") as file:
                file.write(name + ".key")
        site = Site(self, routes={b".well-known": well_known(AcmeChallenges(folder, execute))}, redirect=True)

        def ask(name: str) -> Answer:
            peer = site.plain()
            peer.send(get("/.well-known/acme-challenge/" + name))
            return answers(peer.read(10))[0]

        self.assertEqual((ask("to-ken_1").status, ask("to-ken_1").body), (200, b"to-ken_1.key"))
        self.assertEqual(ask("nested").status, 200)
        # Links lead out of the folder, and a pipe keeps a thread.
        os.symlink("/etc/hostname", os.path.join(folder, "link"))
        os.symlink(os.path.abspath(os.path.join(folder, "to-ken_1")), os.path.join(folder, "inner"))
        os.mkfifo(os.path.join(folder, "pipe"))
        os.mkdir(os.path.join(folder, "directory"))
        for name in ("link", "inner", "pipe", "directory"):
            self.assertEqual(ask(name).status, 404, name)
        for name in ("", "no", "secret.pem", "..", "%2e%2e%2fa.pem", "../secret.pem", "a" * 200, "x%00", "to-ken_1/x"):
            self.assertEqual(ask(name).status, 404, name)
