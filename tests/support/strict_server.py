"""A server on a loopback port that checks every request strictly, and keeps what was wrong in ``wrong``."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

# Status, JSON, and where to where it redirects; status 0: the connection is closed instead of an answer.
Said = tuple[int, Any, str]


class Asked:
    """One request."""

    def __init__(self, handler: Any, body: bytes) -> None:
        parts = urlsplit(handler.path)
        self.method, self.path, self.query = handler.command, parts.path, parts.query
        self.headers: dict[str, str] = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body

    def pairs(self) -> list[tuple[str, str]]:
        """The fields of the query, or of the form."""
        sent = self.query if self.method == "GET" else self.body.decode()
        return parse_qsl(sent, keep_blank_values=True, strict_parsing=bool(sent))

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        """The token, by whatever scheme."""
        return self.headers.get("authorization", "").partition(" ")[2]


class StrictServer:
    """*routes* by method and path. ``browser``: paths that a browser asks for. ``answers``: statuses that posts get
    instead; ``lost``: posts that are taken, and not answered."""

    browser: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.answers: list[int] = []
        self.lost = 0
        self.posts = 0
        self.headers: list[tuple[str, str]] = []
        strict = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                strict.answer(self, b"")

            def do_POST(self) -> None:
                strict.answer(self, self.rfile.read(int(self.headers.get("content-length", 0))))

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self.server.shutdown()
        self.server.server_close()

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        """What is answered."""
        raise NotImplementedError

    def answer(self, handler: Any, body: bytes) -> None:
        """Answer one request."""
        asked = Asked(handler, body)
        if asked.path not in self.browser:
            self.check(asked.headers.get("user-agent", "").startswith("cackled/"), f"{asked.path}: user-agent")
            self.check(asked.headers.get("accept") == "application/json", f"{asked.path}: accept")
        if asked.method == "POST":
            self.check(not asked.query, f"{asked.path}: a query in a POST")
        route = self.routes().get((asked.method, asked.path))
        self.headers = []
        status, said, location = (404, {"error": "nothing here"}, "") if route is None else route(asked)
        self.check(route is not None, f"{asked.method} {asked.path}")
        if status == 0:
            handler.connection.close()
            return
        text = json.dumps(said).encode()
        handler.send_response(status)
        for name, value in self.headers:
            handler.send_header(name, value)
        if location:
            handler.send_header("location", location)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(text)))
        # Who asked may have given up.
        with suppress(ConnectionError):
            handler.end_headers()
            handler.wfile.write(text)

    def check(self, holds: Any, what: str) -> bool:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(what)
        return bool(holds)

    def form(self, asked: Asked, *names: str) -> dict[str, str] | None:
        """Exactly these fields, once each; else None."""
        pairs = asked.pairs()
        if asked.method == "POST":
            kind = asked.headers.get("content-type")
            self.check(kind == "application/x-www-form-urlencoded", f"{asked.path}: content-type {kind}")
        good = self.check(sorted(name for name, _ in pairs) == sorted(names), f"{asked.path}: {sorted(dict(pairs))}")
        return dict(pairs) if good else None

    def post_said(self, done: Said) -> Said:
        """What a post is answered that was taken."""
        if self.lost:
            self.lost -= 1
            return 0, None, ""
        return done


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
