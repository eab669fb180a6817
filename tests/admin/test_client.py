"""The command line's client of the admin listener, where things are not as they should be. Its good days: test_cli."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from cackled.admin import client
from cackled.admin.client import AdminError, send
from cackled.admin.secrets import TOKEN, admin_token
from cackled.config import Admin, Config


class ClientTests(TestCase):
    async def config(self, resource: Resource, host: str = "127.0.0.1") -> Config:
        from twisted.internet import reactor

        real: Any = reactor
        port = real.listenTCP(0, Site(resource), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        state = self.mktemp()
        admin_token(Path(state))
        return Config(state=state, admin=Admin(endpoint=f"tcp:{port.getHost().port}:interface={host}"))

    async def refusal(self, config: Config) -> str:
        with self.assertRaises(AdminError) as caught:
            await deferToThread(send, config, "status", timeout=10)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    async def test_another_server(self) -> None:
        """What listens there and is not the daemon is told apart."""
        for body, kind in ((b"<html>", "text/html"), (b"[]", "application/json"), (b"\xff", "text/plain")):
            leaf = Data(body, kind)
            leaf.isLeaf = True
            leaf.render_POST = leaf.render_GET  # type: ignore[attr-defined]
            self.assertIn("not as the daemon does", await self.refusal(await self.config(leaf)))

    async def test_error_without_words(self) -> None:
        """An error that is no problem document gives its status at least."""

        class Broken(Resource):
            isLeaf = True

            def render_POST(self, request: Any) -> bytes:
                request.setResponseCode(500)
                return b"{}"

        self.assertEqual(await self.refusal(await self.config(Broken())), "500")

    async def test_hung(self) -> None:
        """A daemon that takes the connection and says nothing is given up within seconds, long before a command."""
        self.patch(client, "HANGS", 0.3)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        state = self.mktemp()
        admin_token(Path(state))
        config = Config(state=state, admin=Admin(endpoint=f"tcp:{listener.getsockname()[1]}:interface=127.0.0.1"))
        self.assertIn("has not answered for 0.3 s", await self.refusal(config))

    async def test_unspecified_address(self) -> None:
        """A listener on every address is reached by loopback."""

        class Echo(Resource):
            isLeaf = True

            def render_POST(self, request: Any) -> bytes:
                return b'{"data": 1, "text": "1"}'

        config = await self.config(Echo(), "0.0.0.0")
        self.assertEqual((await deferToThread(send, config, "status", timeout=10))["text"], "1")

    async def test_token_open_to_others(self) -> None:
        """A token that others may read is not sent."""
        config = await self.config(Resource())
        (Path(config.state) / TOKEN).chmod(0o644)
        self.assertIn("chmod 600", await self.refusal(config))
