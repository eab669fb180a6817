"""A site's own server that webhooks are sent to."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any


class Receiver(HTTPServer):
    """Keeps what is posted to it. *answers* are what it says to the first of all, one after the other; later 204."""

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), Keeper)
        self.answers = list(answers or (500,))
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self.thread.join()


class Keeper(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Keep it."""
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) if self.headers["Content-Length"] else b""
        server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(server.answers.pop(0) if server.answers else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""
