"""A server of Bluesky's network on a loopback port: posts (PDS), tokens (authorization server), directory of DIDs.

It checks each proof, reads the client's document from the client, and gives nothing to whoever differs from it.
"""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from cackled.sharing.texts import clusters
from tests.support.strict_server import Asked, Said, StrictServer, challenge_of

DID = "did:plc:abcdefghijklmnopqrstuvwx"
HANDLE = "ann.test"
SCOPE = "atproto repo:app.bsky.feed.post?action=create"
ASSERTION = ("client_id", "client_assertion_type", "client_assertion")


class LocalBluesky(StrictServer):
    """The account `DID`. ``other``: tokens are somebody else's; ``issuer``: who it says that it is."""

    browser = ("/oauth/authorize",)

    def __init__(self) -> None:
        super().__init__()
        self.issuer = self.url
        self.nonce = secrets.token_urlsafe(8)
        self.seen: set[str] = set()
        self.pushed: dict[str, tuple[dict[str, str], str]] = {}
        self.codes: dict[str, tuple[dict[str, str], str]] = {}
        # Token: name of the key that it is bound to.
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.subject = DID
        self.handle = HANDLE
        self.revoked = 0
        # The page that posts link to, without its scheme, and what its address begins with.
        self.page, self.link = "one.example/", "https://one.example/x#mc-"

    def routes(self) -> dict[tuple[str, str], Callable[[Asked], Said]]:
        return {
            ("GET", f"/{DID}"): self.did,
            ("GET", "/.well-known/oauth-protected-resource"): lambda asked: (
                200, {"resource": self.url, "authorization_servers": [self.url]}, ""),
            ("GET", "/.well-known/oauth-authorization-server"): self.metadata,
            ("POST", "/oauth/par"): self.push, ("GET", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/token"): self.token, ("POST", "/oauth/revoke"): self.revoke,
            ("POST", "/xrpc/com.atproto.repo.createRecord"): self.create,
            ("GET", "/xrpc/com.atproto.repo.getRecord"): self.record,
        }  # fmt: skip

    def did(self, asked: Asked) -> Said:
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.url}
        return 200, {"id": DID, "alsoKnownAs": [f"at://{self.handle}"], "service": [service]}, ""

    def metadata(self, asked: Asked) -> Said:
        return 200, {
            "issuer": self.issuer, "authorization_endpoint": f"{self.url}/oauth/authorize",
            "pushed_authorization_request_endpoint": f"{self.url}/oauth/par",
            "token_endpoint": f"{self.url}/oauth/token",
            "revocation_endpoint": f"{self.url}/oauth/revoke", "require_pushed_authorization_requests": True,
        }, ""  # fmt: skip

    def proven(self, asked: Asked, token: str = "") -> str | Said:
        """The name of the key that the request is proven with; else what is answered."""
        sent = asked.headers.get("dpop", "")
        head = jwt.get_unverified_header(sent)
        jwk = head.get("jwk", {})
        self.check(head.get("typ") == "dpop+jwt" and head.get("alg") == "ES256", "head of the proof")
        self.check(set(jwk) == {"kty", "crv", "x", "y"}, "key of the proof")
        claims = jwt.decode(sent, jwt.PyJWK({**jwk, "alg": "ES256"}).key, ["ES256"], options={"verify_iat": False})
        self.check(claims["htm"] == asked.method and claims["htu"] == f"{self.url}{asked.path}", "htm or htu")
        self.check(abs(time.time() - claims["iat"]) < 300, "iat")
        self.check(claims["jti"] not in self.seen and len(claims["jti"]) > 10, "jti")
        self.seen.add(claims["jti"])
        ath = urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode() if token else None
        self.check(claims.get("ath") == ath, "ath")
        self.headers.append(("dpop-nonce", self.nonce))
        if claims.get("nonce") != self.nonce:
            if token:
                self.headers.append(("www-authenticate", 'DPoP error="use_dpop_nonce"'))
            return (401 if token else 400), {"error": "use_dpop_nonce"}, ""
        members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        return urlsafe_b64encode(sha256(members.encode()).digest()).rstrip(b"=").decode()

    def client(self, given: dict[str, str]) -> dict[str, Any] | None:
        """The document of the client, where it shows that it is it."""
        parts = urlsplit(given["client_id"])
        there = HTTPConnection(parts.netloc, timeout=30)
        there.request("GET", parts.path)
        answer = there.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        there.close()
        kind = answer.getheader("content-type")
        good = self.check(answer.status == 200 and kind == "application/json", "document") and self.check(
            found["client_id"] == given["client_id"] and found["dpop_bound_access_tokens"] is True
            and found["token_endpoint_auth_method"] == "private_key_jwt" and found["application_type"] == "web"
            and found["token_endpoint_auth_signing_alg"] == "ES256" and "none" not in str(found["jwks"])
            and set(found["grant_types"]) == {"authorization_code", "refresh_token"} and found["scope"] == SCOPE
            and found["response_types"] == ["code"] and "d" not in found["jwks"]["keys"][0], "what the document says")
        kid = jwt.get_unverified_header(given["client_assertion"])["kid"]
        jwk = next(one for one in found["jwks"]["keys"] if one["kid"] == kid)
        said = jwt.decode(given["client_assertion"], jwt.PyJWK(jwk).key, ["ES256"], audience=self.url,
                          options={"require": ["iss", "sub", "aud", "jti", "iat", "exp"]})  # fmt: skip
        good = good and self.check(said["iss"] == said["sub"] == given["client_id"], "assertion")
        good = good and self.check(said["jti"] not in self.seen and said["exp"] - said["iat"] <= 60, "jti or exp")
        self.seen.add(said["jti"])
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return found if self.check(good and given["client_assertion_type"] == kind, "client") else None

    def push(self, asked: Asked) -> Said:
        names = ["response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"]
        names += ["login_hint"] if b"login_hint" in asked.body else []
        given, key = self.form(asked, *names, *ASSERTION), self.proven(asked)
        if not isinstance(key, str):
            return key
        found = self.client(given) if given is not None else None
        if given is None or found is None or not self.check(
            given["redirect_uri"] in found["redirect_uris"] and given["scope"] == SCOPE
            and given["code_challenge_method"] == "S256" and given.get("login_hint", self.handle) == self.handle,
            "push",
        ):  # fmt: skip
            return 400, {"error": "invalid_request"}, ""
        name = f"urn:ietf:params:oauth:request_uri:req-{secrets.token_urlsafe(12)}"
        self.pushed[name] = (given, key)
        return 201, {"request_uri": name, "expires_in": 299}, ""

    def authorize(self, asked: Asked) -> Said:
        given = self.form(asked, "client_id", "request_uri")
        pushed = self.pushed.pop(given["request_uri"], None) if given is not None else None
        if given is None or pushed is None or not self.check(given["client_id"] == pushed[0]["client_id"], "client"):
            return 400, {"error": "invalid_request"}, ""
        code = secrets.token_urlsafe(24)
        self.codes[code] = pushed
        # As bsky.social has it: the window has no opener any more.
        self.headers.append(("cross-origin-opener-policy", "same-origin"))
        back = {"iss": self.url, "state": pushed[0]["state"], "code": code}
        return 302, {}, f"{pushed[0]['redirect_uri']}?{urlencode(back)}"

    def token(self, asked: Asked) -> Said:
        again = dict(asked.pairs()).get("grant_type") == "refresh_token"
        names = ("grant_type", "refresh_token") if again else ("grant_type", "code", "redirect_uri", "code_verifier")
        given, key = self.form(asked, *names, *ASSERTION), self.proven(asked)
        if not isinstance(key, str):
            return key
        if given is None or self.client(given) is None:
            return 401, {"error": "invalid_client"}, ""
        if again:
            if self.refresh.pop(given["refresh_token"], None) != key:
                return 400, {"error": "invalid_grant"}, ""
            return self.given(key)
        asked_for, bound = self.codes.pop(given["code"], ({}, ""))
        if not self.check(bound == key, "the key of the code") or not (
            self.check(challenge_of(given["code_verifier"]) == asked_for["code_challenge"], "verifier")
            and self.check(given["redirect_uri"] == asked_for["redirect_uri"], "redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}, ""
        return self.given(key)

    def given(self, key: str) -> Said:
        """New tokens."""
        access, refresh = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
        self.access[access], self.refresh[refresh] = key, key
        said = {"access_token": access, "token_type": "DPoP", "refresh_token": refresh, "expires_in": 1800,
                "scope": SCOPE, "sub": self.subject}  # fmt: skip
        return 200, said, ""

    def revoke(self, asked: Asked) -> Said:
        given, key = self.form(asked, "token", *ASSERTION), self.proven(asked)
        if not isinstance(key, str):
            return key
        known = given is not None and self.client(given) is not None
        if known and given is not None and self.check(given["token"] in self.refresh, "revoke"):
            self.revoked += 1
            self.refresh.clear()
            self.access.clear()
        return 200, {}, ""

    def create(self, asked: Asked) -> Said:
        self.posts += 1
        if self.answers:
            return self.answers.pop(0), {"error": "ToldSo"}, ""
        self.check(asked.headers.get("authorization", "").startswith("DPoP "), "scheme")
        key = self.proven(asked, asked.bearer)
        if not isinstance(key, str):
            return key
        if self.access.get(asked.bearer) != key:
            self.headers.append(("www-authenticate", 'DPoP error="invalid_token"'))
            return 401, {"error": "invalid_token"}, ""
        self.check(asked.headers.get("content-type") == "application/json", "content-type")
        body = asked.json()
        record = body["record"]
        text = record["text"].encode()
        facet = record["facets"][0]
        part = facet["index"]
        self.check(set(body) == {"repo", "collection", "rkey", "record"} and body["repo"] == DID, "body")
        self.check(set(record) == {"$type", "text", "createdAt", "facets"}, "record")
        self.check(body["collection"] == record["$type"] == "app.bsky.feed.post", "collection")
        self.check(len(body["rkey"]) == 13 and body["rkey"][0] in "234567abcdefghij", "rkey")
        self.check(len(clusters(record["text"])) <= 300 and len(text) <= 3_000, "length")
        self.check(text[part["byteStart"] : part["byteEnd"]].decode().startswith(self.page), "facet")
        self.check(facet["features"][0]["uri"].startswith(self.link), "link")
        if body["rkey"] in self.records:
            return 400, {"error": "InvalidRequest", "message": "Record already exists"}, ""
        self.records[body["rkey"]] = record
        return self.post_said((200, {"uri": f"at://{DID}/app.bsky.feed.post/{body['rkey']}", "cid": "bafy"}, ""))

    def record(self, asked: Asked) -> Said:
        given = self.form(asked, "repo", "collection", "rkey")
        if given is None or given["rkey"] not in self.records:
            return 400, {"error": "RecordNotFound"}, ""
        uri = f"at://{DID}/app.bsky.feed.post/{given['rkey']}"
        return 200, {"uri": uri, "value": self.records[given["rkey"]]}, ""
