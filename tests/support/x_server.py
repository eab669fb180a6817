"""X's API 2 and its OAuth 2.0 on a loopback port."""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Callable
from urllib.parse import unquote, urlencode

from cackled.sharing.texts import x_count
from tests.support.strict_server import Asked, Said, StrictServer, challenge_of

SCOPE = "tweet.read tweet.write users.read offline.access"


class LocalX(StrictServer):
    """One client, ``site-client``, with ``secret`` (``""``: it is public). Refresh tokens are good once."""

    browser = ("/i/oauth2/authorize",)

    def __init__(self, redirect: str = "") -> None:
        self.redirect = redirect
        self.secret = "the:secret&%"
        self.codes: dict[str, dict[str, str]] = {}
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.tweets: dict[str, str] = {}
        self.refreshed = 0
        super().__init__()

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        return {
            ("GET", "/i/oauth2/authorize"): self.authorize, ("POST", "/2/oauth2/token"): self.token,
            ("POST", "/2/oauth2/revoke"): self.revoke, ("GET", "/2/users/me"): self.me,
            ("POST", "/2/tweets"): self.post,
        }  # fmt: skip

    def authorize(self, asked: Asked) -> Said:
        given = self.form(asked, "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
                          "code_challenge_method")  # fmt: skip
        # X takes no plus for a space there.
        good = given is not None and self.check("+" not in asked.query and given["scope"] == SCOPE, "scope") and (
            self.check(given["client_id"] == "site-client" and given["redirect_uri"] == self.redirect, "client"))
        if not good or given is None or given["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_request"}, ""
        code = secrets.token_urlsafe(24)
        self.codes[code] = given
        return 302, {}, f"{self.redirect}?{urlencode({'state': given['state'], 'code': code})}"

    def client(self, asked: Asked, *names: str) -> dict[str, str] | None:
        """The form of the client, who shows that it is."""
        sent = asked.headers.get("authorization", "")
        if not self.secret:
            given = self.form(asked, *names, "client_id")
            good = given is not None and given["client_id"] == "site-client" and not sent
        else:
            given = self.form(asked, *names)
            scheme, _, pair = sent.partition(" ")
            name, _, secret = b64decode(pair).decode().partition(":")
            good = scheme == "Basic" and (unquote(name), unquote(secret)) == ("site-client", self.secret)
        return given if self.check(good, f"{asked.path}: client") else None

    def token(self, asked: Asked) -> Said:
        if dict(asked.pairs()).get("grant_type") == "refresh_token":
            given = self.client(asked, "grant_type", "refresh_token")
            if given is None or given["refresh_token"] not in self.refresh:
                return 400, {"error": "invalid_request"}, ""
            self.refresh.discard(given["refresh_token"])
            self.refreshed += 1
            return self.given()
        given = self.client(asked, "grant_type", "code", "redirect_uri", "code_verifier")
        asked_for = self.codes.pop(given["code"], None) if given is not None else None
        if given is None or asked_for is None or not (
            self.check(challenge_of(given["code_verifier"]) == asked_for["code_challenge"], "verifier")
            and self.check(given["redirect_uri"] == self.redirect, "redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}, ""
        return self.given()

    def given(self) -> Said:
        """New tokens."""
        access, refresh = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
        self.access.add(access)
        self.refresh.add(refresh)
        said = {"token_type": "bearer", "expires_in": 7200, "access_token": access, "refresh_token": refresh,
                "scope": SCOPE}  # fmt: skip
        return 200, said, ""

    def revoke(self, asked: Asked) -> Said:
        given = self.client(asked, "token")
        if given is None or not self.check(given["token"] in self.refresh, "revoke"):
            return 400, {"error": "invalid_request"}, ""
        self.refresh.discard(given["token"])
        self.access.clear()
        return 200, {"revoked": True}, ""

    def known(self, asked: Asked) -> bool:
        """A token that holds."""
        self.check(asked.headers.get("authorization", "").startswith("Bearer "), "scheme")
        return asked.bearer in self.access

    def me(self, asked: Asked) -> Said:
        if not self.known(asked):
            return 401, {"title": "Unauthorized"}, ""
        return 200, {"data": {"id": "77", "name": "Ann", "username": "ann_x"}}, ""

    def post(self, asked: Asked) -> Said:
        self.posts += 1
        if self.answers:
            return self.answers.pop(0), {"title": "told so"}, ""
        if not self.known(asked):
            return 401, {"title": "Unauthorized", "status": 401}, ""
        self.check(asked.headers.get("content-type") == "application/json", "content-type")
        body = asked.json()
        if not self.check(set(body) == {"text"} and 0 < x_count(body["text"]) <= 280, "text"):
            return 400, {"title": "Invalid Request"}, ""
        if body["text"] in self.tweets.values():
            detail = "You are not allowed to create a Tweet with duplicate content."
            return 403, {"detail": detail, "title": "Forbidden", "status": 403}, ""
        number = str(1_700_000_000_000_000_000 + len(self.tweets))
        self.tweets[number] = body["text"]
        return self.post_said((201, {"data": {"id": number, "text": body["text"]}}, ""))
