"""VK ID and the method wall.post on a loopback port."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from tests.support.strict_server import Asked, Said, StrictServer, challenge_of


class LocalVk(StrictServer):
    """One app, 4711. ``errors``: codes that the next posts are refused with."""

    browser = ("/authorize",)

    def __init__(self, redirect: str = "") -> None:
        self.redirect = redirect
        # What addresses of comments begin with.
        self.link = "https://one.example/"
        self.codes: dict[str, dict[str, str]] = {}
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.wall: dict[str, dict[str, str]] = {}
        self.errors: list[int] = []
        super().__init__()

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        return {
            ("GET", "/authorize"): self.authorize, ("POST", "/oauth2/auth"): self.token,
            ("POST", "/oauth2/revoke"): self.revoke, ("POST", "/method/wall.post"): self.post,
        }

    def authorize(self, asked: Asked) -> Said:
        given = self.form(asked, "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
                          "code_challenge_method")  # fmt: skip
        good = given is not None and self.check(
            (given["client_id"], given["redirect_uri"], given["scope"]) == ("4711", self.redirect, "wall"), "client")
        if not good or given is None:
            return 400, {"error": "invalid_request"}, ""
        code = secrets.token_urlsafe(24)
        self.codes[code] = given
        back = {"state": given["state"], "code": code, "device_id": "dev-1", "type": "code_v2"}
        return 302, {}, f"{self.redirect}?{urlencode(back)}"

    def token(self, asked: Asked) -> Said:
        if dict(asked.pairs()).get("grant_type") == "refresh_token":
            given = self.form(asked, "grant_type", "refresh_token", "device_id", "client_id", "state")
            if given is None or not self.check(
                (given["device_id"], given["client_id"]) == ("dev-1", "4711"), "device"
            ):
                return 400, {"error": "invalid_request"}, ""
            if given["refresh_token"] not in self.refresh:
                return 400, {"error": "invalid_grant"}, ""
            self.refresh.discard(given["refresh_token"])
            return self.given(given["state"])
        given = self.form(asked, "grant_type", "code", "code_verifier", "client_id", "device_id", "redirect_uri",
                          "state")  # fmt: skip
        known = self.codes.pop(given["code"], None) if given is not None else None
        if given is None or known is None or not self.check(
            challenge_of(given["code_verifier"]) == known["code_challenge"] and given["device_id"] == "dev-1"
            and given["state"] == known["state"] and given["redirect_uri"] == self.redirect, "code",
        ):  # fmt: skip
            return 400, {"error": "invalid_grant"}, ""
        return self.given(given["state"])

    def given(self, state: str) -> Said:
        """New tokens."""
        access, refresh = "vk2.a." + secrets.token_urlsafe(30), secrets.token_urlsafe(30)
        self.access.add(access)
        self.refresh.add(refresh)
        said = {"access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "Bearer",
                "user_id": 555, "state": state, "scope": "wall"}  # fmt: skip
        return 200, said, ""

    def revoke(self, asked: Asked) -> Said:
        given = self.form(asked, "client_id", "access_token")
        if given is None or not self.check(given["access_token"] in self.access, "revoke"):
            return 400, {"error": "invalid_request"}, ""
        self.access.discard(given["access_token"])
        return 200, {"response": 1}, ""

    def post(self, asked: Asked) -> Said:
        self.posts += 1
        given = self.form(asked, "message", "attachments", "guid", "access_token", "v")
        if self.answers:
            return self.answers.pop(0), {}, ""
        if given is None:
            return 200, {"error": {"error_code": 100, "error_msg": "One of the parameters is wrong"}}, ""
        if given["access_token"] not in self.access:
            return 200, {"error": {"error_code": 5, "error_msg": "User authorization failed"}}, ""
        if self.errors:
            return 200, {"error": {"error_code": self.errors.pop(0), "error_msg": "told so"}}, ""
        self.check(given["v"] == "5.199" and given["attachments"].startswith(self.link), "attachments")
        self.check(given["message"].endswith(given["attachments"]) and len(given["message"]) <= 15_000, "message")
        there = self.wall.setdefault(given["guid"], given)
        self.check(there["message"] == given["message"], "another text with the same guid")
        number = list(self.wall).index(given["guid"]) + 1
        return self.post_said((200, {"response": {"post_id": number}}, ""))
