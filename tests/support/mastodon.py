"""A Mastodon instance on a loopback port that checks every request strictly, and says what was wrong with it."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from cackled.sharing.texts import mastodon_count

SCOPE = "write:statuses"


class LocalMastodon:
    """Whoever comes to authorise is ``ann`` at once. ``wrong`` says what requests had that they must not have.

    ``statuses`` by their Idempotency-Key; ``answers`` are statuses that the next posts get instead; ``lost``: a post is
    taken, and the connection closed before the answer.
    """

    def __init__(self) -> None:
        self.apps: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.revoked: list[str] = []
        self.statuses: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.answers: list[int] = []
        self.lost = 0
        self.deny = False
        self.wrong: list[str] = []
        instance = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                instance.answer(self, "")

            def do_POST(self) -> None:
                instance.answer(self, self.rfile.read(int(self.headers.get("content-length", 0))).decode())

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

    def answer(self, handler: Any, body: str) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        sent = parts.query if handler.command == "GET" else body
        pairs = parse_qsl(sent, keep_blank_values=True, strict_parsing=bool(sent))
        given = dict(pairs)
        if len(given) != len(pairs):
            self.wrong.append(f"{parts.path}: a field twice")
        if handler.command == "POST":
            self.check(handler.headers.get("content-type") == "application/x-www-form-urlencoded", "content-type")
            self.check(not parts.query, "a query in a POST")
            self.check(handler.headers.get("accept") == "application/json", "accept")
        self.check((handler.headers.get("user-agent") or "").startswith("cackled/"), "user-agent")
        routes: dict[tuple[str, str], Any] = {
            ("POST", "/api/v1/apps"): self._app, ("GET", "/oauth/authorize"): self._authorize,
            ("POST", "/oauth/token"): self._token, ("POST", "/oauth/revoke"): self._revoke,
            ("POST", "/api/v1/statuses"): self._status,
        }  # fmt: skip
        route = routes.get((handler.command, parts.path))
        if route is None:
            self.wrong.append(f"{handler.command} {parts.path}")
            status, said, location = 404, {"error": "Not Found"}, ""
        else:
            status, said, location = route(handler, given)
        if status == 0:
            handler.connection.close()
            return
        text = json.dumps(said).encode()
        handler.send_response(status)
        if location:
            handler.send_header("location", location)
        handler.send_header("content-type", "application/json; charset=utf-8")
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def check(self, holds: Any, what: str) -> bool:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(what)
        return bool(holds)

    def fields(self, given: dict[str, str], *names: str) -> bool:
        """Exactly these fields."""
        return self.check(set(given) == set(names), f"fields {sorted(given)}")

    def _app(self, handler: Any, given: dict[str, str]) -> tuple[int, Any, str]:
        good = self.fields(given, "client_name", "redirect_uris", "scopes")
        if not (good and self.check(given["scopes"] == SCOPE, "scopes") and given["client_name"]):
            return 422, {"error": "Validation failed"}, ""
        number, secret = f"app{len(self.apps)}", secrets.token_urlsafe(16)
        self.apps[number] = {"secret": secret, "redirect": given["redirect_uris"]}
        return 200, {"client_id": number, "client_secret": secret, "redirect_uri": given["redirect_uris"]}, ""

    def _authorize(self, handler: Any, given: dict[str, str]) -> tuple[int, Any, str]:
        names = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
                 "code_challenge_method")  # fmt: skip
        # A browser asks here.
        self.wrong = [one for one in self.wrong if one != "user-agent"]
        app = self.apps.get(given.get("client_id", ""))
        if not self.fields(given, *names) or not self.check(app, "client_id"):
            return 400, {"error": "invalid_request"}, ""
        assert app is not None
        good = (
            self.check(given["redirect_uri"] == app["redirect"], "redirect_uri")
            and self.check(given["scope"] == SCOPE, "scope")
            and self.check(given["response_type"] == "code" and given["code_challenge_method"] == "S256", "method")
            and self.check(len(given["code_challenge"]) == 43 and len(given["state"]) >= 40, "challenge or state")
        )
        if not good:
            return 400, {"error": "invalid_request"}, ""
        back = {"state": given["state"]}
        if self.deny:
            back["error"] = "access_denied"
        else:
            back["code"] = code = secrets.token_urlsafe(24)
            self.codes[code] = given
        return 302, {}, f"{given['redirect_uri']}?{urlencode(back)}"

    def _client(self, given: dict[str, str]) -> bool:
        app = self.apps.get(given.get("client_id", ""))
        return self.check(app and given.get("client_secret") == app["secret"], "client secret")

    def _token(self, handler: Any, given: dict[str, str]) -> tuple[int, Any, str]:
        names = ("grant_type", "code", "client_id", "client_secret", "redirect_uri", "code_verifier", "scope")
        self.check("authorization" not in handler.headers, "two kinds of client authentication")
        if not self.fields(given, *names) or not self._client(given):
            return 401, {"error": "invalid_client"}, ""
        asked = self.codes.pop(given["code"], None)
        digest = urlsafe_b64encode(sha256(given["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        good = asked is not None and (
            self.check(asked["client_id"] == given["client_id"], "a code of another client")
            and self.check(asked["redirect_uri"] == given["redirect_uri"], "redirect_uri of the code")
            and self.check(asked["code_challenge"] == digest, "verifier")
            and self.check(given["scope"] == SCOPE and given["grant_type"] == "authorization_code", "scope of the code")
        )
        if not good:
            return 400, {"error": "invalid_grant"}, ""
        token = secrets.token_urlsafe(32)
        self.tokens[token] = given["client_id"]
        return 200, {"access_token": token, "token_type": "Bearer", "scope": SCOPE, "created_at": 1}, ""

    def _revoke(self, handler: Any, given: dict[str, str]) -> tuple[int, Any, str]:
        good = self.fields(given, "client_id", "client_secret", "token") and self._client(given)
        if not good or self.tokens.get(given["token"]) != given["client_id"]:
            return 403, {"error": "unauthorized_client"}, ""
        self.revoked.append(given["token"])
        del self.tokens[given["token"]]
        return 200, {}, ""

    def _status(self, handler: Any, given: dict[str, str]) -> tuple[int, Any, str]:
        scheme, _, token = (handler.headers.get("authorization") or "").partition(" ")
        key = handler.headers.get("idempotency-key") or ""
        self.posts += 1
        if self.answers:
            return self.answers.pop(0), {"error": "told so"}, ""
        self.check(scheme == "Bearer", "authorization scheme")
        if token not in self.tokens:
            return 401, {"error": "The access token is invalid"}, ""
        self.check(0 < len(key) <= 100 and key.isascii(), "idempotency-key")
        good = self.fields(given, "status", "visibility") and self.check(given["visibility"] == "public", "visibility")
        if not good or not 0 < mastodon_count(given["status"]) <= 500:
            self.wrong.append("a status of a wrong length")
            return 422, {"error": "Validation failed: Text is too long"}, ""
        if key not in self.statuses:
            number = str(1000 + len(self.statuses))
            self.statuses[key] = {
                "id": number, "url": f"{self.url}/@ann/{number}", "content": given["status"],
                "account": {"id": "1", "acct": "ann", "username": "ann"},
            }  # fmt: skip
        elif self.statuses[key]["content"] != given["status"]:
            self.wrong.append("another text with the same key")
        if self.lost:
            self.lost -= 1
            return 0, None, ""
        return 200, self.statuses[key], ""
