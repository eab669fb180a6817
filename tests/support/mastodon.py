"""A Mastodon instance on a loopback port that checks every request strictly, and says what was wrong with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from cackled.sharing.texts import mastodon_count
from tests.support.strict_server import Asked, Said, StrictServer, challenge_of

SCOPE = "write:statuses"


class LocalMastodon(StrictServer):
    """Whoever comes to authorise is ``ann`` at once; ``deny``: they say no. ``statuses`` by their Idempotency-Key."""

    browser = ("/oauth/authorize",)

    def __init__(self) -> None:
        self.apps: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.revoked: list[str] = []
        self.statuses: dict[str, dict[str, Any]] = {}
        self.deny = False
        super().__init__()

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        return {
            ("POST", "/api/v1/apps"): self.app, ("GET", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/token"): self.token, ("POST", "/oauth/revoke"): self.revoke,
            ("POST", "/api/v1/statuses"): self.status,
        }  # fmt: skip

    def app(self, asked: Asked) -> Said:
        given = self.form(asked, "client_name", "redirect_uris", "scopes")
        if given is None or not self.check(given["scopes"] == SCOPE, "scopes") or not given["client_name"]:
            return 422, {"error": "Validation failed"}, ""
        number, secret = f"app{len(self.apps)}", secrets.token_urlsafe(16)
        self.apps[number] = {"secret": secret, "redirect": given["redirect_uris"]}
        return 200, {"client_id": number, "client_secret": secret, "redirect_uri": given["redirect_uris"]}, ""

    def authorize(self, asked: Asked) -> Said:
        given = self.form(asked, "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
                          "code_challenge_method")  # fmt: skip
        app = None if given is None else self.apps.get(given["client_id"])
        if given is None or not self.check(app, "client_id"):
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

    def client(self, given: dict[str, str]) -> bool:
        """Whether it is the app that it says it is."""
        app = self.apps.get(given["client_id"])
        return self.check(app and given["client_secret"] == app["secret"], "client secret")

    def token(self, asked: Asked) -> Said:
        given = self.form(asked, "grant_type", "code", "client_id", "client_secret", "redirect_uri", "code_verifier",
                          "scope")  # fmt: skip
        self.check("authorization" not in asked.headers, "two kinds of client authentication")
        if given is None or not self.client(given):
            return 401, {"error": "invalid_client"}, ""
        code = self.codes.pop(given["code"], None)
        good = code is not None and (
            self.check(code["client_id"] == given["client_id"], "a code of another client")
            and self.check(code["redirect_uri"] == given["redirect_uri"], "redirect_uri of the code")
            and self.check(code["code_challenge"] == challenge_of(given["code_verifier"]), "verifier")
            and self.check(given["scope"] == SCOPE and given["grant_type"] == "authorization_code", "scope of the code")
        )
        if not good:
            return 400, {"error": "invalid_grant"}, ""
        token = secrets.token_urlsafe(32)
        self.tokens[token] = given["client_id"]
        return 200, {"access_token": token, "token_type": "Bearer", "scope": SCOPE, "created_at": 1}, ""

    def revoke(self, asked: Asked) -> Said:
        given = self.form(asked, "client_id", "client_secret", "token")
        if given is None or not self.client(given) or self.tokens.get(given["token"]) != given["client_id"]:
            return 403, {"error": "unauthorized_client"}, ""
        self.revoked.append(given["token"])
        del self.tokens[given["token"]]
        return 200, {}, ""

    def status(self, asked: Asked) -> Said:
        self.posts += 1
        if self.answers:
            return self.answers.pop(0), {"error": "told so"}, ""
        self.check(asked.headers.get("authorization", "").startswith("Bearer "), "authorization scheme")
        if asked.bearer not in self.tokens:
            return 401, {"error": "The access token is invalid"}, ""
        key = asked.headers.get("idempotency-key", "")
        self.check(0 < len(key) <= 100 and key.isascii(), "idempotency-key")
        given = self.form(asked, "status", "visibility")
        good = given is not None and self.check(given["visibility"] == "public", "visibility")
        if given is None or not good or not self.check(0 < mastodon_count(given["status"]) <= 500, "a status's length"):
            return 422, {"error": "Validation failed: Text is too long"}, ""
        if key not in self.statuses:
            number = str(1000 + len(self.statuses))
            self.statuses[key] = {
                "id": number, "url": f"{self.url}/@ann/{number}", "content": given["status"],
                "account": {"id": "1", "acct": "ann", "username": "ann"},
            }  # fmt: skip
        self.check(self.statuses[key]["content"] == given["status"], "another text with the same key")
        return self.post_said((200, self.statuses[key], ""))
