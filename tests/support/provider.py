"""A provider that people sign in with, on a loopback port: OpenID Connect and plain OAuth 2.0 by authlib's server.

Whoever comes to authorise is ``user`` at once, as somebody who allowed it before. What it does wrongly, for those who
test what then happens, is in ``faults``.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import RSAKey

os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")
KEY = RSAKey.generate_key(2048, parameters={"kid": "k1", "alg": "RS256", "use": "sig"})
USER = {
    "sub": "u-1", "name": "Olga", "email": "olga@people.example", "email_verified": True,
    "picture": "https://people.example/olga.png", "profile": "https://people.example/olga",
}  # fmt: skip
CLIENT, SECRET = "cackled-client", "the client's secret: & %"


class Client(ClientMixin):
    """One client, with one exact redirect address."""

    def __init__(self, number: str, secret: str, redirects: set[str]) -> None:
        self.client_id = number
        self.secret = secret
        self.redirects = redirects

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirects

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post", "none")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code(AuthorizationCodeMixin):
    """A code that was given out."""

    def __init__(self, request: Any, user: Any) -> None:
        asked = request.payload
        self.client_id = request.client.client_id
        self.redirect_uri, self.scope, self.nonce = asked.redirect_uri, asked.scope, asked.data.get("nonce")
        self.code_challenge = asked.data.get("code_challenge")
        self.code_challenge_method = asked.data.get("code_challenge_method")
        self.user = user

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class User(dict):  # type: ignore[type-arg]
    """Who is signed in there."""

    def get_user_id(self) -> str:
        return str(self["sub"])


class LocalProvider:
    """The provider, on a thread of its own; ``url`` is its issuer. ``asked`` are the paths that were asked for."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = dict(USER)
        self.clients = {CLIENT: Client(CLIENT, SECRET, set())}
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.faults: set[str] = set()
        self.asked: list[str] = []
        self.oauth = self._make()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, b"")

            def do_POST(self) -> None:
                provider.answer(self, self.rfile.read(int(self.headers.get("content-length", 0))))

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

    def _make(self) -> Any:
        provider = self

        class Server(AuthorizationServer):
            def query_client(self, client_id: str) -> Any:
                return provider.clients.get(client_id)

            def save_token(self, token: dict[str, Any], request: Any) -> None:
                provider.tokens[token["access_token"]] = request.user

            def create_oauth2_request(self, request: Any) -> Any:
                return request

            def handle_response(self, status: int, body: Any, headers: Any) -> Any:
                return status, body, headers

            def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
                pass

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]

            def save_authorization_code(self, code: str, request: Any) -> None:
                provider.codes[code] = Code(request, request.user)

            def query_authorization_code(self, code: str, client: Any) -> Any:
                found = provider.codes.get(code)
                return found if found is not None and found.client_id == client.client_id else None

            def delete_authorization_code(self, authorization_code: Any) -> None:
                provider.codes = {key: one for key, one in provider.codes.items() if one is not authorization_code}

            def authenticate_user(self, authorization_code: Any) -> Any:
                return authorization_code.user

        class OpenId(OpenIDCode):
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return False

            def get_jwt_config(self, grant: Any = None, client: Any = None) -> dict[str, Any]:
                issuer = "https://else.example" if "issuer" in provider.faults else provider.url
                return {"key": KEY, "alg": "RS256", "iss": issuer, "exp": 600, "kid": "k1"}

            def resolve_client_private_key(self, client: Any) -> Any:
                return RSAKey.generate_key(2048) if "key" in provider.faults else KEY

            def get_client_claims(self, client: Any) -> dict[str, Any]:
                old = 7_200 if "old" in provider.faults else 0
                issuer = "https://else.example" if "issuer" in provider.faults else provider.url
                return {"iss": issuer, "iat": int(time.time()) - old, "exp": int(time.time()) + 600 - old}

            def generate_user_info(self, user: Any, scope: str) -> dict[str, Any]:
                return {"sub": user["sub"]} if "thin" in provider.faults else dict(user)

            def encode_id_token(self, token: Any, request: Any) -> Any:
                if "nonce" in provider.faults:
                    request.authorization_code.nonce = "another"
                return super().encode_id_token(token, request)

        server = Server()
        server.register_token_generator(
            "default", BearerTokenGenerator(lambda **given: secrets.token_urlsafe(24))
        )
        server.register_grant(CodeGrant, [CodeChallenge(required=True), OpenId()])
        return server

    def answer(self, handler: Any, body: bytes) -> None:
        """Answer one request."""
        parts = urlsplit(handler.path)
        self.asked.append(parts.path)
        if "down" in self.faults:
            handler.send_error(502)
            return
        given = dict(parse_qsl(parts.query)) | dict(parse_qsl(body.decode()))
        status, value, headers = self._route(handler, parts.path, given)
        raw = json.dumps(value).encode() if isinstance(value, (dict, list)) else str(value).encode()
        handler.send_response(status)
        for name, one in headers:
            handler.send_header(name, one)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def _route(self, handler: Any, path: str, given: dict[str, str]) -> tuple[int, Any, list[tuple[str, str]]]:
        kind = [("content-type", "application/json")]
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": "https://else.example" if "config" in self.faults else self.url,
                "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys", "userinfo_endpoint": f"{self.url}/userinfo",
            }, kind  # fmt: skip
        if path == "/keys":
            return 200, {"keys": [KEY.as_dict(private=False)]}, kind
        if path == "/api/v1/apps":
            number = f"app-{len(self.clients)}"
            self.clients[number] = Client(number, "s3", {given["redirect_uris"]})
            return 200, {"client_id": number, "client_secret": "s3"}, kind
        if path.endswith(("/authorize", "/dialog/oauth")):
            if "deny" in self.faults:
                state = given["state"]
                return 302, "", [("location", f"{given['redirect_uri']}?error=access_denied&state={state}")]
            request = self._request(handler, given)
            grant = self.oauth.get_consent_grant(request, end_user=User(self.user))
            return self.oauth.create_authorization_response(request, grant_user=User(self.user), grant=grant)
        if path.endswith(("/token", "/access_token", "/oauth2/auth")):
            return self.oauth.create_token_response(self._request(handler, given))
        token = handler.headers.get("authorization", "").partition(" ")[2] or given.get("access_token", "")
        user = self.tokens.get(token)
        if user is None:
            return 401, {"error": "invalid_token"}, kind
        return 200, self._profile(path, user), kind

    def _profile(self, path: str, user: dict[str, Any]) -> Any:
        """The profile, as each of them shows it."""
        match path:
            case "/userinfo":
                return {**user, "sub": "u-2"} if "other" in self.faults else user
            case "/api/v3/user":
                return {"id": 7, "login": "olga", "name": user["name"], "avatar_url": user["picture"]}
            case "/api/v3/user/emails":
                return [
                    {"email": "old@people.example", "primary": False, "verified": True},
                    {"email": user["email"], "primary": True, "verified": user["email_verified"]},
                ]
            case "/me":
                return {"id": "8", "name": user["name"], "email": user["email"],
                        "picture": {"data": {"url": user["picture"], "is_silhouette": False}}}  # fmt: skip
            case "/info":
                return {"id": "9", "display_name": user["name"], "default_email": user["email"],
                        "default_avatar_id": "12/x", "is_avatar_empty": False}  # fmt: skip
            case "/oauth2/user_info":
                return {"user": {"user_id": 10, "first_name": user["name"], "last_name": "P."}}
            case "/api/v1/accounts/verify_credentials":
                return {"id": "11", "username": "olga", "display_name": user["name"], "avatar": user["picture"]}
        return {}

    def _request(self, handler: Any, given: dict[str, str]) -> Any:
        made = OAuth2Request(handler.command, f"{self.url}{handler.path}", headers=dict(handler.headers))
        made.payload = BasicOAuth2Payload(given)
        # What the server of the library reads of frameworks' requests.
        type(made).form = property(lambda self: self.payload.data)  # type: ignore[method-assign,assignment]
        type(made).args = property(lambda self: self.payload.data)  # type: ignore[method-assign,assignment]
        return made
